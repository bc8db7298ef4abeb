//! Photos from PNG, JPEG, BMP, TIFF, WebP and PNM files, as 8-bit RGB.
//!
//! How other kinds of pixels become 8-bit RGB (as Pillow's `convert("RGB")`, where that is useful):
//!
//! * grey is repeated in the three channels, a palette is looked up (in TIFF by the high byte of its
//!   entries);
//! * alpha and other extra samples are dropped, the colours under them are kept as stored;
//! * 16 bits become 8 by their high byte. Pillow does so for 16-bit RGB, but clips 16-bit grey at
//!   255, which turns nearly every such photo white: here grey is treated like RGB. A photo that uses
//!   fewer of its 16 bits is told by [`DecodeOptions::bits`];
//! * 9 to 15 bits (packed TIFF, PNM) become 8 by `v · 255 / (2^bits − 1)`, rounded; of PNM by
//!   its largest value;
//! * 32-bit floating point (TIFF) is read with [`DecodeOptions::range`], and refused without;
//! * 5 and 6 bits of a BMP file are spread over 8, rounded (Pillow rounds down, a level less);
//! * CMYK is converted without a colour profile, as Pillow does;
//! * of an animation, or a TIFF file of several pictures, the first is taken.
//!
//! Colour profiles are ignored, as Pillow ignores them. Refused by name are: TIFF of signed, 32-bit
//! and 64-bit samples, Lab or uncompressed YCbCr, and compressions other than LZW, Deflate,
//! PackBits, JPEG and CCITT group 4; JPEG of 12 bits, lossless or with arithmetic coding; PAM and other formats.

use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};
use serde::{Deserialize, Serialize};

use crate::error::ImageError;
use crate::fence::fenced;
use crate::files;
use crate::limits::Limits;
use crate::samples::Depth;
use crate::source::Source;
use crate::{bits, jpeg, pnm, tiff_file, webp};

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
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DecodeOptions {
    /// Which way up the photo stands; as stored by default.
    pub orientation: Orientation,
    /// What is refused as too large.
    pub limits: Limits,
    /// How many of their 16 bits the samples of 16-bit photos use, 1 to 16. Many cameras deliver 10,
    /// 12 or 14 bits in 16-bit files: stated, a sample `v` becomes `v · 255 / (2^bits − 1)`, rounded,
    /// and one above that range is refused. None by default: samples fill their 16 bits, and
    /// their high byte is taken, as of 16 stated bits. Photos of 8 bits are not concerned.
    pub bits: Option<u8>,
    /// The samples of a floating point photo that are to be black and white; one outside is refused.
    /// None by default: floating point photos are refused.
    pub range: Option<(f32, f32)>,
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
    Ok(decode_measured(bytes, name, options)?.0)
}

/// [`load`], and [`used_bits`](crate::used_bits) of the photo.
///
/// # Errors
/// As [`load`].
pub fn load_measured(
    path: impl AsRef<Path>,
    options: &DecodeOptions,
) -> Result<(RgbImage, Option<u8>), ImageError> {
    let (bytes, name) = read_file(path.as_ref(), &options.limits)?;
    decode_measured(&bytes, &name, options)
}

/// [`decode`], and [`used_bits`](crate::used_bits) of the photo.
///
/// # Errors
/// As [`decode`].
pub fn decode_measured(
    bytes: &[u8],
    name: &str,
    options: &DecodeOptions,
) -> Result<(RgbImage, Option<u8>), ImageError> {
    Depth::new(options.bits, u16::MAX)?;
    let decoded = decode_samples(bytes, name, options)?;
    let used_bits = bits::of_decoded(&decoded);
    let Decoded { image, largest } = decoded;
    let pixels = u64::from(image.width()) * u64::from(image.height());
    options.limits.check_bytes(pixels * 3, name)?;
    Ok((into_rgb(image, Depth::new(options.bits, largest)?, name)?, used_bits))
}

/// A picture's samples, as its file has them; of less than 8 bits spread over 8.
pub(crate) struct Decoded {
    pub image: DynamicImage,
    /// The largest 16-bit sample that the file's kind allows.
    pub largest: u16,
}

/// Reads a whole file, refusing folders, pipes and files over the limit.
pub(crate) fn read_file(path: &Path, limits: &Limits) -> Result<(Vec<u8>, String), ImageError> {
    let name = path.display().to_string();
    let read_error = |source| ImageError::Read { name: name.clone(), source };
    let file = files::open(path, &name)?;
    let length = file.metadata().map_err(read_error)?.len();
    limits.check_bytes(length, &name)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(read_error)?;
    limits.check_bytes(bytes.len() as u64, &name)?;
    Ok((bytes, name))
}

/// Decodes without changing channels or bit depth.
pub(crate) fn decode_samples(
    bytes: &[u8],
    name: &str,
    options: &DecodeOptions,
) -> Result<Decoded, ImageError> {
    fenced(|| decode_unfenced(Source { bytes, name }, options))
        .unwrap_or_else(|| Err(ImageError::Undecodable { name: name.to_owned() }))
}

fn decode_unfenced(source: Source<'_>, options: &DecodeOptions) -> Result<Decoded, ImageError> {
    use ImageFormat::{Bmp, Jpeg, Png, WebP};
    let limits = &options.limits;
    let full = |(image, orientation)| (Decoded { image, largest: u16::MAX }, orientation);
    let (mut decoded, orientation) = if source.bytes.is_empty() {
        return Err(ImageError::Empty { name: source.name.to_owned() });
    } else if tiff_file::is_tiff(source.bytes) {
        tiff_file::decode(source, options)?
    } else if pnm::is_pnm(source.bytes) {
        (pnm::decode(source, limits)?, 1)
    } else {
        match image::guess_format(source.bytes) {
            Ok(Jpeg) => full(jpeg::decode(source, options)?),
            Ok(WebP) => {
                let (source, orientation) = webp::check(source, limits)?;
                let as_stored = DecodeOptions { orientation: Orientation::AsStored, ..*options };
                full((by_image(source, WebP, &as_stored)?.0, orientation))
            }
            Ok(format @ (Bmp | Png)) => full(by_image(source, format, options)?),
            Ok(ImageFormat::Pnm) => return Err(source.unsupported("PAM format")),
            Ok(other) => return Err(source.unsupported(format!("{other:?} format"))),
            Err(_) => return Err(ImageError::NotAnImage { name: source.name.to_owned() }),
        }
    };
    if options.orientation == Orientation::FromExif
        && let Some(orientation) = image::metadata::Orientation::from_exif(orientation)
    {
        decoded.image.apply_orientation(orientation);
    }
    Ok(decoded)
}

/// Decodes by the decoders of [`image`], and tells the orientation, if it is asked for, as Exif
/// numbers it.
pub(crate) fn by_image(
    source: Source<'_>,
    format: ImageFormat,
    options: &DecodeOptions,
) -> Result<(DynamicImage, u8), ImageError> {
    let limits = &options.limits;
    let translate = |error| translate(error, source, limits);
    let mut reader = ImageReader::with_format(Cursor::new(source.bytes), format);
    reader.limits(limits.for_decoder());
    let mut decoder = reader.into_decoder().map_err(translate)?;
    limits.check_pixels(decoder.dimensions(), source.name)?;
    limits.check_bytes(decoder.total_bytes(), source.name)?;
    let orientation = match options.orientation {
        Orientation::AsStored => 1,
        Orientation::FromExif => decoder.orientation().map_err(translate)?.to_exif(),
    };
    let image = DynamicImage::from_decoder(decoder).map_err(translate)?;
    if image.width() == 0 || image.height() == 0 {
        return Err(source.corrupt("it has no pixels"));
    }
    Ok((image, orientation))
}

/// The orientation in a chunk of Exif data, as Exif numbers it; 1 is upright.
pub(crate) fn exif_orientation(exif: &[u8]) -> u8 {
    image::metadata::Orientation::from_exif_chunk(exif)
        .map_or(1, |orientation| orientation.to_exif())
}

fn into_rgb(image: DynamicImage, depth: Depth, name: &str) -> Result<RgbImage, ImageError> {
    let source = Source { bytes: &[], name };
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
        _ => return Err(source.unsupported("pixels of another kind")),
    };
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| source.corrupt("it has too few pixels"))
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

fn translate(error: image::ImageError, source: Source<'_>, limits: &Limits) -> ImageError {
    match error {
        image::ImageError::Limits(_) => {
            ImageError::TooManyBytes { name: source.name.to_owned(), max_bytes: limits.max_bytes }
        }
        image::ImageError::Unsupported(error) => source.unsupported(error.to_string()),
        error => source.corrupt(error.to_string()),
    }
}
