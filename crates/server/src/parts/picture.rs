//! Photos as a browser shows them: small, and whatever they are as a JPEG.

use std::ops::RangeInclusive;

use efficientad_evaluation::InspectError;
use efficientad_images::picture::encode_jpeg;
use efficientad_images::{ImageError, RgbImage, resize_bilinear};

use crate::call::Call;
use crate::refusal::Refusal;

/// Sides of a picture, in pixels.
const SIDES: RangeInclusive<u32> = 16..=2048;
const QUALITY: u8 = 85;

/// The longest side that a call asks for, if it does.
pub(crate) fn side(call: &Call) -> Result<Option<u32>, Refusal> {
    let Some(side) = call.field("side") else { return Ok(None) };
    let side = side.parse().ok().filter(|side| SIDES.contains(side));
    side.map(Some).ok_or_else(|| {
        let (low, high) = SIDES.into_inner();
        Refusal::bad_request(format!("side: write a number from {low} to {high}"))
    })
}

/// A photo with sides of `side` at most.
pub(crate) fn shrunk(photo: Result<RgbImage, ImageError>, side: u32) -> Result<Vec<u8>, Refusal> {
    let photo = photo.map_err(|error| Refusal::of_photo(&InspectError::Image(error)))?;
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
