//! What a distillation learns from.

use crate::error::{Error, SourceError};
use crate::input::write_normalized;
use efficientad_engine::{DistillationBatch, InputSize, TEACHER_CHANNELS, Tensor};
use efficientad_images::RgbImage;
use std::ops::Range;

/// Rows and columns of a target: the centre of 64×64 locations, as a network without padding gives
/// features of.
pub const TARGET_SIDE: usize = 56;
/// The channels of a target that come from the backbone's finer layer (stride 8).
pub const FINE_CHANNELS: Range<usize> = 0..TEACHER_CHANNELS / 2;
/// The channels of a target that come from the backbone's coarser layer (stride 16).
pub const COARSE_CHANNELS: Range<usize> = TEACHER_CHANNELS / 2..TEACHER_CHANNELS;

/// A photo and what the teacher is to say of it.
#[derive(Clone, Debug)]
pub struct DistillationSample {
    /// The photo, 256×256.
    pub image: RgbImage,
    /// The normalised target: [`TARGET_SIDE`] rows × columns × 384 channels, channels innermost.
    pub target: Vec<f32>,
}

/// Samples by number, always the same under the same number.
pub trait DistillationSource: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    ///
    /// # Errors
    /// When it can't be had.
    fn load(&self, sample: usize) -> Result<DistillationSample, SourceError>;
}

/// Loads samples as the networks take them.
pub(super) fn load_batch(
    source: &dyn DistillationSource,
    samples: &[usize],
) -> Result<DistillationBatch, Error> {
    let input = InputSize::default();
    let mut images = Tensor::zeros(input.shape(samples.len()));
    let mut targets = Tensor::zeros(input.feature_shape(samples.len(), TEACHER_CHANNELS));
    for (i, &sample) in samples.iter().enumerate() {
        let DistillationSample { image, target } = source
            .load(sample)
            .map_err(|source| Error::Image { name: format!("sample {sample}"), source })?;
        let place = targets.images_mut(i..i + 1).data;
        let (width, height) = image.dimensions();
        if (height as usize, width as usize) != (input.height(), input.width())
            || place.len() != target.len()
        {
            return Err(Error::SampleSize { sample });
        }
        place.copy_from_slice(&target);
        write_normalized(&image, images.images_mut(i..i + 1).data);
    }
    Ok(DistillationBatch { images, targets })
}
