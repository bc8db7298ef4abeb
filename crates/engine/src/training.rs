//! What an engine does to train, and to distil a teacher.

use crate::dropout::Dropout;
use crate::error::EngineError;
use crate::id::EngineId;
use crate::inspection::InspectionEngine;
use crate::losses::Losses;
use crate::network::{InputSize, PdnSize, Weights};
use crate::valid_mask::ValidMask;
use efficientad_kernels::{Adam, Muon, Tensor, TensorView};

/// An engine that also learns.
pub trait TrainingEngine: InspectionEngine {
    /// The arithmetic of its steps, which may be less precise than that of inspections.
    fn learning_id(&self) -> EngineId {
        self.id()
    }

    /// Begins, or goes on, to train student and autoencoder.
    ///
    /// # Errors
    /// When the engine can't have the networks.
    fn learner(
        &self,
        networks: TrainingNetworks<'_>,
        options: LearnerOptions,
    ) -> Result<Box<dyn Learner>, EngineError>;

    /// Begins, or goes on, to distil a teacher.
    ///
    /// # Errors
    /// When the engine can't have the network.
    fn distillation_learner(
        &self,
        size: PdnSize,
        state: NetworkState,
    ) -> Result<Box<dyn DistillationLearner>, EngineError>;
}

/// The networks of a training.
#[derive(Clone)]
pub struct TrainingNetworks<'a> {
    /// Which patch description networks teacher and student are.
    pub size: PdnSize,
    /// The size of the images that they read.
    pub input: InputSize,
    /// The teacher, the normalisation of its features folded into the last layer.
    pub teacher: &'a Weights,
    /// Student and autoencoder as they are now.
    pub state: LearnerState,
}

/// Memory that a learner may take beside what it needs; results don't depend on it.
#[derive(Clone, Copy, Debug)]
pub struct LearnerOptions {
    /// Number of training images.
    pub images: usize,
    /// Bytes for the teacher's features of those that are seen whole.
    pub feature_cache_bytes: usize,
}

/// A network between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkState {
    /// Its weights and biases.
    pub weights: Weights,
    /// The optimizer's mean of their gradients (Adam's, or Muon's).
    pub first_moments: Weights,
    /// Adam's mean of their squared gradients.
    pub second_moments: Weights,
}

impl NetworkState {
    /// Before the first step.
    pub fn new(weights: Weights) -> Self {
        let zeros = weights.zeros_like();
        Self { first_moments: zeros.clone(), second_moments: zeros, weights }
    }
}

/// Both networks that learn, between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnerState {
    /// The student.
    pub student: NetworkState,
    /// The autoencoder.
    pub autoencoder: NetworkState,
}

/// A training in progress.
pub trait Learner: Send {
    /// Computes the losses of a step and, if they are finite, updates all weights by their
    /// gradients. Returns the losses that are known by then of steps whose losses were not returned
    /// yet, in their order: this one's or, where the device works while the CPU prepares the next
    /// steps, those of several every few steps.
    ///
    /// # Errors
    /// When the device fails.
    fn step(&mut self, inputs: &StepInputs, plan: &StepPlan) -> Result<Vec<Losses>, EngineError>;

    /// Waits for the losses that [`Learner::step`] has not returned yet.
    ///
    /// # Errors
    /// When the device fails.
    fn outstanding(&mut self) -> Result<Vec<Losses>, EngineError>;

    /// The losses of a step and their gradients, without an update.
    ///
    /// # Errors
    /// When the device fails.
    fn gradients(
        &mut self,
        inputs: &StepInputs,
        plan: &AutoencoderPlan,
    ) -> Result<(Losses, Gradients), EngineError>;

    /// Student and autoencoder as they are now.
    ///
    /// # Errors
    /// When the device fails.
    fn state(&self) -> Result<LearnerState, EngineError>;
}

/// Gradients of a step's losses with respect to all weights and biases.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Of the student.
    pub student: Weights,
    /// Of the autoencoder.
    pub autoencoder: Weights,
}

/// A distillation in progress.
pub trait DistillationLearner: Send {
    /// Computes the mean squared difference between features and targets over a batch and, if it is
    /// finite, updates the weights by its gradient. Returns losses as [`Learner::step`] does.
    ///
    /// # Errors
    /// When the device fails.
    fn step(
        &mut self,
        batch: &DistillationBatch,
        plan: &DistillationPlan,
    ) -> Result<Vec<f64>, EngineError>;

    /// Waits for the losses that [`DistillationLearner::step`] has not returned yet.
    ///
    /// # Errors
    /// When the device fails.
    fn outstanding(&mut self) -> Result<Vec<f64>, EngineError>;

    /// The network as it is now.
    ///
    /// # Errors
    /// When the device fails.
    fn state(&self) -> Result<NetworkState, EngineError>;
}

/// How a teacher learns in a step of its distillation.
#[derive(Clone, Copy, Debug)]
pub enum DistillationPlan {
    /// By Adam.
    Adam(Adam),
    /// By Muon, biases and the first layer, which sees pixels, by Adam.
    Muon {
        /// Of all weights but the first layer's.
        muon: Muon,
        /// Of all else.
        adam: Adam,
    },
}

/// Photos and what a teacher is to say of them.
pub struct DistillationBatch {
    /// Images × height × width × 3, normalised.
    pub images: Tensor,
    /// Images × rows × columns × 384.
    pub targets: Tensor,
}

/// The images of one training step, normalised.
pub struct StepInputs {
    /// Number of the training image if every step shows the same of it: its teacher features may be
    /// kept.
    pub image: Option<usize>,
    /// Which locations of the image's features count.
    pub valid: ValidMask,
    /// The image, the penalty photo if there is one, and last the image with jitter.
    pub batch: Tensor,
    /// More images, without jitter, that only the autoencoder learns from.
    pub for_autoencoder: Vec<AutoencoderInput>,
}

/// An image as it is, normalised.
pub struct AutoencoderInput {
    /// As [`StepInputs::image`].
    pub image: Option<usize>,
    /// As [`StepInputs::valid`].
    pub valid: ValidMask,
    /// 1 × height × width × 3.
    pub input: Tensor,
}

impl StepInputs {
    /// The image as it is.
    pub fn plain(&self) -> TensorView<'_> {
        self.batch.images(0..1)
    }

    /// The image with jitter.
    pub fn jittered(&self) -> TensorView<'_> {
        let last = self.batch.shape().images - 1;
        self.batch.images(last..last + 1)
    }

    /// Whether a penalty photo is among them.
    pub fn has_photo(&self) -> bool {
        self.batch.shape().images == 3
    }
}

/// The optimizers of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepPlan {
    /// Of the student.
    pub adam: Adam,
    /// Of the autoencoder.
    pub autoencoder: AutoencoderPlan,
}

/// How the autoencoder learns in a step.
#[derive(Clone, Copy, Debug)]
pub enum AutoencoderPlan {
    /// By the student's Adam; from teacher and student.
    Adam {
        /// Dropout in the decoder, if there is any.
        dropout: Option<Dropout>,
    },
    /// By Muon, biases and the last layer by an Adam of their own; from the teacher.
    Muon {
        /// Of all weights but the last layer's.
        muon: Muon,
        /// Of all else.
        adam: Adam,
    },
}

impl AutoencoderPlan {
    /// The dropout in the decoder, if there is any.
    pub fn dropout(&self) -> Option<Dropout> {
        match self {
            Self::Adam { dropout } => *dropout,
            Self::Muon { .. } => None,
        }
    }
}
