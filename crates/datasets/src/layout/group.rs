//! The photos of a folder that says what they show, and of its subfolders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::{Listing, Wanted, images_below, leave_out, lower_stem, name};
use crate::{DatasetError, LeftOut, Reason, meaning};

/// Where MVTec 3D-AD keeps the photos, beside folders of depth maps (`xyz`) and masks (`gt`).
const RGB: &str = "rgb";

/// Photos that lie in one folder.
pub(super) struct Group {
    /// Names of the folders on the way to them.
    pub below: Vec<String>,
    pub photos: Vec<PathBuf>,
    /// Masks that lie beside them, by the photo's stem in lower case.
    pub masks: BTreeMap<String, PathBuf>,
}

/// The photos of `folder`: its own, or where it has none, those of its folder `rgb`, or those of all its subfolders.
pub(super) fn groups(folder: &Path, left_out: &mut LeftOut) -> Result<Vec<Group>, DatasetError> {
    let mut found = Vec::new();
    collect(folder, &[], &mut found, left_out)?;
    Ok(found)
}

fn collect(
    folder: &Path,
    below: &[String],
    found: &mut Vec<Group>,
    left_out: &mut LeftOut,
) -> Result<(), DatasetError> {
    let mut listing = Listing::read(folder)?;
    left_out.extend(&listing.left_out);
    let mut masks = listing.take_masks();
    let (of_masks, folders): (Vec<_>, Vec<_>) =
        listing.folders.into_iter().partition(|folder| meaning::of(&name(folder)).masks);
    for folder in &of_masks {
        let (files, others) = images_below(folder, Wanted::All)?;
        left_out.extend(&others);
        masks.extend(files.into_iter().map(|mask| (photo_of(&mask), mask)));
    }
    let rgb = folders.iter().find(|folder| name(folder).eq_ignore_ascii_case(RGB));
    let photos = match rgb {
        Some(rgb) if listing.images.is_empty() => {
            let listing = Listing::read(rgb)?;
            left_out.extend(&listing.left_out);
            listing.images
        }
        _ => listing.images,
    };
    if photos.is_empty() {
        for folder in folders {
            if folder.is_symlink() {
                left_out.add_folder(&folder, Reason::Linked);
                continue;
            }
            let below = [below, &[name(&folder)]].concat();
            if let Err(error) = collect(&folder, &below, found, left_out) {
                left_out.add_not_listed(&error);
            }
        }
        return Ok(());
    }
    if rgb.is_none() {
        for folder in &folders {
            leave_out(folder, Reason::Below, left_out);
        }
    }
    found.push(Group { below: below.to_vec(), photos, masks });
    Ok(())
}

/// The stem, in lower case, of the photo that a mask in a folder of masks belongs to.
fn photo_of(mask: &Path) -> String {
    let stem = lower_stem(mask);
    meaning::masked_photo(&stem).unwrap_or(stem)
}
