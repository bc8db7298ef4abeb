//! Folders of which the user says what they hold.

use std::fs;
use std::path::{Path, PathBuf};

use super::labelled::add_defects;
use super::masks::Masks;
use super::{GOOD, sorted};
use crate::files::{Wanted, common_folder, images_below};
use crate::{Dataset, DatasetError, GroundTruth, Layout, Purpose, Stated, TestImage};

pub(crate) fn open(stated: &Stated, purpose: Purpose) -> Result<Dataset, DatasetError> {
    let good = existing(&stated.good)?;
    let defects = existing(&stated.defects)?;
    let masks = existing(&stated.masks)?;
    let mut dataset = Dataset::empty(&common_folder(good.iter().chain(&defects)), Layout::Stated);
    for folder in &good {
        let (photos, left_out) = images_below(folder, Wanted::NoMasks)?;
        dataset.left_out.extend(&left_out);
        match purpose {
            Purpose::Training => dataset.train.extend(photos),
            Purpose::Evaluation => {
                let image = |photo| TestImage::new(&dataset.root, photo, GOOD, GroundTruth::Good);
                let photos: Vec<TestImage> = photos.into_iter().map(image).collect();
                dataset.test.extend(photos);
            }
        }
    }
    let masks = Masks::read(&masks, &mut dataset.left_out)?;
    for folder in &defects {
        add_defects(&mut dataset, folder, &masks)?;
    }
    masks.note_unused(&mut dataset);
    let dataset = sorted(dataset);
    refuse_twice(&dataset)?;
    Ok(dataset)
}

/// The folders without links and `..`, so that what they have in common can be told.
fn existing(folders: &[PathBuf]) -> Result<Vec<PathBuf>, DatasetError> {
    let canonical = |folder: &PathBuf| {
        let found = fs::canonicalize(folder).ok().filter(|folder| folder.is_dir());
        found.ok_or_else(|| DatasetError::MissingFolder(folder.clone()))
    };
    folders.iter().map(canonical).collect()
}

/// # Errors
/// A photo is said to be two things.
fn refuse_twice(dataset: &Dataset) -> Result<(), DatasetError> {
    let test = dataset.test.iter().map(|image| &image.path);
    let mut all: Vec<&Path> = dataset.train.iter().chain(test).map(PathBuf::as_path).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DatasetError::Twice(pair[0].to_owned())),
        None => Ok(()),
    }
}
