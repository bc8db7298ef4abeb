//! How large a file may be before it is refused.

use crate::error::ImageError;

/// Bounds on one image, checked before memory is taken for its pixels.
///
/// A few bytes of header can announce billions of pixels; without limits such a file ends the
/// program. Both limits are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (`width · height`). Default 2²⁷, about 134 million (11,585×11,585).
    pub max_pixels: u64,
    /// Most bytes, separately for the file, for the decoded pixels, and for what the decoder needs
    /// in between. Default 2³⁰ (1 GiB), which holds 2²⁷ pixels of any supported kind.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 1 << 27, max_bytes: 1 << 30 }
    }
}

impl Limits {
    pub(crate) fn check_pixels(
        &self,
        (width, height): (u32, u32),
        name: &str,
    ) -> Result<(), ImageError> {
        if u64::from(width) * u64::from(height) <= self.max_pixels {
            return Ok(());
        }
        Err(ImageError::TooManyPixels {
            name: name.to_owned(),
            width,
            height,
            max_pixels: self.max_pixels,
        })
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
