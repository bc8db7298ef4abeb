//! What a training step does by the recipe and its number alone.

use super::dropout::Dropout;
use crate::recipe::{AutoencoderOptimizer, Recipe};
use efficientad_kernels::{Adam, Muon};

/// Learning rates of the autoencoder that learns by Muon, as multiples of the student's, and Muon's
/// momentum (measured: `docs/recipes.md`).
const MUON_RATE: f32 = 100.0 / 3.0;
const BESIDE_MUON_RATE: f32 = 10.0 / 3.0;
const MUON_MOMENTUM: f32 = 0.9;

/// The optimizers of a step.
#[derive(Clone, Copy)]
pub(crate) struct StepPlan {
    /// Of the student.
    pub adam: Adam,
    pub autoencoder: AutoencoderPlan,
}

/// How the autoencoder learns in a step.
#[derive(Clone, Copy)]
pub(crate) enum AutoencoderPlan {
    /// By the student's Adam; from teacher and student.
    Adam { dropout: Option<Dropout> },
    /// By Muon, biases and the last layer by an Adam of their own; from the teacher.
    Muon { muon: Muon, adam: Adam },
}

impl StepPlan {
    /// Of step `step`, counted from 0.
    pub(crate) fn new(recipe: &Recipe, step: u64) -> Self {
        let rate = recipe.learning_rate_at(step);
        let adam = |rate| Adam::usual(rate, recipe.weight_decay, step + 1);
        let autoencoder = match recipe.autoencoder_optimizer {
            AutoencoderOptimizer::Adam => {
                AutoencoderPlan::Adam { dropout: Some(Dropout { seed: recipe.seed, step }) }
            }
            AutoencoderOptimizer::Muon => AutoencoderPlan::Muon {
                muon: Muon { learning_rate: MUON_RATE * rate, momentum: MUON_MOMENTUM },
                adam: adam(BESIDE_MUON_RATE * rate),
            },
        };
        Self { adam: adam(rate), autoencoder }
    }
}

impl AutoencoderPlan {
    /// The dropout in the decoder, if there is any.
    pub(crate) fn dropout(&self) -> Option<Dropout> {
        match self {
            Self::Adam { dropout } => *dropout,
            Self::Muon { .. } => None,
        }
    }
}
