//! Anomaly maps out, as 32-bit float TIFF: the form that the evaluation scripts of MVTec AD and
//! MVTec LOCO read.

use std::io::Cursor;
use std::path::Path;

use tiff::TiffError;
use tiff::encoder::{TiffEncoder, colortype::Gray32Float};

use crate::error::PictureError;
use crate::map_view::MapView;
use efficientad_files::write_atomically;

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
