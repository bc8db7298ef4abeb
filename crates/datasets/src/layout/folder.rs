//! A plain folder of good images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Doubt, Mixed};
use crate::files::{Listing, Wanted, images_below, leave_out, name, stem};
use crate::meaning::{self, Label};
use crate::{Dataset, DatasetError, Layout, Reason};

/// # Errors
/// Names say that some of the photos are defects or masks.
pub(super) fn open(root: &Path, listing: Listing) -> Result<Dataset, DatasetError> {
    let mut dataset = Dataset::empty(root, Layout::Folder);
    if listing.images.is_empty() {
        (dataset.train, dataset.left_out) = images_below(root, Wanted::All)?;
        refuse_mixed_folders(root, &dataset.train)?;
    } else {
        dataset.train = listing.images;
        dataset.left_out = listing.left_out;
        for folder in &listing.folders {
            leave_out(folder, Reason::Below, &mut dataset.left_out);
        }
    }
    refuse_doubtful_names(root, &dataset.train)?;
    if dataset.train.is_empty() {
        return Err(DatasetError::NoImages(dataset.root));
    }
    Ok(dataset)
}

fn refuse_mixed_folders(root: &Path, photos: &[PathBuf]) -> Result<(), DatasetError> {
    let mut mixed = Mixed { root: root.to_owned(), ..Mixed::default() };
    let folders: BTreeSet<&Path> = photos.iter().filter_map(|photo| photo.parent()).collect();
    for folder in folders {
        let below = folder.strip_prefix(root).unwrap_or(folder);
        mixed.add(meaning::of_way(below), folder.to_owned());
    }
    let unclear =
        mixed.unclear.iter().filter_map(|folder| folder.strip_prefix(root).ok()?.to_str());
    if mixed.defects.is_empty() && mixed.masks.is_empty() && !meaning::are_opposites(unclear) {
        return Ok(());
    }
    Err(DatasetError::Mixed(Box::new(mixed)))
}

/// Refuses a photo by itself that is not of a good part by the name of its folder.
///
/// # Errors
/// [`DatasetError::DoubtfulFolder`].
pub fn refuse_doubtful_photo(photo: &Path) -> Result<(), DatasetError> {
    photo.parent().map_or(Ok(()), refuse_doubtful_folder)
}

fn refuse_doubtful_folder(folder: &Path) -> Result<(), DatasetError> {
    let own = meaning::of_machine_name(&name(folder));
    if own.masks || own.label == Some(Label::Bad) {
        let doubt = if own.masks { Doubt::Masks } else { Doubt::Defects };
        return Err(DatasetError::DoubtfulFolder { folder: folder.to_owned(), doubt });
    }
    Ok(())
}

/// The folder's own name, and those of the photos.
fn refuse_doubtful_names(root: &Path, photos: &[PathBuf]) -> Result<(), DatasetError> {
    refuse_doubtful_folder(root)?;
    for (doubt, is_doubtful) in [
        (
            Doubt::Defects,
            (|stem| meaning::of_machine_name(stem).label == Some(Label::Bad)) as fn(&str) -> bool,
        ),
        (Doubt::Masks, |stem| meaning::masked_photo(stem).is_some()),
    ] {
        let doubtful = || photos.iter().filter(|photo| is_doubtful(&stem(photo)));
        if let Some(example) = doubtful().next() {
            return Err(DatasetError::DoubtfulNames {
                folder: root.to_owned(),
                photos: photos.len(),
                doubtful: doubtful().count(),
                example: name(example),
                doubt,
            });
        }
    }
    Ok(())
}
