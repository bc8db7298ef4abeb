//! How a model is trained.

use crate::training::Augmentation;
use crate::view::{Framing, MapBorder, View, ViewError};
use efficientad_engine::{InputSize, PdnSize};
use efficientad_images::RegionOfInterest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// How the learning rate goes over the steps of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LearningRateSchedule {
    /// The same up to the last twentieth of the steps, and a tenth of it there: the paper's.
    #[default]
    Drop,
    /// Up in equal parts over the first twentieth of the steps, then down to 0 along half a cosine.
    Cosine,
}

impl LearningRateSchedule {
    /// The share of the highest learning rate at step `step` of `steps`, counted from 0.
    fn share(self, step: u64, steps: u64) -> f64 {
        // In whole numbers, as 0.95 times the number of steps may round either way.
        let (drop, warm_up) = (steps * 95 / 100, steps.div_ceil(20));
        match self {
            Self::Drop if step < drop => 1.0,
            Self::Drop => 0.1,
            Self::Cosine if step < warm_up => (step + 1) as f64 / warm_up as f64,
            Self::Cosine => half_cosine((step - warm_up) as f64 / (steps - warm_up) as f64),
        }
    }
}

impl fmt::Display for LearningRateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::Cosine => "cosine",
        })
    }
}

/// What the weights of a student's layers are before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum StudentStart {
    /// Random: the paper's.
    #[default]
    Random,
    /// The teacher's, where both have the same layer (all but the last one of S and the last two of
    /// M); the others are random.
    Teacher,
}

impl fmt::Display for StudentStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "random",
            Self::Teacher => "the teacher's",
        })
    }
}

/// How the autoencoder learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum AutoencoderOptimizer {
    /// As the student, by Adam and from the step's image, with dropout, and also from the student:
    /// the paper's.
    #[default]
    Adam,
    /// By Muon, from six images a step and only from the teacher, without dropout: as far in a
    /// thirty-fifth of the steps (measured: `docs/recipes.md`). Not of fewer than 200 images, which
    /// it would overfit.
    Muon,
}

impl AutoencoderOptimizer {
    /// Training images without which Muon gives way to Adam.
    const MUON_NEEDS: usize = 200;

    /// Images that the autoencoder learns from in a step.
    pub(crate) fn images(self) -> u64 {
        match self {
            Self::Adam => 1,
            Self::Muon => 6,
        }
    }
}

impl fmt::Display for AutoencoderOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adam => "Adam",
            Self::Muon => "Muon",
        })
    }
}

/// Falls from 1 at `part` 0 to 0 at `part` 1.
pub(crate) fn half_cosine(part: f64) -> f64 {
    f64::midpoint(1.0, (std::f64::consts::PI * part).cos())
}

/// The constants of a training; by default what gives a good model in a thirty-fifth of the paper's
/// steps (measured: `docs/recipes.md`).
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
    /// Whether each channel counts in the student–teacher map by how well the student usually predicts
    /// it ([`crate::ChannelWeights`]); the paper does not, nor do files that don't tell. Without effect
    /// on size M, both halves of whose student come from the same 768 channels.
    #[serde(default)]
    pub channel_weights: bool,
    /// Whether the student–autoencoder map is weighed by what is usual at each place
    /// ([`crate::PositionWeights`]); the paper does not. Without effect on tiles, whose places are not
    /// places of the photo.
    pub position_weights: bool,
    /// What the anomaly map shows along the border; in files that don't tell, zeros.
    #[serde(default)]
    pub map_border: MapBorder,
    /// Whether the student–autoencoder map is smoothed ([`crate::smoothing_weights`]), by which single small
    /// things that the autoencoder can't draw count less; the paper does not, nor do files that don't tell.
    #[serde(default)]
    pub autoencoder_smoothing: bool,
    /// How training images are changed at random, as good parts may be seen; the paper does not, nor do files
    /// that don't tell.
    #[serde(default)]
    pub augment: BTreeSet<Augmentation>,
    /// Number of steps of one image each; the paper takes 70,000.
    pub steps: u64,
    /// Seed of all random choices.
    pub seed: u64,
    /// Highest learning rate of Adam.
    pub learning_rate: f32,
    /// How the learning rate goes over the steps; in files that don't tell, it drops.
    #[serde(default)]
    pub schedule: LearningRateSchedule,
    /// What the student begins with; in files that don't tell, random weights.
    #[serde(default)]
    pub student_start: StudentStart,
    /// How the autoencoder learns; in files that don't tell, by Adam. A training on fewer than 200
    /// images takes Adam in any case, and its model says so.
    #[serde(default)]
    pub autoencoder_optimizer: AutoencoderOptimizer,
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
            channel_weights: true,
            position_weights: true,
            map_border: MapBorder::Halfway,
            autoencoder_smoothing: true,
            augment: BTreeSet::new(),
            steps: 2_000,
            seed: 0,
            learning_rate: 3e-4,
            schedule: LearningRateSchedule::Cosine,
            student_start: StudentStart::Teacher,
            autoencoder_optimizer: AutoencoderOptimizer::Muon,
            weight_decay: 1e-5,
        }
    }
}

/// How it trains, without what the networks see.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, seed, learning_rate, schedule, weight_decay, .. } = self;
        let Self { student_start, autoencoder_optimizer, .. } = self;
        write!(
            f,
            "{steps} steps, seed {seed}, learning rate {learning_rate} ({schedule}), weight decay \
             {weight_decay}; the student began with {student_start} weights, the autoencoder learned \
             by {autoencoder_optimizer}"
        )?;
        let changes: Vec<_> = self.augment.iter().map(ToString::to_string).collect();
        if changes.is_empty() { Ok(()) } else { write!(f, "; augmented by {}", changes.join(", ")) }
    }
}

impl Recipe {
    /// The paper's training: 70,000 steps from random weights, and maps that are held against the
    /// same standard in all channels and everywhere, with zeros along their border.
    pub fn paper() -> Self {
        Self {
            channel_weights: false,
            position_weights: false,
            map_border: MapBorder::Zero,
            autoencoder_smoothing: false,
            steps: 70_000,
            learning_rate: 1e-4,
            schedule: LearningRateSchedule::Drop,
            student_start: StudentStart::Random,
            autoencoder_optimizer: AutoencoderOptimizer::Adam,
            ..Self::default()
        }
    }

    /// The default in fewer steps: a first look in minutes.
    pub fn fast() -> Self {
        Self { steps: 400, ..Self::default() }
    }

    /// The recipe as it is for so many training images.
    pub(crate) fn on_images(self, images: usize) -> Self {
        if images >= AutoencoderOptimizer::MUON_NEEDS {
            return self;
        }
        Self { autoencoder_optimizer: AutoencoderOptimizer::Adam, ..self }
    }

    /// How images become inputs of the networks.
    pub(crate) fn framing(&self) -> Result<Framing, ViewError> {
        let framing = Framing::new(self.input, self.view, self.region.clone())?;
        Ok(framing.with_maps(self.map_border, self.autoencoder_smoothing))
    }

    /// Whether training images are flipped.
    pub(crate) fn flips(&self) -> bool {
        let flips = [Augmentation::FlipHorizontal, Augmentation::FlipVertical];
        flips.iter().any(|flip| self.augment.contains(flip))
    }

    /// Whether the model is to have channel weights.
    pub(crate) fn weighs_channels(&self) -> bool {
        self.channel_weights && self.size == PdnSize::Small
    }

    /// Whether the model is to have position weights.
    pub(crate) fn weighs_positions(&self) -> bool {
        self.position_weights && !matches!(self.view, View::Tiles { .. })
    }

    /// The learning rate of step `step`, counted from 0.
    pub(crate) fn learning_rate_at(&self, step: u64) -> f32 {
        (f64::from(self.learning_rate) * self.schedule.share(step, self.steps)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_learning_rate_drops_in_the_last_twentieth() {
        let recipe = Recipe::paper();
        assert_eq!(recipe.learning_rate_at(0), 1e-4);
        assert_eq!(recipe.learning_rate_at(66_499), 1e-4);
        assert_eq!(recipe.learning_rate_at(66_500), 1e-5);
        assert_eq!(Recipe { steps: 1, ..recipe }.learning_rate_at(0), 1e-5);
    }

    #[test]
    fn the_cosine_rises_over_a_twentieth_and_falls_to_almost_nothing() {
        let recipe = Recipe { learning_rate: 1.0, steps: 100, ..Recipe::fast() };
        let rates = (0..100).map(|step| recipe.learning_rate_at(step)).collect::<Vec<_>>();
        assert_eq!(rates[..6], [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]);
        assert!(rates[5..].is_sorted_by(|earlier, later| earlier > later));
        assert!((rates[52] - 0.508_27).abs() < 1e-5, "{}", rates[52]);
        assert!(rates[99] > 0.0 && rates[99] < 1e-3);
    }

    #[test]
    fn few_images_are_for_adam() {
        let of = |recipe: Recipe, images| recipe.on_images(images).autoencoder_optimizer;
        assert_eq!(of(Recipe::default(), 199), AutoencoderOptimizer::Adam);
        assert_eq!(of(Recipe::default(), 200), AutoencoderOptimizer::Muon);
        assert_eq!(of(Recipe::paper(), 200), AutoencoderOptimizer::Adam);
    }

    #[test]
    fn the_shortest_training_has_a_learning_rate() {
        let recipe = Recipe { steps: 1, ..Recipe::fast() };
        assert_eq!(recipe.learning_rate_at(0), recipe.learning_rate);
    }
}
