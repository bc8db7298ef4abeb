//! How a model is trained.

use crate::network::{InputSize, PdnSize};
use crate::view::{Framing, View, ViewError};
use efficientad_images::RegionOfInterest;
use serde::{Deserialize, Serialize};

/// The constants of a training: the paper's, but for the number of steps and the position weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Which patch description networks.
    pub size: PdnSize,
    /// The size of the networks' input.
    pub input: InputSize,
    /// How images are shown to the networks.
    pub view: View,
    /// Which part of the images is inspected; all of it if there is none.
    pub region: Option<RegionOfInterest>,
    /// Whether the student–autoencoder map is weighed by what is usual at each place
    /// ([`crate::PositionWeights`]); the paper does not. Without effect on tiles, whose places are not
    /// places of the photo.
    pub position_weights: bool,
    /// Number of steps of one image each; the paper takes 70,000.
    pub steps: u64,
    /// Seed of all random choices.
    pub seed: u64,
    /// Learning rate of Adam; a tenth of it in the last twentieth of the steps.
    pub learning_rate: f32,
    /// This share of each weight is added to its gradient.
    pub weight_decay: f32,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            size: PdnSize::Small,
            input: InputSize::default(),
            view: View::default(),
            region: None,
            position_weights: true,
            steps: 10_000,
            seed: 0,
            learning_rate: 1e-4,
            weight_decay: 1e-5,
        }
    }
}

impl Recipe {
    /// How images become inputs of the networks.
    pub(crate) fn framing(&self) -> Result<Framing, ViewError> {
        Framing::new(self.input, self.view, self.region.clone())
    }

    /// Whether the model is to have position weights.
    pub(crate) fn weighs_positions(&self) -> bool {
        self.position_weights && !matches!(self.view, View::Tiles { .. })
    }

    /// The learning rate of step `step`, counted from 0.
    pub(crate) fn learning_rate_at(&self, step: u64) -> f32 {
        // In whole numbers, as 0.95 times the number of steps may round either way.
        let drop = self.steps * 95 / 100;
        if step < drop { self.learning_rate } else { 0.1 * self.learning_rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_drops_in_the_last_twentieth() {
        let recipe = Recipe { steps: 70_000, ..Recipe::default() };
        assert_eq!(recipe.learning_rate_at(66_499), 1e-4);
        assert_eq!(recipe.learning_rate_at(66_500), 1e-5);
        assert_eq!(Recipe { steps: 1, ..recipe }.learning_rate_at(0), 1e-5);
    }
}
