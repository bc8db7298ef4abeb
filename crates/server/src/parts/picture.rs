//! Photos as a browser shows them: small, and whatever they are as a JPEG.

use std::path::Path;

use efficientad_evaluation::InspectError;
use efficientad_images::picture::encode_jpeg;
use efficientad_images::{DecodeOptions, load, resize_bilinear};

use crate::refusal::Refusal;

const QUALITY: u8 = 85;

/// A photo with sides of `side` at most.
pub(super) fn shrunk(path: &Path, side: u32, options: &DecodeOptions) -> Result<Vec<u8>, Refusal> {
    let photo =
        load(path, options).map_err(|error| Refusal::of_photo(&InspectError::Image(error)))?;
    let (width, height) = photo.dimensions();
    let longest = width.max(height);
    let photo = match longest > side {
        true => {
            let scaled = |length: u32| {
                (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32
            };
            resize_bilinear(&photo, scaled(width), scaled(height))
        }
        false => photo,
    };
    encode_jpeg(&photo, QUALITY).map_err(|error| Refusal::internal(error.to_string()))
}
