//! Recognising layouts.

mod beside;
mod folder;
mod group;
mod labelled;
mod masks;
mod parts;
mod real_iad;
mod stated;
mod table;
mod visa;

use std::path::{Path, PathBuf};

use crate::files::{Listing, has_extension, name, relative_name};
use crate::{Dataset, DatasetError, GroundTruth, TestImage, draw, meaning};
use labelled::Labelled;

pub use folder::refuse_doubtful_photo;
pub(crate) use stated::open as open_stated;

/// Kind of good images.
const GOOD: &str = "good";
/// Where a data set has defects, but no good photos to test with: one of so many good photos is kept for that.
const RESERVED: usize = 5;
/// With fewer good photos none is: they are all needed to train on.
const LEAST_TO_RESERVE: usize = 10;

pub(crate) fn open(root: &Path) -> Result<Dataset, DatasetError> {
    let dataset = if root.is_file() && has_extension(root, "csv") {
        table::open(root)?
    } else if root.is_file() && has_extension(root, "json") {
        real_iad::open_description(root)?
    } else {
        open_folder(root)?
    };
    Ok(sorted(dataset))
}

fn open_folder(root: &Path) -> Result<Dataset, DatasetError> {
    let listing = Listing::read(root)?;
    if parts::has_parts(&listing) {
        return parts::open(root, listing);
    }
    if visa::is_category(root) {
        return visa::open(root);
    }
    if let Some(description) = real_iad::description_of(root) {
        return real_iad::open(root, &description);
    }
    if let Some(table) = table::of_folder(root, &listing)? {
        return table::open(&table);
    }
    if let Some(example) = collection_member(&listing) {
        return Err(DatasetError::Collection { path: root.to_owned(), example });
    }
    let labelled = Labelled::of(root, &listing);
    if labelled.tells_apart() {
        labelled.open(root, listing)
    } else if beside::is_beside(&listing) || beside::is_beside_below(&listing) {
        Ok(beside::open(root))
    } else {
        folder::open(root, listing)
    }
}

/// The first data set in a folder that has no images of its own.
fn collection_member(listing: &Listing) -> Option<String> {
    let is_dataset = |folder: &PathBuf| {
        let Ok(inner) = Listing::read(folder) else { return false };
        let says_nothing = meaning::of(&name(folder)) == meaning::Meaning::default();
        parts::has_parts(&inner)
            || visa::is_category(folder)
            || (says_nothing && Labelled::of(folder, &inner).tells_apart())
    };
    let mut folders = listing.folders.iter().filter(|folder| !folder.is_symlink());
    let member = folders.find(|folder| is_dataset(folder)).map(|folder| name(folder));
    member.filter(|_| listing.images.is_empty())
}

/// Those folders whose names say that they hold masks.
fn folders_of_masks(folders: &[PathBuf]) -> Vec<PathBuf> {
    folders.iter().filter(|folder| meaning::of(&name(folder)).masks).cloned().collect()
}

/// Keeps some of the good photos to test with, where there are none for that but defects.
///
/// The draw depends on nothing but their number.
fn reserve(dataset: &mut Dataset) {
    dataset.train.sort_by_cached_key(|path| relative_name(&dataset.root, path).into_bytes());
    let has_good = dataset.test.iter().any(|image| !image.anomalous);
    let photos = dataset.train.len();
    if dataset.test.is_empty() || has_good || photos < LEAST_TO_RESERVE {
        return;
    }
    let mut reserved = draw(photos, photos / RESERVED, 0).into_iter();
    let (kept, train) = std::mem::take(&mut dataset.train)
        .into_iter()
        .partition(|_: &PathBuf| reserved.next().unwrap_or_default());
    dataset.train = train;
    let image = |photo| TestImage::new(&dataset.root, photo, GOOD, GroundTruth::Good);
    let kept: Vec<TestImage> = Vec::into_iter(kept).map(image).collect();
    dataset.test.extend(kept);
}

/// The same order on every machine, whatever the layout.
fn sorted(mut dataset: Dataset) -> Dataset {
    let key = |path: &PathBuf| relative_name(&dataset.root, path).into_bytes();
    dataset.train.sort_by_cached_key(key);
    dataset.validation.sort_by_cached_key(key);
    dataset.test.sort_by_cached_key(|image| key(&image.path));
    dataset
}
