//! What cameras call pixels, as pixels of 8 bits.
//!
//! Samples of more than 8 bits become 8 just as those of a file do whose bits are stated
//! ([`DecodeOptions::bits`]): a camera's format says how many they are.

mod bayer;
mod unpack;
mod ycbcr;

use std::borrow::Cow;

use efficientad_evaluation::Pixels;
use efficientad_images::{DecodeOptions, PixelFormat, PixelsView};

pub use self::bayer::{Mosaic, demosaic};
pub use self::unpack::{Packing, unpack};
pub use self::ycbcr::yuyv_to_rgb;

/// How a camera gives its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraFormat {
    /// What the samples are.
    pub colour: Colour,
    /// How they lie.
    pub packing: Packing,
    /// Bits of a sample, from 8 to 16.
    pub bits: u8,
}

/// What the samples of a camera are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colour {
    /// Grey.
    Grey,
    /// One of three colours each, in the order of a mosaic.
    Bayer(Mosaic),
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
    /// YCbCr, as [`yuyv_to_rgb`] takes it.
    Yuyv,
}

/// The size of a picture and of the gaps in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes after each row that are no pixels.
    pub padding: usize,
}

impl CameraFormat {
    /// By its code in the Pixel Format Naming Convention of GenICam; `None` for one that is not
    /// understood.
    pub fn from_pfnc(code: u32) -> Option<Self> {
        use Colour::{Bayer, Bgr, Bgra, Grey, Rgb, Rgba};
        use Mosaic::{Bggr, Gbrg, Grbg, Rggb};
        use Packing::{Bytes, GigE, Lsb, Words};
        let (colour, packing, bits) = match code {
            0x0108_0001 => (Grey, Bytes, 8),
            0x0110_0003 => (Grey, Words, 10),
            0x010C_0004 => (Grey, GigE, 10),
            0x0110_0005 => (Grey, Words, 12),
            0x010C_0006 => (Grey, GigE, 12),
            0x0110_0025 => (Grey, Words, 14),
            0x0110_0007 => (Grey, Words, 16),
            0x010A_0046 => (Grey, Lsb, 10),
            0x010C_0047 => (Grey, Lsb, 12),
            0x0108_0008 => (Bayer(Grbg), Bytes, 8),
            0x0108_0009 => (Bayer(Rggb), Bytes, 8),
            0x0108_000A => (Bayer(Gbrg), Bytes, 8),
            0x0108_000B => (Bayer(Bggr), Bytes, 8),
            0x0110_000C => (Bayer(Grbg), Words, 10),
            0x0110_000D => (Bayer(Rggb), Words, 10),
            0x0110_000E => (Bayer(Gbrg), Words, 10),
            0x0110_000F => (Bayer(Bggr), Words, 10),
            0x0110_0010 => (Bayer(Grbg), Words, 12),
            0x0110_0011 => (Bayer(Rggb), Words, 12),
            0x0110_0012 => (Bayer(Gbrg), Words, 12),
            0x0110_0013 => (Bayer(Bggr), Words, 12),
            0x0110_002E => (Bayer(Grbg), Words, 16),
            0x0110_002F => (Bayer(Rggb), Words, 16),
            0x0110_0030 => (Bayer(Gbrg), Words, 16),
            0x0110_0031 => (Bayer(Bggr), Words, 16),
            0x010C_0026 => (Bayer(Grbg), GigE, 10),
            0x010C_0027 => (Bayer(Rggb), GigE, 10),
            0x010C_0028 => (Bayer(Gbrg), GigE, 10),
            0x010C_0029 => (Bayer(Bggr), GigE, 10),
            0x010C_002A => (Bayer(Grbg), GigE, 12),
            0x010C_002B => (Bayer(Rggb), GigE, 12),
            0x010C_002C => (Bayer(Gbrg), GigE, 12),
            0x010C_002D => (Bayer(Bggr), GigE, 12),
            0x010A_0056 => (Bayer(Grbg), Lsb, 10),
            0x010A_0058 => (Bayer(Rggb), Lsb, 10),
            0x010A_0054 => (Bayer(Gbrg), Lsb, 10),
            0x010A_0052 => (Bayer(Bggr), Lsb, 10),
            0x010C_0057 => (Bayer(Grbg), Lsb, 12),
            0x010C_0059 => (Bayer(Rggb), Lsb, 12),
            0x010C_0055 => (Bayer(Gbrg), Lsb, 12),
            0x010C_0053 => (Bayer(Bggr), Lsb, 12),
            0x0218_0014 => (Rgb, Bytes, 8),
            0x0218_0015 => (Bgr, Bytes, 8),
            0x0220_0016 => (Rgba, Bytes, 8),
            0x0220_0017 => (Bgra, Bytes, 8),
            _ => return None,
        };
        Some(Self { colour, packing, bits })
    }

    /// A frame as pixels of 8 bits.
    ///
    /// # Errors
    /// What is wrong with the frame: it is too short or too large, or has samples of more bits than
    /// its format.
    pub fn to_pixels(self, data: Vec<u8>, shape: Shape) -> Result<Pixels<'static>, String> {
        let Self { colour, packing, bits } = self;
        if packing == Packing::Bytes {
            match colour {
                Colour::Grey => return plain(data, shape, PixelFormat::Gray8),
                Colour::Rgb => return plain(data, shape, PixelFormat::Rgb8),
                Colour::Bgr => return plain(data, shape, PixelFormat::Bgr8),
                Colour::Rgba => return plain(data, shape, PixelFormat::Rgba8),
                Colour::Bgra => return plain(data, shape, PixelFormat::Bgra8),
                Colour::Yuyv => {
                    let rgb = yuyv_to_rgb(&data, shape)?;
                    return plain(rgb, Shape { padding: 0, ..shape }, PixelFormat::Rgb8);
                }
                Colour::Bayer(_) => {}
            }
        }
        let samples = unpack(&data, packing, bits, shape)?;
        drop(data);
        let Shape { width, height, .. } = shape;
        match colour {
            Colour::Grey => {
                let grey = narrow(&samples, shape, PixelFormat::Gray16, bits)?;
                plain(grey, Shape { padding: 0, ..shape }, PixelFormat::Gray8)
            }
            Colour::Bayer(mosaic) => {
                let rgb = demosaic(&samples, width as usize, height as usize, mosaic)?;
                drop(samples);
                let rgb = narrow(&rgb, shape, PixelFormat::Rgb16, bits)?;
                plain(rgb, Shape { padding: 0, ..shape }, PixelFormat::Rgb8)
            }
            _ => Err(format!("{self:?} is not understood")),
        }
    }
}

/// Pixels that are what they are.
fn plain(data: Vec<u8>, shape: Shape, format: PixelFormat) -> Result<Pixels<'static>, String> {
    let Shape { width, height, padding } = shape;
    let stride = width as usize * format.bytes() + padding;
    let needed = u64::from(width) * format.bytes() as u64
        + u64::from(height).saturating_sub(1) * stride as u64;
    check_length(&data, needed, shape)?;
    Ok(Pixels { data: Cow::Owned(data), width, height, stride, format })
}

/// Samples of so many bits as bytes, by the arithmetic that files have.
fn narrow(samples: &[u16], shape: Shape, format: PixelFormat, bits: u8) -> Result<Vec<u8>, String> {
    if bits == 8 {
        return Ok(samples.iter().map(|&sample| sample as u8).collect());
    }
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    let options = DecodeOptions { bits: Some(bits), ..DecodeOptions::default() };
    let rgb = PixelsView::packed(&data, shape.width, shape.height, format)
        .to_rgb(&options)
        .map_err(|error| error.to_string())?
        .into_raw();
    Ok(match format {
        PixelFormat::Gray16 => rgb.as_chunks::<3>().0.iter().map(|&[grey, _, _]| grey).collect(),
        _ => rgb,
    })
}

fn check_length(data: &[u8], needed: u64, shape: Shape) -> Result<(), String> {
    let Shape { width, height, .. } = shape;
    if width == 0 || height == 0 {
        return Err(format!("a frame of {width}×{height} pixels has none"));
    }
    if (data.len() as u64) < needed {
        return Err(format!(
            "a frame of {width}×{height} pixels has {} bytes and needs {needed}",
            data.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn shape(width: u32, height: u32) -> Shape {
        Shape { width, height, padding: 0 }
    }

    #[track_caller]
    fn convert(code: u32, data: &[u8], shape: Shape) -> Pixels<'static> {
        CameraFormat::from_pfnc(code).unwrap().to_pixels(data.to_vec(), shape).unwrap()
    }

    #[test]
    fn grey_of_every_depth_becomes_bytes_as_that_of_files() {
        let mono8 = convert(0x0108_0001, &[0, 128, 255], shape(3, 1));
        assert_eq!((&*mono8.data, mono8.format), (&[0, 128, 255][..], PixelFormat::Gray8));
        for (code, bits) in
            [(0x0110_0003, 10), (0x0110_0005, 12), (0x0110_0025, 14), (0x0110_0007, 16)]
        {
            let largest = u16::MAX >> (16 - bits);
            let samples = [0, largest / 2, largest];
            let data: Vec<u8> = samples.iter().flat_map(|it| it.to_le_bytes()).collect();
            let found = convert(code, &data, shape(3, 1));
            assert_eq!((found.data[0], found.data[2]), (0, 255), "{bits}");
            assert!((127..=128).contains(&found.data[1]), "{bits}");
        }
        let too_bright = CameraFormat::from_pfnc(0x0110_0003).unwrap();
        assert!(too_bright.to_pixels(vec![0, 4], shape(1, 1)).unwrap_err().contains("1024"));
    }

    #[test]
    fn packed_and_unpacked_frames_are_the_same() {
        let mut random = fastrand::Rng::with_seed(1);
        let size = shape(6, 4);
        for (words, packed, bits) in [
            (0x0110_0003, 0x010A_0046, 10),
            (0x0110_0005, 0x010C_0047, 12),
            (0x0110_000D, 0x010A_0058, 10),
            (0x0110_0013, 0x010C_0053, 12),
        ] {
            let samples: Vec<u16> = (0..24).map(|_| random.u16(..1 << bits)).collect();
            let plain: Vec<u8> = samples.iter().flat_map(|it| it.to_le_bytes()).collect();
            let mut stream = vec![0_u8; 24 * bits / 8];
            for (index, sample) in samples.iter().enumerate() {
                for bit in (0..bits).filter(|bit| sample >> bit & 1 == 1) {
                    let place = index * bits + bit;
                    stream[place / 8] |= 1 << (place % 8);
                }
            }
            assert_eq!(convert(words, &plain, size), convert(packed, &stream, size), "{packed:x}");
        }
    }

    #[test]
    fn colours_keep_their_order_and_rows_their_gaps() {
        let gap = Shape { width: 1, height: 2, padding: 1 };
        for (code, format) in [(0x0218_0014, PixelFormat::Rgb8), (0x0218_0015, PixelFormat::Bgr8)] {
            let found = convert(code, &[1, 2, 3, 9, 4, 5, 6], gap);
            assert_eq!((found.stride, found.format), (4, format));
            let rgb = found.view().to_rgb(&DecodeOptions::default()).unwrap();
            let [first, last] = [rgb.get_pixel(0, 0).0, rgb.get_pixel(0, 1).0];
            match format {
                PixelFormat::Rgb8 => assert_eq!([first, last], [[1, 2, 3], [4, 5, 6]]),
                _ => assert_eq!([first, last], [[3, 2, 1], [6, 5, 4]]),
            }
        }
    }

    #[test]
    fn every_format_refuses_a_frame_that_is_too_short_or_empty() {
        let codes = (0..0x60).flat_map(|id| {
            [0x0108_0000, 0x010A_0000, 0x010C_0000, 0x0110_0000, 0x0218_0000, 0x0220_0000]
                .map(|base| base | id)
        });
        let formats: Vec<_> = codes.filter_map(CameraFormat::from_pfnc).collect();
        assert_eq!(formats.len(), 45);
        for format in formats {
            let bytes = match format.packing {
                Packing::Bytes if matches!(format.colour, Colour::Rgb | Colour::Bgr) => 12 * 3,
                Packing::Bytes if matches!(format.colour, Colour::Rgba | Colour::Bgra) => 12 * 4,
                Packing::Bytes => 12,
                Packing::Words => 24,
                Packing::GigE => 18,
                Packing::Lsb => 12 * usize::from(format.bits) / 8,
            };
            format.to_pixels(vec![0; bytes], shape(4, 3)).unwrap();
            let error = format.to_pixels(vec![0; bytes - 1], shape(4, 3)).unwrap_err();
            assert!(error.contains("and needs"), "{error}");
            assert!(format.to_pixels(vec![], shape(0, 3)).is_err());
            assert!(format.to_pixels(vec![], shape(u32::MAX, u32::MAX)).is_err());
        }
        assert_eq!(CameraFormat::from_pfnc(0x0110_0032), None);
    }
}
