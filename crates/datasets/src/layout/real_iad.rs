//! Real-IAD (Wang et al., CVPR 2024): a JSON file for each category tells which photo is what.

use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::GOOD;
use crate::files::{Listing, name, read_text};
use crate::{Dataset, DatasetError, GroundTruth, Layout, TestImage};

#[derive(Deserialize)]
struct Description {
    meta: Meta,
    train: Vec<Entry>,
    test: Vec<Entry>,
}

#[derive(Deserialize)]
struct Meta {
    /// What `anomaly_class` is for good parts.
    normal_class: String,
    /// The category's folder.
    prefix: String,
}

#[derive(Deserialize)]
struct Entry {
    anomaly_class: String,
    image_path: String,
    mask_path: Option<String>,
}

/// The description of a category's folder: `NAME.json` in it, beside it, or in a folder beside it or beside that, such
/// as `realiad_jsons`.
pub(super) fn description_of(root: &Path) -> Option<PathBuf> {
    let root = fs::canonicalize(root).ok()?;
    let file = format!("{}.json", name(&root));
    let above: Vec<&Path> = root.ancestors().take(3).collect();
    let mut folders: Vec<PathBuf> = above.iter().map(|&folder| folder.to_owned()).collect();
    for folder in &above[1..] {
        let inner = Listing::read(folder).map(|listing| listing.folders).unwrap_or_default();
        folders.extend(inner.into_iter().filter(|folder| name(folder).contains("json")));
    }
    let mut files = folders.iter().map(|folder| folder.join(&file));
    files.find(|file| file.is_file() && read(file).is_ok())
}

/// Opens the folder that a description tells of, which lies beside it or beside its folder.
pub(super) fn open_description(file: &Path) -> Result<Dataset, DatasetError> {
    let prefix = inside(&read(file)?.meta.prefix, file)?;
    let whole = fs::canonicalize(file).map_err(DatasetError::io(file))?;
    for folder in whole.ancestors().skip(1).take(3) {
        let mut places = vec![folder.to_owned()];
        places.extend(Listing::read(folder)?.folders);
        if let Some(root) =
            places.iter().map(|place| place.join(&prefix)).find(|root| root.is_dir())
        {
            return open(&root, file);
        }
    }
    let reason = format!("there is no folder {} beside it; give that folder", prefix.display());
    Err(DatasetError::malformed(file, reason))
}

pub(super) fn open(root: &Path, file: &Path) -> Result<Dataset, DatasetError> {
    let Description { meta, train, test } = read(file)?;
    let mut dataset = Dataset::empty(root, Layout::RealIad);
    for entry in train {
        if entry.anomaly_class != meta.normal_class {
            let reason = format!("{}: a defect is among the training photos", entry.image_path);
            return Err(DatasetError::malformed(file, reason));
        }
        dataset.train.push(resolve(root, &entry.image_path, file)?);
    }
    for entry in test {
        let photo = resolve(root, &entry.image_path, file)?;
        let (kind, ground_truth) = match entry.mask_path {
            _ if entry.anomaly_class == meta.normal_class => (GOOD, GroundTruth::Good),
            None => (entry.anomaly_class.as_str(), GroundTruth::Missing),
            Some(mask) => {
                (entry.anomaly_class.as_str(), GroundTruth::Mask(resolve(root, &mask, file)?))
            }
        };
        dataset.test.push(TestImage::new(root, photo, kind, ground_truth));
    }
    Ok(dataset)
}

fn read(file: &Path) -> Result<Description, DatasetError> {
    let malformed = |error: serde_json::Error| DatasetError::malformed(file, error.to_string());
    serde_json::from_str(&read_text(file)?).map_err(malformed)
}

fn resolve(root: &Path, path: &str, file: &Path) -> Result<PathBuf, DatasetError> {
    let resolved = root.join(inside(path, file)?);
    if resolved.is_file() {
        return Ok(resolved);
    }
    Err(DatasetError::malformed(file, format!("{} does not exist", resolved.display())))
}

/// A path that does not lead out of the folder that it is joined to.
fn inside(path: &str, file: &Path) -> Result<PathBuf, DatasetError> {
    let path = Path::new(path);
    if path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(path.to_owned());
    }
    Err(DatasetError::malformed(file, format!("{} leads out of the folder", path.display())))
}
