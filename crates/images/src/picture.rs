//! PNG files out, and PNGs and JPEGs in memory.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use crate::error::PictureError;
use efficientad_files::write_atomically;

/// Writes an 8-bit RGB PNG file, whole or not at all (see [`efficientad_files`]).
///
/// # Errors
/// [`PictureError::NoPixels`], [`PictureError::Encode`] and [`PictureError::Write`].
pub fn save_png(path: impl AsRef<Path>, picture: &RgbImage) -> Result<(), PictureError> {
    let path = path.as_ref();
    PictureError::check_pixels(path, picture.dimensions())?;
    let (width, height) = picture.dimensions();
    write_atomically(path, |writer| {
        PngEncoder::new(writer).write_image(picture, width, height, ExtendedColorType::Rgb8)
    })
    .map_err(|error| match error {
        image::ImageError::IoError(source) => PictureError::Write { path: path.to_owned(), source },
        error => PictureError::Encode { path: path.to_owned(), reason: error.to_string() },
    })
}

/// A picture as the bytes of an 8-bit RGB PNG file: those that [`save_png`] writes.
///
/// # Errors
/// [`PictureError::Unencodable`]: there are no pixels.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    let (width, height) = picture.dimensions();
    PngEncoder::new(&mut bytes)
        .write_image(picture, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| PictureError::Unencodable { reason: error.to_string() })?;
    Ok(bytes)
}

/// A picture as the bytes of a JPEG file; `quality` is 1 to 100.
///
/// # Errors
/// [`PictureError::Unencodable`]: a side is 0, or more than 65,535 pixels.
pub fn encode_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(picture)
        .map_err(|error| PictureError::Unencodable { reason: error.to_string() })?;
    Ok(bytes)
}
