//! Folders of masks, and whose masks they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::files::{Wanted, images_below, relative_name, stem};
use crate::{Dataset, DatasetError, GroundTruth, LeftOut, Reason};

/// What follows a photo's name in the name of its mask, the likeliest first.
const ENDINGS: [&str; 6] = ["_mask", "", "_gt", "_label", "_ground_truth", "-mask"];

/// The masks in and below some folders.
#[derive(Default)]
pub(super) struct Masks {
    /// By the path of their folder below the one that was given, in lower case.
    folders: BTreeMap<String, Folder>,
    files: Vec<PathBuf>,
}

/// The masks of one folder by the stems of their names; of equal stems the first counts.
#[derive(Default)]
struct Folder {
    masks: Vec<PathBuf>,
    by_stem: BTreeMap<String, PathBuf>,
    by_lower_stem: BTreeMap<String, PathBuf>,
}

/// Where a photo's defects are.
pub(super) enum Found {
    /// In one mask.
    Mask(PathBuf),
    /// In a folder of masks, one for each defect.
    Folder(Vec<PathBuf>),
}

impl Masks {
    pub fn read(folders: &[PathBuf], left_out: &mut LeftOut) -> Result<Self, DatasetError> {
        let mut masks = Self::default();
        for folder in folders {
            let (files, others) = images_below(folder, Wanted::All)?;
            left_out.extend(&others);
            for file in files {
                masks.add(folder, file);
            }
        }
        Ok(masks)
    }

    fn add(&mut self, root: &Path, file: PathBuf) {
        let place = file.parent().map(|folder| relative_name(root, folder)).unwrap_or_default();
        let folder = self.folders.entry(place.to_lowercase()).or_default();
        let stem = stem(&file);
        folder.by_lower_stem.entry(stem.to_lowercase()).or_insert_with(|| file.clone());
        folder.by_stem.entry(stem).or_insert_with(|| file.clone());
        folder.masks.push(file.clone());
        self.files.push(file);
    }

    /// The mask of the photo called `stem`, in one of the `places`: paths below the folders of masks.
    pub fn find(&self, places: &[String], stem: &str) -> Option<Found> {
        places.iter().find_map(|place| {
            let of_photo = format!("{place}/{stem}").to_lowercase();
            if let Some(folder) = self.folders.get(of_photo.trim_start_matches('/')) {
                return Some(Found::Folder(folder.masks.clone()));
            }
            self.folders.get(&place.to_lowercase())?.find(stem).map(Found::Mask)
        })
    }

    /// Notes the masks that belong to none of the photos.
    pub fn note_unused(&self, dataset: &mut Dataset) {
        let taken: BTreeSet<&PathBuf> =
            dataset.test.iter().flat_map(|image| image.ground_truth.masks()).collect();
        let good = dataset.test.iter().filter(|image| image.ground_truth == GroundTruth::Good);
        let of_good: BTreeSet<String> =
            good.map(|image| stem(&image.path).to_lowercase()).collect();
        let mut unused = BTreeMap::<&Path, usize>::new();
        for file in self.files.iter().filter(|file| !taken.contains(file)) {
            let stem = stem(file).to_lowercase();
            let is_of_good = ENDINGS
                .iter()
                .filter_map(|ending| stem.strip_suffix(ending))
                .any(|photo| of_good.contains(photo));
            if !is_of_good {
                *unused.entry(file.parent().unwrap_or(file)).or_default() += 1;
            }
        }
        for (folder, masks) in unused {
            dataset.left_out.add_photos(folder, masks, Reason::MasksWithoutPhotos);
        }
    }
}

impl Folder {
    fn find(&self, stem: &str) -> Option<PathBuf> {
        let named = |stems: &BTreeMap<String, PathBuf>, stem: &str| -> Option<PathBuf> {
            ENDINGS.iter().find_map(|ending| stems.get(&format!("{stem}{ending}"))).cloned()
        };
        named(&self.by_stem, stem).or_else(|| named(&self.by_lower_stem, &stem.to_lowercase()))
    }
}
