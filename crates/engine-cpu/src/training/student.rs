//! The student as it learns: one pass over all images of a step.

use super::pdn::TrainablePdn;
use efficientad_engine::{
    PdnSize, STUDENT_CHANNELS, Shape, TEACHER_CHANNELS, Tensor, TensorView, Weights,
};
use efficientad_kernels::{Cpu, Workspace};
use std::ops::Range;

/// The half of the student's channels that predicts the teacher.
const TEACHER_HALF: Range<usize> = 0..TEACHER_CHANNELS;
/// The half that predicts the autoencoder.
const AUTOENCODER_HALF: Range<usize> = TEACHER_CHANNELS..STUDENT_CHANNELS;

/// The student as it learns.
///
/// A step's images are one batch: first those whose features are to be (or, for the penalty photo,
/// not to be) the teacher's, last the augmented image whose features are to be the autoencoder's.
/// Each needs only its half of the last layer.
pub(crate) struct TrainableStudent {
    pub pdn: TrainablePdn,
    /// Features of all images but the last; after the losses, their gradient.
    pub teacher_half: Tensor,
    /// Features of the last image; after the losses, their gradient.
    pub autoencoder_half: Tensor,
}

impl TrainableStudent {
    pub(crate) fn new(cpu: &Cpu, size: PdnSize, weights: &Weights) -> Self {
        Self {
            pdn: TrainablePdn::new(cpu, size, STUDENT_CHANNELS, weights),
            teacher_half: Tensor::default(),
            autoencoder_half: Tensor::default(),
        }
    }

    /// Describes a batch of at least two images (normalised).
    pub(crate) fn forward(&mut self, workspace: &mut Workspace, batch: TensorView<'_>) {
        let features = self.pdn.forward_hidden(workspace, batch);
        let one = Shape { images: 1, channels: TEACHER_CHANNELS, ..features };
        let others = Shape { images: features.images - 1, ..one };
        if self.autoencoder_half.shape() != one || self.teacher_half.shape() != others {
            self.autoencoder_half = Tensor::zeros(one);
            self.teacher_half = Tensor::zeros(others);
        }
        let last = features.images - 1;
        self.pdn.forward_last(workspace, 0..last, TEACHER_HALF, &mut self.teacher_half);
        let autoencoder_half = &mut self.autoencoder_half;
        self.pdn.forward_last(workspace, last..last + 1, AUTOENCODER_HALF, autoencoder_half);
    }

    /// Backpropagates the gradients that the losses left in both halves to all weights.
    pub(crate) fn backward(&mut self, workspace: &mut Workspace, batch: TensorView<'_>) {
        let last = batch.shape.images - 1;
        self.pdn.backward_last(workspace, 0..last, TEACHER_HALF, &self.teacher_half);
        let autoencoder_half = &self.autoencoder_half;
        self.pdn.backward_last(workspace, last..last + 1, AUTOENCODER_HALF, autoencoder_half);
        self.pdn.backward_hidden(workspace, batch);
    }
}
