//! Photos with their masks beside them, as of KolektorSDD: `Part0.jpg` and `Part0_label.bmp`. A photo is good whose
//! mask is black, or that has none.

use std::path::{Path, PathBuf};

use efficientad_images::{Limits, MaskKind, recognise_mask};

use super::{GOOD, reserve};
use crate::files::{Listing, leave_out, lower_stem, name, stem};
use crate::meaning::{self, Label};
use crate::{Dataset, GroundTruth, Layout, LeftOut, Reason, TestImage};

/// A photo, and what its mask says of it.
pub(super) struct Photo {
    pub path: PathBuf,
    pub anomalous: bool,
    mask: Option<PathBuf>,
}

impl Photo {
    pub fn into_test_image(self, root: &Path) -> TestImage {
        let (kind, ground_truth) = match (self.anomalous, self.mask) {
            (false, _) => (GOOD, GroundTruth::Good),
            (true, None) => ("defect", GroundTruth::Missing),
            (true, Some(mask)) => ("defect", GroundTruth::Mask(mask)),
        };
        TestImage::new(root, self.path, kind, ground_truth)
    }
}

/// Whether masks lie beside photos in a folder.
pub(super) fn is_beside(listing: &Listing) -> bool {
    !Listing { images: listing.images.clone(), ..Listing::default() }.take_masks().is_empty()
}

/// Whether masks lie beside photos in one of a folder's subfolders, which hold nothing else.
pub(super) fn is_beside_below(listing: &Listing) -> bool {
    let mut folders = listing.folders.iter().filter(|folder| !folder.is_symlink());
    folders.any(|folder| Listing::read(folder).is_ok_and(|listing| is_beside(&listing)))
}

/// The photos in and below a folder.
pub(super) fn photos(folder: &Path, left_out: &mut LeftOut) -> Vec<Photo> {
    let mut photos = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let mut listing = match Listing::read(&folder) {
            Ok(listing) => listing,
            Err(error) => {
                left_out.add_not_listed(&error);
                continue;
            }
        };
        left_out.extend(&listing.left_out);
        let masks = listing.take_masks();
        for path in listing.images {
            let mask = masks.get(&lower_stem(&path)).cloned();
            let anomalous = match &mask {
                Some(mask) => !is_blank(mask),
                None => meaning::of_machine_name(&stem(&path)).label == Some(Label::Bad),
            };
            photos.push(Photo { path, anomalous, mask });
        }
        for folder in listing.folders {
            if folder.is_symlink() {
                left_out.add_folder(&folder, Reason::Linked);
            } else if meaning::of(&name(&folder)).masks {
                leave_out(&folder, Reason::Masks, left_out);
            } else {
                open.push(folder);
            }
        }
    }
    photos
}

/// Whether a mask says that there is no defect. One that can't be read does not.
fn is_blank(mask: &Path) -> bool {
    recognise_mask(mask, &Limits::default()).is_ok_and(|mask| mask.kind == MaskKind::Blank)
}

pub(super) fn open(root: &Path) -> Dataset {
    let mut dataset = Dataset::empty(root, Layout::MasksBeside);
    let photos = photos(root, &mut dataset.left_out);
    let (defects, good): (Vec<_>, Vec<_>) = photos.into_iter().partition(|photo| photo.anomalous);
    dataset.test.extend(defects.into_iter().map(|photo| photo.into_test_image(root)));
    dataset.train = good.into_iter().map(|photo| photo.path).collect();
    reserve(&mut dataset);
    dataset
}
