//! Trainings that go on from a finished model, on images that came later (`docs/continuing.md`).

use crate::model::{DataDescription, ModelInfo};
use crate::recipe::{LearningRateSchedule, Recipe};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A continuation takes the steps of the first training divided by this, but not fewer than
/// [`FEWEST_STEPS`] (measured: `docs/continuing.md`).
const STEPS_DIVISOR: u64 = 4;
const FEWEST_STEPS: u64 = 100;
/// Learning rate with old images, and without: a tenth forgets less (measured likewise).
const WITH_OLD_LEARNING_RATE: f32 = 1e-4;
const NEW_ONLY_LEARNING_RATE: f32 = 1e-5;

/// The constants of a continuation; all others are the model's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContinuationRecipe {
    /// Fingerprint of the file of the model that is continued.
    pub model: String,
    /// Number of steps of one image each.
    pub steps: u64,
    /// Seed of all random choices, also of which new images are held back.
    pub seed: u64,
    /// Learning rate of Adam; a tenth of it in the last twentieth of the steps.
    pub learning_rate: f32,
}

/// A training that went on from a finished model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// How it was trained.
    #[serde(flatten)]
    pub recipe: ContinuationRecipe,
    /// The new images, and where the penalty's photos came from.
    pub data: DataDescription,
    /// Images of earlier trainings that were taken in turn with the new ones; `None` if there were
    /// only new ones.
    pub old: Option<OldImages>,
}

/// Images of earlier trainings of a model that take part in another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldImages {
    /// Fingerprints of their data sets, as [`DataDescription::fingerprint`]; sorted.
    pub fingerprints: Vec<String>,
    /// Number of training images.
    pub train_images: usize,
    /// Number of validation images, held back as before.
    pub validation_images: usize,
}

impl ContinuationRecipe {
    /// What a model is continued by together with old images: a quarter of the steps of its first
    /// training, the paper's learning rate, and a seed that it was not trained with, so that the
    /// random choices are others. `model` is the fingerprint of its file.
    pub fn with_old(model: String, info: &ModelInfo) -> Self {
        let default = Recipe::default();
        let trained = info.recipe.as_ref().unwrap_or(&default);
        let seed = info.trainings().map(|(seed, _)| seed).last();
        Self {
            model,
            steps: (trained.steps / STEPS_DIVISOR).max(FEWEST_STEPS),
            seed: seed.map_or(0, |seed| seed.wrapping_add(1)),
            learning_rate: WITH_OLD_LEARNING_RATE,
        }
    }

    /// What a model is continued by without old images: the same at a tenth of the learning rate, so
    /// that it forgets less.
    pub fn new_only(model: String, info: &ModelInfo) -> Self {
        Self { learning_rate: NEW_ONLY_LEARNING_RATE, ..Self::with_old(model, info) }
    }

    /// The recipe of the steps on a model.
    pub fn on(&self, info: &ModelInfo) -> Recipe {
        let default = Recipe::default();
        let trained = info.recipe.as_ref().unwrap_or(&default);
        Recipe {
            size: info.size,
            input: info.input,
            view: info.view(),
            region: info.region().cloned(),
            channel_weights: info.recipe.as_ref().is_some_and(|recipe| recipe.channel_weights),
            position_weights: info.recipe.as_ref().is_some_and(|recipe| recipe.position_weights),
            map_border: info.map_border(),
            autoencoder_smoothing: info.autoencoder_smoothing(),
            augment: trained.augment.clone(),
            steps: self.steps,
            seed: self.seed,
            learning_rate: self.learning_rate,
            schedule: LearningRateSchedule::Drop,
            student_start: trained.student_start,
            autoencoder_optimizer: trained.autoencoder_optimizer,
            weight_decay: trained.weight_decay,
        }
    }
}

impl fmt::Display for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recipe, data, old } = self;
        let ContinuationRecipe { model, steps, seed, learning_rate } = recipe;
        write!(
            f,
            "{steps} steps, seed {seed}, learning rate {learning_rate}, on {} new images, {} held \
             back",
            data.train_images, data.validation_images
        )?;
        match old {
            Some(old) => write!(
                f,
                ", in turn with {} old ones, {} held back",
                old.train_images, old.validation_images
            )?,
            None => write!(f, " (none of the old ones)")?,
        }
        write!(f, ", photos {}; data {}; from model {model}", data.photos, data.fingerprint)
    }
}

impl ModelInfo {
    /// What the model was trained on, each with the seed that decided which images were held back:
    /// the first training, if it was not imported, then the continuations.
    pub fn trainings(&self) -> impl Iterator<Item = (u64, &DataDescription)> {
        let first = self.recipe.as_ref().zip(self.data.as_ref());
        let first = first.map(|(recipe, data)| (recipe.seed, data));
        let continued = self.continuations.iter().map(|it| (it.recipe.seed, &it.data));
        first.into_iter().chain(continued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(recipe: Option<Recipe>) -> ModelInfo {
        ModelInfo {
            size: Default::default(),
            input: Default::default(),
            data: recipe.as_ref().map(|_| data("first")),
            recipe,
            continuations: Vec::new(),
            calibration: None,
            threshold: None,
            engine: None,
            samples: None,
            program_version: String::new(),
        }
    }

    fn data(fingerprint: &str) -> DataDescription {
        DataDescription {
            fingerprint: fingerprint.to_owned(),
            train_images: 9,
            validation_images: 1,
            photos: "none".to_owned(),
            ..DataDescription::default()
        }
    }

    #[test]
    fn the_model_decides_what_is_not_said() {
        let of = |info: &ModelInfo| ContinuationRecipe::with_old("sum".to_owned(), info);
        let recipe = Recipe { steps: 2_000, seed: 5, weight_decay: 0.5, ..Recipe::default() };
        let mut info = trained(Some(recipe));
        let continued = of(&info);
        assert_eq!((continued.steps, continued.seed, continued.learning_rate), (500, 6, 1e-4));
        assert_eq!(continued.on(&info).weight_decay, 0.5);
        let new_only = ContinuationRecipe::new_only("sum".to_owned(), &info);
        assert_eq!(new_only, ContinuationRecipe { learning_rate: 1e-5, ..continued.clone() });
        info.continuations.push(Continuation {
            recipe: continued,
            data: data("second"),
            old: None,
        });
        assert_eq!((of(&info).steps, of(&info).seed), (500, 7));
        let fingerprints: Vec<_> =
            info.trainings().map(|(_, it)| it.fingerprint.as_str()).collect();
        assert_eq!(fingerprints, ["first", "second"]);
        let short = Recipe { steps: 3, ..Recipe::default() };
        assert_eq!(of(&trained(Some(short))).steps, 100);
        assert_eq!((of(&trained(None)).steps, of(&trained(None)).seed), (500, 0));
    }
}
