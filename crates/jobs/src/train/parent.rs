//! The model that a training goes on from.

use std::path::{Path, PathBuf};

use efficientad::{BegunTraining, ContinuationRecipe, Model};
use efficientad_datasets::file_fingerprint;

use crate::data::OldPaths;
use crate::error::JobError;

/// A finished model that is continued.
#[derive(Clone)]
pub struct Parent {
    path: PathBuf,
    model: Model,
    /// SHA-256 of its file.
    fingerprint: String,
}

impl Parent {
    /// Reads its file.
    ///
    /// # Errors
    /// When it can't be read or is no model.
    pub fn open(path: &Path) -> Result<Self, JobError> {
        let model = Model::open(path)?;
        let fingerprint = file_fingerprint(path)?.to_string();
        Ok(Self { path: path.to_owned(), model, fingerprint })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How it is continued with old photos, or on new ones alone, if nothing else is said.
    pub fn default_recipe(&self, with_old: bool) -> ContinuationRecipe {
        let (fingerprint, info) = (self.fingerprint.clone(), self.model.info());
        if with_old {
            ContinuationRecipe::with_old(fingerprint, info)
        } else {
            ContinuationRecipe::new_only(fingerprint, info)
        }
    }

    /// Where the photos lie that it was trained on; `None` if there are no folders.
    pub fn old_paths(&self, folders: Vec<PathBuf>) -> Option<OldPaths> {
        let model = self.model.info().clone();
        (!folders.is_empty()).then_some(OldPaths { folders, model })
    }

    /// Whether it was last trained without photos for the penalty.
    pub fn is_without_photos(&self) -> bool {
        let last = self.model.info().trainings().last();
        last.is_some_and(|(_, data)| data.photos == "none")
    }

    /// Fingerprint of the file of the model that it was continued from, if it was.
    fn last_origin(&self) -> Option<&String> {
        self.model.info().continuations.last().map(|last| &last.recipe.model)
    }
}

/// A training that was stopped goes on as what it began as.
///
/// # Errors
/// When it began otherwise than is asked for now.
pub(super) fn refuse_other_beginning(
    begun: &BegunTraining,
    parent: Option<&Parent>,
    checkpoint: &Path,
) -> Result<(), JobError> {
    let checkpoint = checkpoint.to_owned();
    match (&begun.continued, parent) {
        (None, Some(_)) => Err(JobError::BeganAnew { checkpoint }),
        (Some(_), None) => Err(JobError::BeganWithModel { checkpoint }),
        // The model took the place of the one that it was made from, and the checkpoint was left.
        (Some(begun), Some(parent)) if parent.last_origin() == Some(begun) => {
            Err(JobError::AlreadyFinished { checkpoint, model: parent.path.clone() })
        }
        (Some(begun), Some(parent)) if *begun != parent.fingerprint => Err(JobError::OtherModel {
            checkpoint,
            begun: begun.clone(),
            model: parent.path.clone(),
            fingerprint: parent.fingerprint.clone(),
        }),
        _ => Ok(()),
    }
}
