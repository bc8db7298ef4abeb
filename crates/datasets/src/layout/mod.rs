//! Recognising layouts.

mod folder;
mod mvtec;
mod visa;

use std::path::{Path, PathBuf};

use crate::files::{Listing, name, relative_name};
use crate::{Dataset, DatasetError};

/// Name of the folder, and kind, of good images.
const GOOD: &str = "good";

pub(crate) fn open(root: &Path) -> Result<Dataset, DatasetError> {
    let listing = Listing::read(root)?;
    let dataset = if root.join("train").is_dir() {
        mvtec::open(root)?
    } else if visa::is_category(root) {
        visa::open(root)?
    } else if root.join("test").is_dir() || root.join("ground_truth").is_dir() {
        return Err(DatasetError::MissingTrain(root.to_owned()));
    } else if let Some(example) = collection_member(&listing) {
        return Err(DatasetError::Collection { path: root.to_owned(), example });
    } else {
        folder::open(root, listing)?
    };
    refuse_too_few(sorted(dataset))
}

/// The first data set in a folder that has no images of its own.
fn collection_member(listing: &Listing) -> Option<String> {
    let is_dataset = |folder: &&PathBuf| folder.join("train").is_dir() || visa::is_category(folder);
    let member = listing.folders.iter().find(is_dataset);
    member.filter(|_| listing.images.is_empty()).map(|folder| name(folder))
}

/// The same order on every machine, whatever the layout.
fn sorted(mut dataset: Dataset) -> Dataset {
    let key = |path: &PathBuf| relative_name(&dataset.root, path).into_bytes();
    dataset.train.sort_by_cached_key(key);
    dataset.validation.sort_by_cached_key(key);
    dataset.test.sort_by_cached_key(|image| key(&image.path));
    dataset
}

/// One image must remain for training and one for validation.
fn refuse_too_few(dataset: Dataset) -> Result<Dataset, DatasetError> {
    let needed = if dataset.validation.is_empty() { 2 } else { 1 };
    let Some(first) = dataset.train.first() else {
        return Err(DatasetError::NoImages(dataset.root));
    };
    if dataset.train.len() < needed {
        let path = first.parent().unwrap_or(&dataset.root).to_owned();
        return Err(DatasetError::TooFewImages { path, found: dataset.train.len(), needed });
    }
    Ok(dataset)
}
