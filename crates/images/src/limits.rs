//! How large a file may be before it is refused.

use crate::error::ImageError;

/// Bounds on one image, checked before memory is taken for its pixels.
///
/// A few bytes of header can announce billions of pixels; without limits such a file ends the
/// program. The limits are inclusive. A photo that is accepted is decoded within four times
/// `max_bytes`: the file, what its decoder needs, its samples as stored, and the photo as RGB.
///
/// A line scan of 16,384×16,384 pixels takes
/// `Limits { max_pixels: 1 << 28, ..Limits::default() }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (`width · height`). Default 2²⁷, about 134 million (11,585×11,585).
    pub max_pixels: u64,
    /// Most pixels along a side. Default 65,535, the most a JPEG file can have. What comes after
    /// decoding takes memory by the side, too: a photo of 134,217,727×1 pixels is small, but resized
    /// to 134,217,727×256 it is not.
    pub max_side: u32,
    /// Most bytes, separately for the file, for the decoded pixels, and for what the decoder needs
    /// in between. Default 2³⁰ (1 GiB), which holds 2²⁷ pixels of any supported kind.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 1 << 27, max_side: 65_535, max_bytes: 1 << 30 }
    }
}

impl Limits {
    pub(crate) fn check_pixels(
        &self,
        (width, height): (u32, u32),
        name: &str,
    ) -> Result<(), ImageError> {
        let Self { max_pixels, max_side, .. } = *self;
        if u64::from(width) * u64::from(height) > max_pixels {
            let name = name.to_owned();
            return Err(ImageError::TooManyPixels { name, width, height, max_pixels });
        }
        if width.max(height) > max_side {
            let name = name.to_owned();
            return Err(ImageError::SideTooLong { name, width, height, max_side });
        }
        Ok(())
    }

    pub(crate) fn check_bytes(&self, bytes: u64, name: &str) -> Result<(), ImageError> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        Err(ImageError::TooManyBytes { name: name.to_owned(), max_bytes: self.max_bytes })
    }

    pub(crate) fn for_decoder(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(self.max_bytes);
        limits
    }
}
