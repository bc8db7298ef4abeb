//! How a teacher is distilled.

use crate::recipe::half_cosine;
use efficientad_engine::{Adam, PdnSize};
use serde::{Deserialize, Serialize};

/// The constants of a distillation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillationRecipe {
    /// Which patch description network.
    pub size: PdnSize,
    /// Number of steps of one batch each; the paper takes 60,000.
    pub steps: u64,
    /// Samples of a step.
    pub batch: usize,
    /// Seed of initial weights and order of samples.
    pub seed: u64,
    /// Learning rate of Adam at the first step; from there it falls to 0 along half a cosine.
    pub learning_rate: f32,
    /// This share of each weight is added to its gradient.
    pub weight_decay: f32,
}

impl Default for DistillationRecipe {
    fn default() -> Self {
        Self {
            size: PdnSize::Small,
            steps: 10_000,
            batch: 16,
            seed: 0,
            learning_rate: 6e-4,
            weight_decay: 1e-5,
        }
    }
}

impl DistillationRecipe {
    /// The learning rate of step `step`, counted from 0.
    fn learning_rate_at(&self, step: u64) -> f32 {
        let share = half_cosine(step as f64 / self.steps as f64);
        (f64::from(self.learning_rate) * share) as f32
    }

    /// Adam at a step, counted from 0.
    pub(super) fn adam(&self, step: u64) -> Adam {
        Adam::usual(self.learning_rate_at(step), self.weight_decay, step + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_along_half_a_cosine() {
        let recipe = DistillationRecipe { steps: 8, learning_rate: 1.0, ..Default::default() };
        assert_eq!(recipe.learning_rate_at(0), 1.0);
        assert!((recipe.learning_rate_at(4) - 0.5).abs() < 1e-7);
        assert!((recipe.learning_rate_at(2) - 0.853_553_4).abs() < 1e-7);
        assert_eq!(recipe.learning_rate_at(8), 0.0);
    }
}
