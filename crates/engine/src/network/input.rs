//! What the networks read: the size of their input, and its normalisation.

use efficientad_kernels::Shape;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Smallest input side: below it the autoencoder's 8×8 bottleneck convolution does not fit.
pub const MIN_INPUT: usize = 256;
/// Largest input side, so that a typing error does not take all memory.
pub const MAX_INPUT: usize = 2048;
/// Input sides are multiples of this, the step of the networks' output.
const STEP: usize = 4;

/// Mean of ImageNet's red, green and blue, for values in [0, 1]: subtracted from what the networks
/// read.
pub const INPUT_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of ImageNet's red, green and blue, for values in [0, 1]: what the networks
/// read is divided by it, after the mean is subtracted.
pub const INPUT_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Rows and columns that every photo is resized to.
///
/// The method is made for 256×256. On larger inputs the autoencoder's bottleneck is more than 1×1,
/// so its view of the whole becomes a view of large parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Sides", into = "Sides")]
pub struct InputSize {
    height: usize,
    width: usize,
}

#[derive(Serialize, Deserialize)]
struct Sides {
    height: usize,
    width: usize,
}

/// A size that the networks cannot take.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the networks cannot take {height}×{width} (height×width): sides are multiples of 4 from \
     {MIN_INPUT} to {MAX_INPUT}; the nearest size is {}×{}",
    nearest.height, nearest.width
)]
pub struct InputSizeError {
    /// Rows asked for.
    pub height: usize,
    /// Columns asked for.
    pub width: usize,
    /// The nearest size that is possible.
    pub nearest: InputSize,
}

impl InputSize {
    /// `height` × `width` pixels.
    ///
    /// # Errors
    /// When a side is no multiple of 4 or not from [`MIN_INPUT`] to [`MAX_INPUT`].
    pub fn new(height: usize, width: usize) -> Result<Self, InputSizeError> {
        let nearest_side = |side: usize| {
            let side = side.clamp(MIN_INPUT, MAX_INPUT);
            (side + STEP / 2) / STEP * STEP
        };
        let nearest = Self { height: nearest_side(height), width: nearest_side(width) };
        if (nearest.height, nearest.width) == (height, width) {
            Ok(nearest)
        } else {
            Err(InputSizeError { height, width, nearest })
        }
    }

    /// Rows.
    pub fn height(self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(self) -> usize {
        self.width
    }

    /// Rows and columns of the features: a quarter of the input less 8.
    pub fn feature_size(self) -> (usize, usize) {
        (self.height / STEP - 8, self.width / STEP - 8)
    }

    /// Shape of `images` inputs.
    pub fn shape(self, images: usize) -> Shape {
        Shape { images, height: self.height, width: self.width, channels: 3 }
    }

    /// Shape of `images` feature maps.
    pub fn feature_shape(self, images: usize, channels: usize) -> Shape {
        let (height, width) = self.feature_size();
        Shape { images, height, width, channels }
    }

    /// Rows and columns before each of the decoder's six first convolutions.
    pub fn decoder_sizes(self) -> [(usize, usize); 6] {
        let sizes = |side: usize| {
            [side / 64 - 1, side / 32, side / 16 - 1, side / 8, side / 4 - 1, side / 2 - 1]
        };
        let (rows, columns) = (sizes(self.height), sizes(self.width));
        std::array::from_fn(|i| (rows[i], columns[i]))
    }
}

impl Default for InputSize {
    fn default() -> Self {
        Self { height: MIN_INPUT, width: MIN_INPUT }
    }
}

impl TryFrom<Sides> for InputSize {
    type Error = InputSizeError;

    fn try_from(sides: Sides) -> Result<Self, InputSizeError> {
        Self::new(sides.height, sides.width)
    }
}

impl From<InputSize> for Sides {
    fn from(size: InputSize) -> Self {
        Self { height: size.height, width: size.width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_fit_are_taken() {
        let size = InputSize::new(320, 256).unwrap();
        assert_eq!(size.feature_size(), (72, 56));
        let decoder = [(4, 3), (10, 8), (19, 15), (40, 32), (79, 63), (159, 127)];
        assert_eq!(size.decoder_sizes(), decoder);
    }

    #[test]
    fn other_sizes_name_the_nearest() {
        let nearest = |h, w| {
            let nearest = InputSize::new(h, w).unwrap_err().nearest;
            (nearest.height(), nearest.width())
        };
        assert_eq!(nearest(255, 301), (256, 300));
        assert_eq!(nearest(1, 9000), (256, 2048));
        let message = InputSize::new(250, 256).unwrap_err().to_string();
        assert!(message.contains("250×256") && message.contains("256×256"), "{message}");
    }
}
