//! Photos from PNG, JPEG, BMP, TIFF and WebP files, as 8-bit RGB.
//!
//! How other kinds of pixels become 8-bit RGB (as Pillow's `convert("RGB")`, where that is useful):
//!
//! * grey is repeated in the three channels, a palette is looked up;
//! * alpha is dropped, the colours under it are kept as stored;
//! * 16 bits become 8 by their high byte. Pillow does so for 16-bit RGB, but clips 16-bit grey at
//!   255, which turns nearly every such photo white: here grey is treated like RGB;
//! * CMYK is converted without a colour profile;
//! * of an animation the first picture is taken.
//!
//! Colour profiles are ignored, as Pillow ignores them. Floating point, 32-bit, palette and YCbCr
//! TIFF files and 12-bit JPEG files are refused.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};
use serde::{Deserialize, Serialize};

use crate::error::ImageError;
use crate::limits::Limits;
use crate::samples::Depth;

/// Which way up a decoded photo stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// The pixels as they lie in the file; an orientation tag is ignored. This is what Pillow's
    /// `Image.open` and torchvision's folder datasets do for every format but TIFF, whose
    /// orientation tag Pillow always applies. Masks are drawn on pixels as stored, too.
    #[default]
    AsStored,
    /// Turned and mirrored as the file's orientation tag asks (Pillow's `ImageOps.exif_transpose`).
    FromExif,
}

/// How to decode. The default is what the reference preprocessing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// Which way up the photo stands; as stored by default.
    pub orientation: Orientation,
    /// What is refused as too large.
    pub limits: Limits,
    /// How many of their 16 bits the samples of 16-bit photos use, 1 to 16. Many cameras deliver 10,
    /// 12 or 14 bits in 16-bit files: stated, a sample `v` becomes `v · 255 / (2^bits − 1)`, rounded,
    /// and one above that range is refused. None by default: samples fill their 16 bits, and
    /// their high byte is taken. Photos of 8 bits are not concerned.
    pub bits: Option<u8>,
}

/// Reads a photo; the format is told by its content, not by its extension.
///
/// # Errors
/// Every variant of [`ImageError`] but [`NotGrey`](ImageError::NotGrey).
pub fn load(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<RgbImage, ImageError> {
    let (bytes, name) = read_file(path.as_ref(), &options.limits)?;
    decode(&bytes, &name, options)
}

/// Decodes a photo from a whole file's bytes; `name` is what errors call it. For pixels in memory
/// there is [`PixelsView`](crate::PixelsView).
///
/// # Errors
/// As [`load`], less those of the file system.
pub fn decode(bytes: &[u8], name: &str, options: &DecodeOptions) -> Result<RgbImage, ImageError> {
    let depth = Depth::new(options.bits)?;
    let image = decode_samples(bytes, name, options)?;
    into_rgb(image, depth, name)
}

/// Reads a whole file, refusing folders and files over the limit.
pub(crate) fn read_file(path: &Path, limits: &Limits) -> Result<(Vec<u8>, String), ImageError> {
    let name = path.display().to_string();
    let read_error = |source| ImageError::Read { name: name.clone(), source };
    let file = File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    if metadata.is_dir() {
        return Err(ImageError::IsFolder { name });
    }
    limits.check_bytes(metadata.len(), &name)?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(read_error)?;
    limits.check_bytes(bytes.len() as u64, &name)?;
    Ok((bytes, name))
}

/// Decodes without changing channels or bit depth.
pub(crate) fn decode_samples(
    bytes: &[u8],
    name: &str,
    options: &DecodeOptions,
) -> Result<DynamicImage, ImageError> {
    let format = supported_format(bytes, name)?;
    if format == ImageFormat::Jpeg && !jpeg_reaches_its_end(bytes) {
        return Err(corrupt(name, "the JPEG file ends before its last row"));
    }
    let limits = &options.limits;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.for_decoder());
    let mut decoder = reader.into_decoder().map_err(|error| translate(error, name, limits))?;
    limits.check_pixels(decoder.dimensions(), name)?;
    limits.check_bytes(decoder.total_bytes(), name)?;
    let orientation = match options.orientation {
        Orientation::AsStored => image::metadata::Orientation::NoTransforms,
        Orientation::FromExif => {
            decoder.orientation().map_err(|error| translate(error, name, limits))?
        }
    };
    let mut image =
        DynamicImage::from_decoder(decoder).map_err(|error| translate(error, name, limits))?;
    if image.width() == 0 || image.height() == 0 {
        return Err(corrupt(name, "it has no pixels"));
    }
    image.apply_orientation(orientation);
    Ok(image)
}

fn supported_format(bytes: &[u8], name: &str) -> Result<ImageFormat, ImageError> {
    use ImageFormat::{Bmp, Jpeg, Png, Tiff, WebP};
    if bytes.is_empty() {
        let name = name.to_owned();
        return Err(ImageError::Empty { name });
    }
    match image::guess_format(bytes) {
        Ok(format @ (Bmp | Jpeg | Png | Tiff | WebP)) => Ok(format),
        Ok(other) => Err(unsupported(name, &format!("{other:?} format"))),
        Err(_) => Err(ImageError::NotAnImage { name: name.to_owned() }),
    }
}

/// Whether the end-of-image marker follows the start of the first scan. The decoder fills what is
/// missing with grey, and half a photo of a part must not be inspected as if it were whole.
fn jpeg_reaches_its_end(bytes: &[u8]) -> bool {
    jpeg_scan_start(bytes)
        .is_none_or(|start| bytes[start..].windows(2).any(|two| two == [0xFF, 0xD9]))
}

/// The offset of the first start-of-scan marker; `None` where the segments before it are not well
/// formed, which the decoder reports better.
fn jpeg_scan_start(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        match bytes.get(at..at + 2)? {
            [0xFF, 0xFF] => at += 1,
            [0xFF, 0xDA] => return Some(at),
            [0xFF, _] => {
                let length = bytes.get(at + 2..at + 4)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
            _ => return None,
        }
    }
}

fn into_rgb(image: DynamicImage, depth: Depth, name: &str) -> Result<RgbImage, ImageError> {
    let (width, height) = (image.width(), image.height());
    let to_byte = |value| depth.to_byte(value);
    let rgb = match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageRgba8(image) => drop_alpha(&image, same),
        DynamicImage::ImageLuma8(image) => repeat_grey::<1, _>(&image, same),
        DynamicImage::ImageLumaA8(image) => repeat_grey::<2, _>(&image, same),
        DynamicImage::ImageRgb16(image) => {
            depth.check(image.iter().copied(), name)?;
            image.iter().map(|&value| to_byte(value)).collect()
        }
        DynamicImage::ImageRgba16(image) => {
            let (pixels, _) = image.as_chunks::<4>();
            depth.check(pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]), name)?;
            drop_alpha(&image, to_byte)
        }
        DynamicImage::ImageLuma16(image) => {
            depth.check(image.iter().copied(), name)?;
            repeat_grey::<1, _>(&image, to_byte)
        }
        DynamicImage::ImageLumaA16(image) => {
            depth.check(image.pixels().map(|pixel| pixel.0[0]), name)?;
            repeat_grey::<2, _>(&image, to_byte)
        }
        _ => return Err(unsupported(name, "floating point pixels")),
    };
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| corrupt(name, "it has too few pixels"))
}

fn drop_alpha<T: Copy>(samples: &[T], to_byte: impl Fn(T) -> u8) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<4>();
    pixels
        .iter()
        .flat_map(|&[red, green, blue, _]| [to_byte(red), to_byte(green), to_byte(blue)])
        .collect()
}

fn repeat_grey<const CHANNELS: usize, T: Copy>(
    samples: &[T],
    to_byte: impl Fn(T) -> u8,
) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<CHANNELS>();
    pixels.iter().flat_map(|pixel| [to_byte(pixel[0]); 3]).collect()
}

fn same(value: u8) -> u8 {
    value
}

fn translate(error: image::ImageError, name: &str, limits: &Limits) -> ImageError {
    match error {
        image::ImageError::Limits(_) => {
            ImageError::TooManyBytes { name: name.to_owned(), max_bytes: limits.max_bytes }
        }
        image::ImageError::Unsupported(error) => unsupported(name, &error.to_string()),
        error => corrupt(name, &error.to_string()),
    }
}

fn corrupt(name: &str, reason: &str) -> ImageError {
    ImageError::Corrupt { name: name.to_owned(), reason: reason.to_owned() }
}

fn unsupported(name: &str, reason: &str) -> ImageError {
    ImageError::Unsupported { name: name.to_owned(), reason: reason.to_owned() }
}
