//! The photos that a model was trained on, split as they were then.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use anyhow::{Result, bail};
use efficientad::{ModelInfo, OldImages};
use efficientad_datasets::{DEFAULT_FRACTION, Dataset, Split, file_fingerprint};
use efficientad_images::DecodeOptions;

use crate::progress::Progress;
use crate::training_data::{skip_unreadable, split_fingerprint};

/// Where old photos lie.
#[derive(Debug)]
pub struct OldPaths {
    /// Folders of data sets.
    pub folders: Vec<PathBuf>,
    /// The model that was trained on them.
    pub model: ModelInfo,
}

/// Photos of earlier trainings.
#[derive(Debug)]
pub struct OldPhotos {
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
    ///
    /// # Errors
    /// When a folder is no data set that the model was trained on, as it was then.
    pub fn open(
        OldPaths { folders, model }: &OldPaths,
        decode: &DecodeOptions,
        threads: usize,
        progress: &mut Progress,
    ) -> Result<Self> {
        let mut split = Split { train: Vec::new(), validation: Vec::new() };
        let mut fingerprints = BTreeSet::new();
        let mut skipped = 0;
        for folder in folders {
            let mut dataset = Dataset::open(folder)?;
            skipped += skip_unreadable(&mut dataset, decode, threads, progress)?;
            let (found, fingerprint) = split_as_trained(&dataset, model)?;
            if !fingerprints.insert(fingerprint) {
                bail!("{}: this data set is given twice with --old", folder.display());
            }
            split.train.extend(found.train);
            split.validation.extend(found.validation);
        }
        let missing =
            model.trainings().filter(|(_, data)| !fingerprints.contains(&data.fingerprint));
        let missing = missing.count();
        if missing > 0 {
            progress.note(format_args!(
                "the model was trained on {missing} more data sets than are given with --old; what \
                 becomes of their parts stays unknown"
            ));
        }
        let description = OldImages {
            fingerprints: fingerprints.into_iter().collect(),
            train_images: split.train.len(),
            validation_images: split.validation.len(),
        };
        Ok(Self { split, description, skipped })
    }

    /// Takes photos out of `files` that are among these; their number.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn take_known(&self, files: &mut Vec<PathBuf>) -> Result<usize> {
        let known = self.split.train.iter().chain(&self.split.validation);
        let known = known.map(|file| file_fingerprint(file)).collect::<Result<HashSet<_>, _>>()?;
        let mut fresh = Vec::with_capacity(files.len());
        for file in files.iter() {
            if !known.contains(&file_fingerprint(file)?) {
                fresh.push(file.clone());
            }
        }
        let taken = files.len() - fresh.len();
        *files = fresh;
        Ok(taken)
    }
}

/// The split that gives one of the fingerprints in the model, and that fingerprint.
fn split_as_trained(dataset: &Dataset, model: &ModelInfo) -> Result<(Split, String)> {
    for (seed, data) in model.trainings() {
        let split = dataset.split(DEFAULT_FRACTION, seed)?;
        let fingerprint = split_fingerprint(&split, &dataset.root, &dataset.root)?;
        if fingerprint == data.fingerprint {
            return Ok((split, fingerprint));
        }
    }
    let root = dataset.root.display();
    if model.trainings().next().is_none() {
        bail!(
            "{root}: the model was imported and does not say what it was trained on, so that its \
             photos can't be told apart; leave out --old"
        );
    }
    bail!(
        "{root}: the model was not trained on these photos as they are now; photos that it learned \
         from would calibrate it. Give the folder as it was at the training (no photo added, \
         removed, renamed or changed, and none held back by --validation), or leave out --old"
    )
}
