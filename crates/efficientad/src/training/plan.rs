//! What a training step does by the recipe, the number of training images and its own number.

use super::dropout::Dropout;
use crate::recipe::{AutoencoderOptimizer, Recipe};
use crate::view::View;
use efficientad_kernels::{Adam, Muon};

/// Learning rates of the autoencoder that learns by Muon, as multiples of the student's, and Muon's
/// momentum (measured: `docs/recipes.md`).
const MUON_RATE: f32 = 100.0 / 3.0;
const BESIDE_MUON_RATE: f32 = 10.0 / 3.0;
const MUON_MOMENTUM: f32 = 0.9;
/// Images that the autoencoder learns from in a step of Muon.
const MUON_IMAGES: u64 = 6;
/// How often it sees each image, about, if there are so few that it would see them more often.
const MUON_EPOCHS: u64 = 64;

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
    /// Not in this step.
    Rest,
}

/// The plans of all steps of a training.
#[derive(Clone)]
pub(crate) struct TrainingPlan {
    recipe: Recipe,
    /// Muon's autoencoder learns in every step whose number is a multiple of this.
    interval: u64,
}

impl TrainingPlan {
    /// Of a training on so many images.
    pub(crate) fn new(recipe: Recipe, images: usize) -> Self {
        let interval = match recipe.view {
            // Every step may show another part of an image.
            View::Tiles { .. } => 1,
            View::Stretch | View::Letterbox => {
                let shown = MUON_EPOCHS * images as u64;
                ((MUON_IMAGES * recipe.steps + shown / 2) / shown).max(1)
            }
        };
        Self { recipe, interval }
    }

    /// Images that only the autoencoder learns from in step `step`, counted from 0.
    pub(crate) fn images_for_autoencoder(&self, step: u64) -> u64 {
        match self.step(step).autoencoder {
            AutoencoderPlan::Muon { .. } => MUON_IMAGES - 1,
            AutoencoderPlan::Adam { .. } | AutoencoderPlan::Rest => 0,
        }
    }

    /// Of step `step`, counted from 0.
    pub(crate) fn step(&self, step: u64) -> StepPlan {
        let Self { recipe, interval } = self;
        let rate = recipe.learning_rate_at(step);
        let adam = |rate, update| Adam::usual(rate, recipe.weight_decay, update + 1);
        let autoencoder = match recipe.autoencoder_optimizer {
            AutoencoderOptimizer::Adam => {
                AutoencoderPlan::Adam { dropout: Some(Dropout { seed: recipe.seed, step }) }
            }
            AutoencoderOptimizer::Muon if step.is_multiple_of(*interval) => AutoencoderPlan::Muon {
                muon: Muon { learning_rate: MUON_RATE * rate, momentum: MUON_MOMENTUM },
                adam: adam(BESIDE_MUON_RATE * rate, step / interval),
            },
            AutoencoderOptimizer::Muon => AutoencoderPlan::Rest,
        };
        StepPlan { adam: adam(rate, step), autoencoder }
    }
}

impl AutoencoderPlan {
    /// The dropout in the decoder, if there is any.
    pub(crate) fn dropout(&self) -> Option<Dropout> {
        match self {
            Self::Adam { dropout } => *dropout,
            Self::Muon { .. } | Self::Rest => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps in which Muon's autoencoder learns.
    fn lessons(recipe: &Recipe, images: usize) -> Vec<u64> {
        let plan = TrainingPlan::new(recipe.clone(), images);
        let learns =
            |step: &u64| matches!(plan.step(*step).autoencoder, AutoencoderPlan::Muon { .. });
        (0..recipe.steps).filter(learns).collect()
    }

    #[test]
    fn of_few_images_the_autoencoder_rests_in_most_steps() {
        let recipe = Recipe::default();
        assert_eq!(lessons(&recipe, 687).len(), 2000);
        assert_eq!(lessons(&recipe, 28)[..3], [0, 7, 14]);
        for images in [1, 10, 28, 43, 100] {
            let shown = 6 * lessons(&recipe, images).len();
            assert!((40..90).contains(&(shown / images)), "{shown} of {images}");
        }
        let tiles = View::Tiles { size: 256, overlap: 64 };
        assert_eq!(lessons(&Recipe { view: tiles, ..recipe }, 28).len(), 2000);
    }

    #[test]
    fn lessons_count_as_updates_and_take_six_images() {
        let plan = TrainingPlan::new(Recipe::default(), 28);
        let AutoencoderPlan::Muon { adam, .. } = plan.step(14).autoencoder else { panic!() };
        assert_eq!((adam.step, plan.step(14).adam.step), (3, 15));
        assert_eq!([13, 14].map(|step| plan.images_for_autoencoder(step)), [0, 5]);
    }

    #[test]
    fn the_papers_autoencoder_learns_in_every_step_from_its_image() {
        let plan = TrainingPlan::new(Recipe::paper(), 28);
        for step in 0..20 {
            assert!(matches!(
                plan.step(step).autoencoder,
                AutoencoderPlan::Adam { dropout: Some(_) }
            ));
            assert_eq!(plan.images_for_autoencoder(step), 0);
        }
    }
}
