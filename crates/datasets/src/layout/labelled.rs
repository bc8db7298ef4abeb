//! Folders that say by their names what they hold: `OK` and `NG`, `normal` and `abnormal`, perhaps `MASK`.

use std::path::Path;

use super::group::groups;
use super::masks::{Found, Masks};
use super::reserve;
use crate::error::Mixed;
use crate::files::{Listing, leave_out, may_hold_images, name, stem};
use crate::meaning::{self, Part};
use crate::{Dataset, DatasetError, GroundTruth, Layout, Reason, TestImage};

/// What the folders of a folder hold, by their names; those with photos in them.
pub(super) struct Labelled(Mixed);

impl Labelled {
    /// Looks at the names of the folders in a folder.
    pub fn of(root: &Path, listing: &Listing) -> Self {
        let mut folders = Mixed { root: root.to_owned(), ..Mixed::default() };
        for folder in &listing.folders {
            if may_hold_images(folder) {
                folders.add(meaning::of(&name(folder)), folder.clone());
            }
        }
        if !listing.images.is_empty() {
            folders.unclear.push(root.to_owned());
        }
        Self(folders)
    }

    /// Whether names tell some photos from others.
    pub fn tells_apart(&self) -> bool {
        let Mixed { good, defects, masks, unclear, .. } = &self.0;
        !defects.is_empty() || !masks.is_empty() || (!good.is_empty() && !unclear.is_empty())
    }

    /// # Errors
    /// The names leave open what some of the photos show.
    pub fn open(self, root: &Path, listing: Listing) -> Result<Dataset, DatasetError> {
        let Self(mut folders) = self;
        // Photos beside a folder of defects alone are the good ones.
        let beside_defects =
            folders.good.is_empty() && folders.masks.is_empty() && folders.unclear == [root];
        if beside_defects {
            folders.good = std::mem::take(&mut folders.unclear);
        }
        if !folders.unclear.is_empty() || folders.defects.is_empty() {
            return Err(DatasetError::Mixed(Box::new(folders)));
        }
        let mut dataset = Dataset::empty(root, Layout::Labelled);
        dataset.left_out = listing.left_out;
        for folder in &folders.good {
            if folder == root {
                dataset.train.extend_from_slice(&listing.images);
                continue;
            }
            let part = meaning::of(&name(folder)).part;
            for group in groups(folder, &mut dataset.left_out)? {
                match part {
                    Some(Part::Test) => {
                        let image =
                            |photo| TestImage::new(root, photo, super::GOOD, GroundTruth::Good);
                        dataset.test.extend(group.photos.into_iter().map(image));
                    }
                    Some(Part::Validation) => dataset.validation.extend(group.photos),
                    _ => dataset.train.extend(group.photos),
                }
            }
        }
        let masks = Masks::read(&folders.masks, &mut dataset.left_out)?;
        for folder in &folders.defects {
            add_defects(&mut dataset, folder, &masks)?;
        }
        masks.note_unused(&mut dataset);
        reserve(&mut dataset);
        Ok(dataset)
    }
}

/// Adds the photos of a folder of defects, with their masks, to the test photos.
pub(super) fn add_defects(
    dataset: &mut Dataset,
    folder: &Path,
    masks: &Masks,
) -> Result<(), DatasetError> {
    if meaning::of(&name(folder)).part == Some(Part::Train) {
        leave_out(folder, Reason::Defects, &mut dataset.left_out);
        return Ok(());
    }
    for group in groups(folder, &mut dataset.left_out)? {
        let below = group.below.join("/");
        let kind = if below.is_empty() { name(folder) } else { below.clone() };
        let places = [format!("{}/{below}", name(folder)), below, String::new()]
            .map(|place| place.trim_end_matches('/').to_owned());
        for photo in group.photos {
            let beside = group.masks.get(&stem(&photo).to_lowercase()).cloned().map(Found::Mask);
            let ground_truth = match beside.or_else(|| masks.find(&places, &stem(&photo))) {
                Some(Found::Mask(mask)) => GroundTruth::Mask(mask),
                // Regions that need a description of their own, which this layout has not.
                Some(Found::Folder(_)) | None => GroundTruth::Missing,
            };
            dataset.test.push(TestImage::new(&dataset.root, photo, &kind, ground_truth));
        }
    }
    Ok(())
}
