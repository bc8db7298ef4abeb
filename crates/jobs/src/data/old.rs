//! The photos that a model was trained on, split as they were then.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use efficientad::{ModelInfo, OldImages};
use efficientad_datasets::{Dataset, Split, file_fingerprint};
use efficientad_images::DecodeOptions;

use super::split_fingerprints;
use crate::error::JobError;
use crate::event::{Event, Notifier};
use crate::meter::MeanLosses;
use crate::readable::Readable;

/// Where old photos lie.
#[derive(Debug, Clone)]
pub struct OldPaths {
    /// Folders of data sets.
    pub folders: Vec<PathBuf>,
    /// The model that was trained on them.
    pub model: ModelInfo,
}

/// Photos of earlier trainings.
#[derive(Debug)]
pub(super) struct OldPhotos {
    /// Those trained on and those held back, of all data sets.
    pub split: Split,
    /// What a model file says about them.
    pub description: OldImages,
    /// Number of photos that could not be read.
    pub skipped: usize,
}

impl OldPhotos {
    /// Reads data sets that a model was trained on, in whatever order they are given, and splits each
    /// as it was split then: what the model learned from must not calibrate it.
    pub(super) fn open(
        OldPaths { folders, model }: &OldPaths,
        decode: &DecodeOptions,
        threads: usize,
        notify: &mut Notifier<'_, '_, MeanLosses>,
    ) -> Result<Self, JobError> {
        let mut split = Split { train: Vec::new(), validation: Vec::new() };
        let mut fingerprints = BTreeSet::new();
        let mut skipped = 0;
        for folder in folders {
            let mut dataset = Dataset::open(folder)?.trainable()?;
            skipped += Readable::take(&mut dataset, decode, threads, notify)?.skipped;
            let (found, fingerprint) = split_as_trained(&dataset, model)?;
            if !fingerprints.insert(fingerprint) {
                return Err(JobError::OldTwice { folder: folder.clone() });
            }
            split.train.extend(found.train);
            split.validation.extend(found.validation);
        }
        let missing =
            model.trainings().filter(|(_, data)| !fingerprints.contains(&data.fingerprint));
        let datasets = missing.count();
        if datasets > 0 {
            notify.tell(Event::OldMissing { datasets })?;
        }
        let description = OldImages {
            fingerprints: fingerprints.into_iter().collect(),
            train_images: split.train.len(),
            validation_images: split.validation.len(),
        };
        Ok(Self { split, description, skipped })
    }

    /// Takes photos out of `files` that are among these; their number.
    pub(super) fn take_known(&self, files: &mut Vec<PathBuf>) -> Result<usize, JobError> {
        let known = self.split.train.iter().chain(&self.split.validation);
        let known = known.map(|file| file_fingerprint(file)).collect::<Result<HashSet<_>, _>>()?;
        let is_fresh = |file: &Path| file_fingerprint(file).map(|it| !known.contains(&it));
        let fresh = files.iter().map(|file| is_fresh(file)).collect::<Result<Vec<_>, _>>()?;
        let before = files.len();
        let mut fresh = fresh.into_iter();
        files.retain(|_| fresh.next().unwrap_or(true));
        Ok(before - files.len())
    }
}

/// Whether a model was trained on a data set, as the data set is now.
///
/// # Errors
/// When a file can't be read.
pub(crate) fn was_trained_on(dataset: &Dataset, model: &ModelInfo) -> Result<bool, JobError> {
    match split_as_trained(dataset, model) {
        Ok(_) => Ok(true),
        Err(JobError::OldUnknown { .. } | JobError::OldChanged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The split that gives one of the fingerprints in the model, and that fingerprint.
fn split_as_trained(dataset: &Dataset, model: &ModelInfo) -> Result<(Split, String), JobError> {
    for (seed, data) in model.trainings() {
        let split = dataset.split_off(data.validation_images, seed)?;
        let (fingerprint, _) = split_fingerprints(&split, &dataset.root, &dataset.root)?;
        if fingerprint == data.fingerprint {
            return Ok((split, fingerprint));
        }
    }
    let root = dataset.root.clone();
    if model.trainings().next().is_none() {
        return Err(JobError::OldUnknown { root });
    }
    Err(JobError::OldChanged { root })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use efficientad::{DataDescription, InputSize, PdnSize, Recipe};

    /// Of twenty photos, four are usually held back.
    #[test]
    fn photos_are_split_as_many_as_were_held_back_then() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..20 {
            fs::write(folder.path().join(format!("{number}.png")), [number]).unwrap();
        }
        let dataset = Dataset::open(folder.path()).unwrap();
        for held_back in [2, 4] {
            let split = dataset.split_off(held_back, Recipe::default().seed).unwrap();
            let (fingerprint, _) =
                split_fingerprints(&split, &dataset.root, &dataset.root).unwrap();
            let data =
                DataDescription { fingerprint, validation_images: held_back, ..Default::default() };
            let model = ModelInfo {
                size: PdnSize::Small,
                input: InputSize::default(),
                recipe: Some(Recipe::default()),
                data: Some(data),
                continuations: Vec::new(),
                calibration: None,
                threshold: None,
                engine: None,
                samples: None,
                program_version: String::new(),
            };
            assert_eq!(split_as_trained(&dataset, &model).unwrap().0, split);
        }
    }
}
