//! Data sets in parts: folders for training, test and perhaps validation, as of MVTec AD, AD 2, 3D-AD and LOCO, of
//! BTech and MPDD, and of KolektorSDD2.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::group::{Group, groups};
use super::masks::{Found, Masks};
use super::{GOOD, beside, folders_of_masks};
use crate::files::{Listing, leave_out, name, stem};
use crate::loco::{CONFIG_NAME, DefectsConfig, Region};
use crate::meaning::{self, Label, Part};
use crate::{Dataset, DatasetError, GroundTruth, Layout, LeftOut, Reason, TestImage};

/// Whether there are folders for training or test.
pub(super) fn has_parts(listing: &Listing) -> bool {
    listing.folders.iter().any(|folder| matches!(part_of(folder), Some(Part::Train | Part::Test)))
}

/// The part of a data set that a folder is; `None` if its name also says what parts it shows.
fn part_of(folder: &Path) -> Option<Part> {
    let meaning = meaning::of(&name(folder));
    meaning.part.filter(|_| meaning.label.is_none() && !meaning.masks)
}

pub(super) fn open(root: &Path, listing: Listing) -> Result<Dataset, DatasetError> {
    let config_path = root.join(CONFIG_NAME);
    let config = config_path.is_file().then(|| DefectsConfig::read(&config_path)).transpose()?;
    let layout = if config.is_some() { Layout::MvtecLoco } else { Layout::MvtecAd };
    let mut parts = Parts {
        dataset: Dataset::empty(root, layout),
        config: config.map(Arc::new),
        shared_masks: folders_of_masks(&listing.folders),
    };
    parts.dataset.left_out.add_photos(root, listing.images.len(), Reason::NoKind);
    for folder in &listing.folders {
        match part_of(folder) {
            Some(Part::Train) => parts.train(folder)?,
            Some(Part::Validation) => parts.validation(folder)?,
            Some(Part::Test) => parts.test(folder)?,
            Some(Part::Unlabelled) => {
                leave_out(folder, Reason::Unlabelled, &mut parts.dataset.left_out)
            }
            None if parts.shared_masks.contains(folder) => {}
            None => leave_out(folder, Reason::NoKind, &mut parts.dataset.left_out),
        }
    }
    Ok(parts.dataset)
}

/// What has been read of a data set.
struct Parts {
    dataset: Dataset,
    config: Option<Arc<DefectsConfig>>,
    /// Folders of masks for the test photos of all folders.
    shared_masks: Vec<PathBuf>,
}

impl Parts {
    fn train(&mut self, folder: &Path) -> Result<(), DatasetError> {
        let listing = Listing::read(folder)?;
        if beside::is_beside(&listing) {
            let photos = beside::photos(folder, &mut self.dataset.left_out);
            let defects = photos.iter().filter(|photo| photo.anomalous).count();
            self.dataset.left_out.add_photos(folder, defects, Reason::Defects);
            let good = photos.into_iter().filter(|photo| !photo.anomalous);
            self.dataset.train.extend(good.map(|photo| photo.path));
            return Ok(());
        }
        if !listing.folders.iter().any(|folder| is_good(folder)) {
            return Err(DatasetError::MissingGood(folder.to_owned()));
        }
        let photos = good_photos(folder, listing, &mut self.dataset.left_out)?;
        self.dataset.train.extend(photos);
        Ok(())
    }

    fn validation(&mut self, folder: &Path) -> Result<(), DatasetError> {
        let photos = good_photos(folder, Listing::read(folder)?, &mut self.dataset.left_out)?;
        self.dataset.validation.extend(photos);
        Ok(())
    }

    fn test(&mut self, folder: &Path) -> Result<(), DatasetError> {
        let listing = Listing::read(folder)?;
        if beside::is_beside(&listing) {
            let photos = beside::photos(folder, &mut self.dataset.left_out);
            let root = &self.dataset.root;
            self.dataset.test.extend(photos.into_iter().map(|photo| photo.into_test_image(root)));
            return Ok(());
        }
        if !listing.images.is_empty() {
            return Err(DatasetError::TestWithoutKinds(folder.to_owned()));
        }
        let of_masks = folders_of_masks(&listing.folders);
        let all_masks = [self.shared_masks.clone(), of_masks.clone()].concat();
        let masks = Masks::read(&all_masks, &mut self.dataset.left_out)?;
        for kind in listing.folders.iter().filter(|folder| !of_masks.contains(folder)) {
            for group in groups(kind, &mut self.dataset.left_out)? {
                self.kind(kind, group, &masks)?;
            }
        }
        masks.note_unused(&mut self.dataset);
        Ok(())
    }

    /// Adds the test photos of one kind.
    fn kind(&mut self, folder: &Path, group: Group, masks: &Masks) -> Result<(), DatasetError> {
        let anomalous = !is_good(folder);
        let path = [&[name(folder)], &group.below[..]].concat();
        let kind = if anomalous { path.join("/") } else { GOOD.to_owned() };
        let mut places = vec![path.join("/")];
        if self.config.is_none() {
            // Without a folder for each kind, names must do.
            places.extend([group.below.join("/"), String::new()]);
        }
        for photo in group.photos {
            let ground_truth = if anomalous {
                match group.masks.get(&stem(&photo).to_lowercase()) {
                    Some(mask) => GroundTruth::Mask(mask.clone()),
                    None => self.ground_truth(masks.find(&places, &stem(&photo)))?,
                }
            } else {
                GroundTruth::Good
            };
            let image = TestImage::new(&self.dataset.root, photo, &kind, ground_truth);
            self.dataset.test.push(image);
        }
        Ok(())
    }

    fn ground_truth(&self, found: Option<Found>) -> Result<GroundTruth, DatasetError> {
        Ok(match found {
            None => GroundTruth::Missing,
            Some(Found::Mask(mask)) => GroundTruth::Mask(mask),
            Some(Found::Folder(masks)) => {
                let missing =
                    || DatasetError::MissingDefectsConfig(self.dataset.root.join(CONFIG_NAME));
                let config = self.config.as_ref().ok_or_else(missing)?;
                let region = |mask| Region { mask, config: Arc::clone(config) };
                GroundTruth::Regions(masks.into_iter().map(region).collect())
            }
        })
    }
}

fn is_good(folder: &Path) -> bool {
    meaning::of(&name(folder)).label == Some(Label::Good)
}

/// The photos of the folders of good parts in a part of a data set; the others are left out.
fn good_photos(
    folder: &Path,
    listing: Listing,
    left_out: &mut LeftOut,
) -> Result<Vec<PathBuf>, DatasetError> {
    left_out.extend(&listing.left_out);
    left_out.add_photos(folder, listing.images.len(), Reason::NoKind);
    let mut photos = Vec::new();
    for folder in &listing.folders {
        let meaning = meaning::of(&name(folder));
        if is_good(folder) && !meaning.masks {
            let found: Vec<PathBuf> =
                groups(folder, left_out)?.into_iter().flat_map(|group| group.photos).collect();
            if found.is_empty() {
                return Err(DatasetError::NoImages(folder.to_owned()));
            }
            photos.extend(found);
        } else {
            let reason = match meaning {
                meaning::Meaning { masks: true, .. } => Reason::Masks,
                meaning::Meaning { label: Some(Label::Bad), .. } => Reason::Defects,
                _ => Reason::NoKind,
            };
            leave_out(folder, reason, left_out);
        }
    }
    Ok(photos)
}
