//! What follows a convolution in the same pass over memory.

/// What follows a convolution in the same pass over memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)`, then the mean of 2×2 windows in steps of 2; an odd last row or column is left
    /// out, as PyTorch's `AvgPool2d(2, 2)` does.
    ReluAvgPool,
}

impl Activation {
    /// Rows and columns left of `height` × `width`.
    pub fn output_size(self, height: usize, width: usize) -> (usize, usize) {
        match self {
            Self::Linear | Self::Relu => (height, width),
            Self::ReluAvgPool => (height / 2, width / 2),
        }
    }
}
