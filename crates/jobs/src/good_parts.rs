//! Photos that are to be of good parts, and new to a model.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use efficientad::ModelInfo;
use efficientad_datasets::{Dataset, DatasetError, Layout, file_fingerprint};
use efficientad_evaluation::Photo;

use crate::data::was_trained_on;
use crate::error::JobError;

/// Refuses a folder that is a data set, or in which not all photos are of good parts by their names.
///
/// # Errors
/// It is such a folder. What can't be listed is told when its photos are looked for.
pub(crate) fn refuse_other_parts(folder: &Path) -> Result<(), JobError> {
    match Dataset::open(folder) {
        Ok(dataset) if dataset.layout == Layout::Folder => Ok(()),
        Ok(dataset) => {
            let validation = dataset.validation.first().and_then(|photo| photo.parent());
            Err(JobError::IsDataset {
                folder: folder.to_owned(),
                validation: validation.map(PathBuf::from),
            })
        }
        Err(
            DatasetError::NoImages(_) | DatasetError::Io { .. } | DatasetError::MissingFolder(_),
        ) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses photos that a model was trained on.
///
/// # Errors
/// Some are. A photo that can't be read is told when it is judged.
pub(crate) fn refuse_known(model: &ModelInfo, photos: &[Photo]) -> Result<(), JobError> {
    let known: HashSet<&str> =
        model.trainings().flat_map(|(_, data)| &data.train_files).map(String::as_str).collect();
    let is_known = |photo: &&Photo| {
        file_fingerprint(&photo.path).is_ok_and(|it| known.contains(it.short().as_str()))
    };
    let trained: Vec<&Photo> =
        if known.is_empty() { Vec::new() } else { photos.iter().filter(is_known).collect() };
    match trained.first() {
        None => Ok(()),
        Some(example) => Err(JobError::TrainedOn {
            example: example.path.clone(),
            photos: trained.len(),
            total: photos.len(),
        }),
    }
}

/// Refuses the folder of a data set that a model was trained on which does not name each photo.
///
/// # Errors
/// It is that.
pub(crate) fn refuse_known_folder(model: &ModelInfo, folder: &Path) -> Result<(), JobError> {
    if model.trainings().all(|(_, data)| !data.train_files.is_empty()) {
        return Ok(());
    }
    let Ok(dataset) = Dataset::open(folder).and_then(Dataset::trainable) else { return Ok(()) };
    if was_trained_on(&dataset, model)? {
        let (example, photos) = (dataset.train[0].clone(), dataset.train.len());
        return Err(JobError::TrainedOn { example, photos, total: photos });
    }
    Ok(())
}
