//! TIFF and BigTIFF files of one page: its samples as they are stored.
//!
//! Grey, RGB, palette and CMYK, with any extra samples (which are dropped); 1 to 16 bits packed, and
//! 32-bit floating point; in strips or tiles, samples together or in planes; uncompressed, LZW,
//! Deflate, PackBits, JPEG and CCITT group 4. All else is refused by name.

mod chunk;
mod directory;
mod layout;

use image::{DynamicImage, GrayImage, ImageBuffer, RgbImage};

use crate::decode::{DecodeOptions, Decoded};
use crate::error::ImageError;
use crate::samples::FloatRange;
use crate::source::Source;
use directory::Order;
use layout::{Color, Layout};

/// Whether bytes start as a TIFF or BigTIFF file does.
pub(crate) fn is_tiff(bytes: &[u8]) -> bool {
    let magic = bytes.get(..4).unwrap_or_default();
    matches!(magic, b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+")
}

/// Decodes the picture, and tells its orientation as Exif numbers it.
pub(crate) fn decode(
    source: Source<'_>,
    options: &DecodeOptions,
) -> Result<(Decoded, u8), ImageError> {
    let layout = Layout::read(source, &options.limits)?;
    let image = if layout.is_float {
        let range = options.range.ok_or_else(|| {
            source.unsupported(
                "TIFF of 32-bit floating point samples; state their range in DecodeOptions::range",
            )
        })?;
        let range = FloatRange::new(range)?;
        layout.image(source, options, FloatsAsBytes(range))?
    } else if layout.bits > 8 && layout.color != Color::Cmyk {
        layout.image(source, options, Words)?
    } else {
        layout.image(source, options, Bytes)?
    };
    let largest = match layout.bits {
        bits @ 9..=15 => (1 << bits) - 1,
        _ => u16::MAX,
    };
    Ok((Decoded { image, largest }, layout.orientation))
}

/// How the numbers of a row become the samples of an image.
trait Convert {
    type Sample: Copy + Default;
    /// One sample; numbers of less than 32 bits are lower than `2^bits`.
    fn sample(
        &self,
        number: u32,
        layout: &Layout<'_>,
        name: &str,
    ) -> Result<Self::Sample, ImageError>;
    /// Converts a row in which nothing but the wanted samples lie, if there is a quick way.
    fn whole_row(&self, row: &[u8], target: &mut [Self::Sample], layout: &Layout<'_>) -> bool;
    fn image(samples: Vec<Self::Sample>, layout: &Layout<'_>) -> Option<DynamicImage>;
}

/// Whole numbers of up to 8 bits, spread over 0 to 255; palettes are looked up and CMYK converted.
struct Bytes;
/// Whole numbers of more than 8 bits, kept.
struct Words;
/// Floating point numbers of a stated range.
struct FloatsAsBytes(FloatRange);

impl Convert for Bytes {
    type Sample = u8;

    fn sample(&self, number: u32, layout: &Layout<'_>, _: &str) -> Result<u8, ImageError> {
        let bits = u32::from(layout.bits);
        let largest = (1 << bits.min(8)) - 1;
        let byte = match layout.color {
            Color::Palette => number,
            _ if bits > 8 => number >> (bits - 8),
            _ => (number * 255 + largest / 2) / largest,
        };
        Ok(if layout.color == Color::WhiteIsZero { 255 - byte as u8 } else { byte as u8 })
    }

    fn whole_row(&self, row: &[u8], target: &mut [u8], layout: &Layout<'_>) -> bool {
        if layout.bits != 8 || layout.color == Color::WhiteIsZero {
            return false;
        }
        target.copy_from_slice(&row[..target.len()]);
        true
    }

    fn image(samples: Vec<u8>, layout: &Layout<'_>) -> Option<DynamicImage> {
        let samples = match layout.color {
            Color::Palette => {
                let (red, rest) = layout.palette.split_at(layout.palette.len() / 3);
                let (green, blue) = rest.split_at(red.len());
                let colour = |index: u8| [red, green, blue].map(|part| part[usize::from(index)]);
                samples.iter().flat_map(|&index| colour(index)).collect()
            }
            Color::Cmyk => {
                let (pixels, _) = samples.as_chunks::<4>();
                pixels.iter().flat_map(|&pixel| cmyk_to_rgb(pixel)).collect()
            }
            Color::WhiteIsZero | Color::BlackIsZero => {
                return GrayImage::from_raw(layout.width, layout.height, samples).map(Into::into);
            }
            Color::Rgb | Color::YCbCr => samples,
        };
        RgbImage::from_raw(layout.width, layout.height, samples).map(Into::into)
    }
}

impl Convert for Words {
    type Sample = u16;

    fn sample(&self, number: u32, layout: &Layout<'_>, _: &str) -> Result<u16, ImageError> {
        let largest = u16::MAX >> (16 - layout.bits);
        let white_is_zero = layout.color == Color::WhiteIsZero;
        Ok(if white_is_zero { largest - number as u16 } else { number as u16 })
    }

    fn whole_row(&self, row: &[u8], target: &mut [u16], layout: &Layout<'_>) -> bool {
        if layout.bits != 16 || layout.color == Color::WhiteIsZero {
            return false;
        }
        let (pairs, _) = row.as_chunks::<2>();
        for (sample, &pair) in target.iter_mut().zip(pairs) {
            *sample = match layout.order {
                Order::Little => u16::from_le_bytes(pair),
                Order::Big => u16::from_be_bytes(pair),
            };
        }
        true
    }

    fn image(samples: Vec<u16>, layout: &Layout<'_>) -> Option<DynamicImage> {
        let (width, height) = (layout.width, layout.height);
        if layout.color.samples() == 3 {
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16)
        } else {
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma16)
        }
    }
}

impl Convert for FloatsAsBytes {
    type Sample = u8;

    fn sample(&self, number: u32, _: &Layout<'_>, name: &str) -> Result<u8, ImageError> {
        self.0.to_byte(f32::from_bits(number), name)
    }

    fn whole_row(&self, _: &[u8], _: &mut [u8], _: &Layout<'_>) -> bool {
        false
    }

    fn image(samples: Vec<u8>, layout: &Layout<'_>) -> Option<DynamicImage> {
        Bytes::image(samples, layout)
    }
}

impl Layout<'_> {
    /// Puts the image together from its strips or tiles.
    fn image<C: Convert>(
        &self,
        source: Source<'_>,
        options: &DecodeOptions,
        convert: C,
    ) -> Result<DynamicImage, ImageError> {
        let limits = &options.limits;
        let kept = self.color.samples();
        let pixels = u64::from(self.width) * u64::from(self.height);
        let size = size_of::<C::Sample>() as u64;
        limits.check_bytes(pixels.saturating_mul(kept.max(3) as u64 * size), source.name)?;
        let mut samples = vec![C::Sample::default(); pixels as usize * kept];
        let (across, in_plane) = self.grid();
        let planes = if self.is_planar { kept } else { 1 };
        for index in 0..in_plane * planes {
            let (plane, place) = (index / in_plane, index % in_plane);
            let left = (place % across) as u32 * self.chunk.0;
            let top = (place / across) as u32 * self.chunk.1;
            let rows = self.chunk.1.min(self.height - top);
            // A tile is stored whole, a strip ends with the picture; the rows after it don't count.
            let columns = self.chunk.0.min(self.width - left) as usize;
            let bytes = self.chunk_bytes(index, rows, source, limits)?;
            for (y, row) in bytes.chunks_exact(self.row_bytes() as usize).enumerate() {
                let start = (top as usize + y) * self.width as usize + left as usize;
                let target = &mut samples[start * kept..(start + columns) * kept];
                let is_whole = self.chunk_samples() == kept && !self.is_planar;
                if is_whole && convert.whole_row(row, target, self) {
                    continue;
                }
                for (at, pixel) in target.chunks_exact_mut(kept).enumerate() {
                    let first = at * self.chunk_samples();
                    let wanted = if self.is_planar { &mut pixel[plane..=plane] } else { pixel };
                    for (i, sample) in wanted.iter_mut().enumerate() {
                        *sample = convert.sample(self.number(row, first + i), self, source.name)?;
                    }
                }
            }
        }
        C::image(samples, self).ok_or_else(|| source.corrupt("it has too few pixels"))
    }

    /// The number at a place of a row; numbers of other than 8, 16 and 32 bits are packed, the highest
    /// bit first.
    fn number(&self, row: &[u8], at: usize) -> u32 {
        match self.bits {
            8 => u32::from(row[at]),
            16 => self.order.number(&row[2 * at..2 * at + 2]) as u32,
            32 => self.order.number(&row[4 * at..4 * at + 4]) as u32,
            bits => {
                let (bits, start) = (usize::from(bits), at * usize::from(bits));
                let bytes = &row[start / 8..(start + bits).div_ceil(8)];
                let joined = bytes.iter().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
                (joined >> (bytes.len() * 8 - start % 8 - bits)) & ((1 << bits) - 1)
            }
        }
    }
}

/// As Pillow converts without a colour profile.
fn cmyk_to_rgb([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let light = 255 - i32::from(black);
    [cyan, magenta, yellow].map(|ink| {
        let product = i32::from(ink) * light + 128;
        (light - ((product + (product >> 8)) >> 8)).max(0) as u8
    })
}
