//! The numbers that a training step computes in.

use burn_tensor::{DType, Tensor};

/// The numbers of a step's networks. Losses, sums over many values, and the weights and means that an
/// optimizer changes are in single precision, whatever these are.
#[derive(Clone, Copy)]
pub(crate) struct StepNumbers {
    pub kind: DType,
    /// What gradients are multiplied by on their way through the networks, if by anything.
    scale: Option<f32>,
}

impl StepNumbers {
    /// For losses that are means over so many values. Half precision has nothing below 6 · 10⁻⁸, where
    /// the gradient of a mean over millions lies, and nothing above 65,504; so gradients are multiplied
    /// by a 1024th of the number of values, rounded to a power of two, which rounds no gradient.
    pub(crate) fn new(kind: DType, values: usize) -> Self {
        let power = (values / 1024).max(1).ilog2();
        Self { kind, scale: (kind == DType::F16).then(|| (1_u64 << power) as f32) }
    }

    /// Maps in these numbers.
    pub(crate) fn maps(self, maps: Tensor<4>) -> Tensor<4> {
        maps.cast(self.kind)
    }

    /// A gradient in these numbers, multiplied by the scale.
    pub(crate) fn gradient(self, gradient: Tensor<4>) -> Tensor<4> {
        match self.scale {
            Some(scale) => (gradient * scale).cast(self.kind),
            None => gradient.cast(self.kind),
        }
    }

    /// Divides the gradients that came of such ones by the scale.
    pub(crate) fn unscaled(self, gradients: Tensor<1>) -> Tensor<1> {
        match self.scale {
            Some(scale) => gradients / scale,
            None => gradients,
        }
    }
}
