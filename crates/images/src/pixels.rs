//! Photos from pixels in memory, as a camera's library hands them over.

use image::RgbImage;

use crate::bits::bits_of;
use crate::decode::DecodeOptions;
use crate::error::ImageError;
use crate::samples::Depth;

/// What errors call pixels in memory.
const NAME: &str = "pixels in memory";

/// How a pixel lies in memory, its channels in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Grey, one byte.
    Gray8,
    /// Grey, two bytes in the machine's own order: a slice of `u16` as it lies.
    Gray16,
    /// Red, green, blue, a byte each.
    Rgb8,
    /// Red, green, blue, two bytes each in the machine's own order.
    Rgb16,
    /// Blue, green, red, a byte each, as OpenCV has it.
    Bgr8,
    /// Red, green, blue, alpha, a byte each.
    Rgba8,
    /// Blue, green, red, alpha, a byte each.
    Bgra8,
}

impl PixelFormat {
    /// Bytes of one pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Gray8 => 1,
            Self::Gray16 => 2,
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Rgba8 | Self::Bgra8 => 4,
            Self::Rgb16 => 6,
        }
    }
}

/// Borrowed pixels, row by row from the top left.
///
/// They become 8-bit RGB just as those of a file do (see [`mod@crate::decode`]): grey is repeated,
/// alpha dropped, and 16 bits become 8 by their high byte, or by [`DecodeOptions::bits`].
///
/// ```
/// use efficientad_images::{DecodeOptions, PixelFormat, PixelsView};
///
/// // Two rows of two pixels, each row filled up to 8 bytes.
/// let data = [0, 0, 255, 0, 255, 0, 9, 9, 255, 0, 0, 7, 7, 7, 9, 9];
/// let pixels =
///     PixelsView { data: &data, width: 2, height: 2, stride: 8, format: PixelFormat::Bgr8 };
/// let photo = pixels.to_rgb(&DecodeOptions::default())?;
/// assert_eq!(photo.get_pixel(0, 0).0, [255, 0, 0]);
/// assert_eq!(photo.get_pixel(1, 1).0, [7, 7, 7]);
/// # Ok::<(), efficientad_images::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelsView<'a> {
    /// The bytes, at least `stride · (height − 1)` and one row of pixels; more are ignored.
    pub data: &'a [u8],
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from the start of a row to that of the next, at least those of its pixels.
    pub stride: usize,
    /// How a pixel lies in memory.
    pub format: PixelFormat,
}

impl<'a> PixelsView<'a> {
    /// Pixels whose rows follow each other without a gap.
    pub fn packed(data: &'a [u8], width: u32, height: u32, format: PixelFormat) -> Self {
        let stride = (width as usize).saturating_mul(format.bytes());
        Self { data, width, height, stride, format }
    }

    /// A copy as 8-bit RGB. Of the options `limits` count, and `bits` for 16-bit pixels; there is
    /// no tag that could tell an orientation.
    ///
    /// # Errors
    /// [`ImageError::NoPixels`], [`ImageError::BufferTooShort`], [`ImageError::TooManyPixels`],
    /// [`ImageError::TooManyBytes`], [`ImageError::UsedBits`], [`ImageError::AboveBits`].
    pub fn to_rgb(&self, options: &DecodeOptions) -> Result<RgbImage, ImageError> {
        let depth = Depth::new(options.bits, u16::MAX)?;
        options.limits.check_pixels((self.width, self.height), NAME)?;
        let pixels = u64::from(self.width) * u64::from(self.height);
        options.limits.check_bytes(pixels.saturating_mul(3), NAME)?;
        let row_bytes = self.check_length()?;
        let rows = || self.data.chunks(self.stride).take(self.height as usize);
        let mut rgb = Vec::with_capacity(pixels as usize * 3);
        for row in rows() {
            let row = &row[..row_bytes];
            match self.format {
                PixelFormat::Gray8 => append(row, &mut rgb, |&[grey]| [grey; 3]),
                PixelFormat::Gray16 => {
                    depth.check(samples(row), NAME)?;
                    append(row, &mut rgb, |&pair| [depth.to_byte(u16::from_ne_bytes(pair)); 3]);
                }
                PixelFormat::Rgb16 => {
                    depth.check(samples(row), NAME)?;
                    rgb.extend(samples(row).map(|sample| depth.to_byte(sample)));
                }
                PixelFormat::Rgb8 => rgb.extend_from_slice(row),
                PixelFormat::Bgr8 => append(row, &mut rgb, |&[b, g, r]| [r, g, b]),
                PixelFormat::Rgba8 => append(row, &mut rgb, |&[r, g, b, _]| [r, g, b]),
                PixelFormat::Bgra8 => append(row, &mut rgb, |&[b, g, r, _]| [r, g, b]),
            }
        }
        RgbImage::from_raw(self.width, self.height, rgb).ok_or_else(|| self.too_short(u64::MAX))
    }

    /// Bits of the largest sample of 16-bit pixels, at least 1; none for 8-bit pixels. See
    /// [`mod@crate::bits`].
    ///
    /// # Errors
    /// [`ImageError::NoPixels`], [`ImageError::BufferTooShort`].
    pub fn used_bits(&self) -> Result<Option<u8>, ImageError> {
        let row_bytes = self.check_length()?;
        if !matches!(self.format, PixelFormat::Gray16 | PixelFormat::Rgb16) {
            return Ok(None);
        }
        let rows = self.data.chunks(self.stride).take(self.height as usize);
        Ok(Some(bits_of(rows.flat_map(|row| samples(&row[..row_bytes])))))
    }

    /// The bytes of a row's pixels, if all rows lie in the data.
    fn check_length(&self) -> Result<usize, ImageError> {
        let (width, height) = (self.width, self.height);
        if width == 0 || height == 0 {
            return Err(ImageError::NoPixels { name: NAME.to_owned(), width, height });
        }
        let row = u64::from(width) * self.format.bytes() as u64;
        let stride = self.stride as u64;
        let needed = stride.checked_mul(u64::from(height) - 1).and_then(|n| n.checked_add(row));
        match needed {
            Some(needed) if stride >= row && self.data.len() as u64 >= needed => Ok(row as usize),
            needed => Err(self.too_short(needed.unwrap_or(u64::MAX))),
        }
    }

    fn too_short(&self, needed: u64) -> ImageError {
        ImageError::BufferTooShort {
            name: NAME.to_owned(),
            width: self.width,
            height: self.height,
            stride: self.stride,
            pixel: self.format.bytes(),
            needed,
            found: self.data.len(),
        }
    }
}

/// The 16-bit samples of a row.
fn samples(row: &[u8]) -> impl Iterator<Item = u16> {
    row.as_chunks::<2>().0.iter().map(|&pair| u16::from_ne_bytes(pair))
}

fn append<const N: usize>(row: &[u8], rgb: &mut Vec<u8>, to_rgb: impl Fn(&[u8; N]) -> [u8; 3]) {
    let (pixels, _) = row.as_chunks::<N>();
    rgb.extend(pixels.iter().flat_map(to_rgb));
}
