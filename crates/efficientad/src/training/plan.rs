//! What a training step does by the recipe and its number alone.

use crate::recipe::{AutoencoderOptimizer, Recipe};
use efficientad_engine::{Adam, AutoencoderPlan, Dropout, Muon, StepPlan};

/// Learning rates of the autoencoder that learns by Muon, as multiples of the student's, and Muon's
/// momentum (measured: `docs/recipes.md`).
const MUON_RATE: f32 = 100.0 / 3.0;
const BESIDE_MUON_RATE: f32 = 10.0 / 3.0;
const MUON_MOMENTUM: f32 = 0.9;

/// The plan of step `step`, counted from 0.
pub(crate) fn step_plan(recipe: &Recipe, step: u64) -> StepPlan {
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
    StepPlan { adam: adam(rate), autoencoder }
}
