//! How many bits the 16-bit samples of photos use.
//!
//! Many cameras deliver 10, 12 or 14 bits in files of 16, which then look nearly black. What is
//! found here over some photos is what [`DecodeOptions::bits`] should say for all of them.
//!
//! ```no_run
//! use efficientad_images::{DecodeOptions, ImageError, camera_bits, used_bits};
//!
//! let mut options = DecodeOptions::default();
//! let photos = ["1.png", "2.png"];
//! let used: Vec<_> =
//!     photos.iter().map(|photo| used_bits(photo, &options)).collect::<Result<_, ImageError>>()?;
//! options.bits = used.into_iter().flatten().max().and_then(camera_bits);
//! # Ok::<(), ImageError>(())
//! ```

use std::path::Path;

use image::DynamicImage;

use crate::decode::{self, DecodeOptions, Decoded};
use crate::error::ImageError;

/// Bits of the largest sample of a photo file of 16 bits, at least 1; none for a photo whose file
/// says itself how many bits its samples have: 8 or fewer, packed ones, or a PNM's largest value.
///
/// # Errors
/// As [`load`](crate::load).
pub fn used_bits(
    path: impl AsRef<Path>,
    options: &DecodeOptions,
) -> Result<Option<u8>, ImageError> {
    let (bytes, name) = decode::read_file(path.as_ref(), &options.limits)?;
    Ok(of_decoded(&decode::decode_samples(&bytes, &name, options)?))
}

/// The same of a picture whose samples are at hand.
pub(crate) fn of_decoded(decoded: &Decoded) -> Option<u8> {
    if decoded.largest < u16::MAX {
        return None;
    }
    match &decoded.image {
        DynamicImage::ImageLuma16(image) => Some(bits_of(image.iter().copied())),
        DynamicImage::ImageRgb16(image) => Some(bits_of(image.iter().copied())),
        DynamicImage::ImageLumaA16(image) => Some(bits_of(image.pixels().map(|pixel| pixel[0]))),
        DynamicImage::ImageRgba16(image) => {
            Some(bits_of(image.pixels().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])))
        }
        _ => None,
    }
}

/// The depth of a camera whose photos use so many bits: the next even number from 8 to 14. None from
/// 15 bits on, where nothing is to be stated.
pub fn camera_bits(used: u8) -> Option<u8> {
    let even = used.saturating_add(used % 2).max(8);
    (even < 16).then_some(even)
}

/// Bits of the largest sample, at least 1.
pub(crate) fn bits_of(samples: impl Iterator<Item = u16>) -> u8 {
    let all = samples.fold(0, |all, sample| all | sample);
    (u16::BITS - all.leading_zeros()).max(1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_sample_counts() {
        let found = [&[0][..], &[1, 0], &[255, 256], &[4095, 7], &[4096], &[65_535]];
        assert_eq!(found.map(|samples| bits_of(samples.iter().copied())), [1, 1, 9, 12, 13, 16]);
        let cameras = [1, 8, 9, 10, 11, 12, 13, 14, 15, 16].map(camera_bits);
        let [a, b, c, d] = [8, 10, 12, 14].map(Some);
        assert_eq!(cameras, [a, a, b, b, c, c, d, d, None, None]);
    }
}
