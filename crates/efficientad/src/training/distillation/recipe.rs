//! How a teacher is distilled.

use crate::recipe::half_cosine;
use efficientad_engine::{Adam, DistillationPlan, Muon, PdnSize};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Muon's learning rate as a multiple of Adam's, and its momentum (measured: `docs/pretraining.md`).
const MUON_RATE: f32 = 100.0 / 3.0;
const MUON_MOMENTUM: f32 = 0.95;

/// What a teacher learns by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum DistillationOptimizer {
    /// Adam, as in the paper; what files mean that don't tell.
    #[default]
    Adam,
    /// Muon for the weights of all layers but the first, Adam for all else: further in the same steps.
    Muon,
}

impl fmt::Display for DistillationOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adam => "adam",
            Self::Muon => "muon",
        })
    }
}

impl FromStr for DistillationOptimizer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Adam, Self::Muon].into_iter().find(|it| it.to_string() == text);
        found.ok_or_else(|| "choose adam or muon".to_owned())
    }
}

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
    /// What updates the weights.
    #[serde(default)]
    pub optimizer: DistillationOptimizer,
    /// Learning rate of Adam at the first step; from there it falls to 0 along half a cosine. Muon's is
    /// 100/3 times as large.
    pub learning_rate: f32,
    /// This share of each weight that learns by Adam is added to its gradient.
    pub weight_decay: f32,
}

impl Default for DistillationRecipe {
    fn default() -> Self {
        Self {
            size: PdnSize::Small,
            steps: 10_000,
            batch: 16,
            seed: 0,
            optimizer: DistillationOptimizer::Muon,
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

    /// The plan of a step, counted from 0.
    pub(super) fn plan(&self, step: u64) -> DistillationPlan {
        let rate = self.learning_rate_at(step);
        let adam = Adam::usual(rate, self.weight_decay, step + 1);
        match self.optimizer {
            DistillationOptimizer::Adam => DistillationPlan::Adam(adam),
            DistillationOptimizer::Muon => {
                let muon = Muon { learning_rate: MUON_RATE * rate, momentum: MUON_MOMENTUM };
                DistillationPlan::Muon { muon, adam }
            }
        }
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
