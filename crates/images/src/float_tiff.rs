//! Anomaly maps out and in again, as 32-bit float TIFF: the form that the evaluation scripts of MVTec AD and
//! MVTec LOCO read.

use std::io::{BufReader, Cursor};
use std::path::Path;

use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::encoder::{TiffEncoder, colortype::Gray32Float};

use crate::error::{ImageError, PictureError};
use crate::map_view::MapView;
use efficientad_files::{open_regular, write_atomically};

/// Writes the map's values unchanged as an uncompressed TIFF file of one channel, whole or not at
/// all (see [`efficientad_files`]).
///
/// # Errors
/// [`PictureError::NoPixels`], [`PictureError::Encode`] for a map over 4 GiB, and
/// [`PictureError::Write`].
pub fn save_float_tiff(path: impl AsRef<Path>, map: MapView<'_>) -> Result<(), PictureError> {
    let path = path.as_ref();
    PictureError::check_pixels(path, map.dimensions())?;
    let (width, height) = map.dimensions();
    write_atomically(path, |writer| {
        TiffEncoder::new(writer)?.write_image::<Gray32Float>(width, height, map.values())
    })
    .map_err(|error| match error {
        TiffError::IoError(source) => PictureError::Write { path: path.to_owned(), source },
        error => PictureError::Encode { path: path.to_owned(), reason: error.to_string() },
    })
}

/// Reads the values of a map of `(width, height)` that [`save_float_tiff`] wrote.
///
/// # Errors
/// [`ImageError::Read`], or [`ImageError::Corrupt`] if it is no such map.
pub fn load_float_tiff(
    path: impl AsRef<Path>,
    (width, height): (u32, u32),
) -> Result<Vec<f32>, ImageError> {
    let path = path.as_ref();
    let name = || path.display().to_string();
    let corrupt = |reason: &str| ImageError::Corrupt { name: name(), reason: reason.to_owned() };
    let file = open_regular(path).map_err(|source| ImageError::Read { name: name(), source })?;
    let mut decoder =
        Decoder::new(BufReader::new(file)).map_err(|error| corrupt(&error.to_string()))?;
    if decoder.dimensions().ok() != Some((width, height)) {
        return Err(corrupt(&format!("it is no anomaly map of {width}×{height}")));
    }
    match decoder.read_image() {
        Ok(DecodingResult::F32(values)) if values.len() == width as usize * height as usize => {
            Ok(values)
        }
        Ok(_) => Err(corrupt("its values are no anomaly map's")),
        Err(error) => Err(corrupt(&error.to_string())),
    }
}

/// The map as the bytes of such a file: those that [`save_float_tiff`] writes.
///
/// # Errors
/// [`PictureError::Unencodable`]: there are no pixels, or the map takes more than 4 GiB.
pub fn encode_float_tiff(map: MapView<'_>) -> Result<Vec<u8>, PictureError> {
    let (width, height) = map.dimensions();
    let mut bytes = Cursor::new(Vec::new());
    TiffEncoder::new(&mut bytes)
        .and_then(|mut tiff| tiff.write_image::<Gray32Float>(width, height, map.values()))
        .map_err(|error| PictureError::Unencodable { reason: error.to_string() })?;
    Ok(bytes.into_inner())
}
