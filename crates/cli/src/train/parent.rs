//! The model that a training goes on from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use efficientad::{BegunTraining, ContinuationRecipe, Model};
use efficientad_datasets::file_fingerprint;

use crate::args::{PhotosArg, TrainArgs};
use crate::old_photos::OldPaths;

/// A finished model.
pub struct Parent {
    path: PathBuf,
    /// Its content.
    pub model: Model,
    /// SHA-256 of its file.
    fingerprint: String,
}

impl Parent {
    /// Reads it.
    ///
    /// # Errors
    /// When it can't be read, or an option contradicts it.
    pub fn open(path: &Path, args: &TrainArgs) -> Result<Self> {
        refuse_options_of_the_model(path, args)?;
        let model = Model::open(path)?;
        let fingerprint = file_fingerprint(path)?.to_string();
        Ok(Self { path: path.to_owned(), model, fingerprint })
    }

    /// Fingerprint of the file of the model that it was continued from, if it was.
    fn last_origin(&self) -> Option<&String> {
        self.model.info().continuations.last().map(|last| &last.recipe.model)
    }

    /// How it is continued.
    pub fn recipe(&self, args: &TrainArgs) -> ContinuationRecipe {
        let (fingerprint, info) = (self.fingerprint.clone(), self.model.info());
        let default = if args.old.is_empty() {
            ContinuationRecipe::new_only(fingerprint, info)
        } else {
            ContinuationRecipe::with_old(fingerprint, info)
        };
        let given = &args.recipe;
        ContinuationRecipe {
            steps: given.steps.unwrap_or(default.steps),
            seed: given.seed.unwrap_or(default.seed),
            learning_rate: given.learning_rate.unwrap_or(default.learning_rate),
            ..default
        }
    }

    /// Where the photos lie that it was trained on, if that is said.
    pub fn old_paths(&self, folders: Vec<PathBuf>) -> Option<OldPaths> {
        let model = self.model.info().clone();
        (!folders.is_empty()).then_some(OldPaths { folders, model })
    }

    /// Photos for the penalty if none are given: none if it was trained without.
    pub fn photos(&self) -> Option<PhotosArg> {
        let last = self.model.info().trainings().last();
        last.is_some_and(|(_, data)| data.photos == "none").then_some(PhotosArg::None)
    }
}

/// What the model decides can't be decided anew.
fn refuse_options_of_the_model(path: &Path, args: &TrainArgs) -> Result<()> {
    let given = [
        ("--size", args.recipe.size.is_some()),
        ("--input", args.recipe.input.is_some()),
        ("--recipe", args.recipe.recipe.is_some()),
        ("--no-position-weights", args.recipe.no_position_weights),
        ("--letterbox", args.view.letterbox),
        ("--tile", args.view.tile.is_some()),
        ("--overlap", args.view.overlap.is_some()),
        ("--region", args.region.region.is_some()),
        ("--exclude", args.region.exclude.is_some()),
        ("--teacher", args.teacher.is_some()),
        ("--orientation", args.decode.orientation.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        bail!(
            "{option} can't be given with --continue: networks and what they see stay as they are \
             in {}; leave {option} out, or train anew",
            path.display()
        );
    }
    Ok(())
}

/// A training that was stopped goes on as what it began as.
///
/// # Errors
/// When it began otherwise than is asked for now.
pub fn refuse_other_beginning(
    begun: &BegunTraining,
    parent: Option<&Parent>,
    checkpoint: &Path,
) -> Result<()> {
    let checkpoint = checkpoint.display();
    match (&begun.continued, parent) {
        (None, Some(_)) => bail!(
            "{checkpoint}: the training that was stopped here began anew, not with a model; leave \
             out --continue, or delete the checkpoint"
        ),
        (Some(_), None) => bail!(
            "{checkpoint}: the training that was stopped here began with a model; give that model \
             with --continue, or delete the checkpoint"
        ),
        // The model took the place of the one that it was made from, and the checkpoint was left.
        (Some(begun), Some(parent)) if parent.last_origin() == Some(begun) => bail!(
            "{checkpoint}: the training that was stopped here is finished, and {} is what came of \
             it; delete the checkpoint",
            parent.path.display()
        ),
        (Some(begun), Some(parent)) if *begun != parent.fingerprint => bail!(
            "{checkpoint}: the training that was stopped here began with another model (SHA-256 \
             {begun}) than {} ({}); give that one, or delete the checkpoint",
            parent.path.display(),
            parent.fingerprint
        ),
        _ => Ok(()),
    }
}
