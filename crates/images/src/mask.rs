//! Ground truth: defect masks and label maps, pixel by pixel as stored.

use std::path::Path;

use image::{DynamicImage, RgbImage};

use crate::decode::{self, DecodeOptions};
use crate::error::ImageError;

/// Which pixels of a photo show a defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// One value per pixel, row by row from the top left; `true` is defect.
    pub defect: Vec<bool>,
}

/// A number per pixel; what it stands for is the data set's matter (in MVTec LOCO the value tells
/// the type of the defect, 0 is good).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// One value per pixel, row by row from the top left.
    pub values: Vec<u16>,
}

/// Reads a mask: a pixel is defect where the largest of its colour channels, as 8 bits, is at least
/// `threshold`. Alpha does not count. Masks drawn in 0 and 255 take any threshold above 0, such as
/// 128; masks that number their defects 1, 2, … take 1.
///
/// # Errors
/// As [`load`](crate::load), with the default limits.
pub fn load_mask(path: impl AsRef<Path>, threshold: u8) -> Result<Mask, ImageError> {
    let image = decode::load(path, &DecodeOptions::default())?;
    Ok(mask_from(&image, threshold))
}

fn mask_from(image: &RgbImage, threshold: u8) -> Mask {
    let (pixels, _) = image.as_chunks::<3>();
    Mask {
        width: image.width(),
        height: image.height(),
        defect: pixels
            .iter()
            .map(|&[red, green, blue]| red.max(green).max(blue) >= threshold)
            .collect(),
    }
}

/// Reads a label map from a grey image of 8 or 16 bits; the values are kept, alpha is dropped.
/// Values of fewer than 8 bits are spread over 0–255, as every PNG reader does.
///
/// # Errors
/// [`ImageError::NotGrey`] for an image with colours or a palette, otherwise as
/// [`load`](crate::load), with the default limits.
pub fn load_labels(path: impl AsRef<Path>) -> Result<LabelMap, ImageError> {
    let options = DecodeOptions::default();
    let (bytes, name) = decode::read_file(path.as_ref(), &options.limits)?;
    let image = decode::decode_samples(&bytes, &name, &options)?.image;
    let (width, height) = (image.width(), image.height());
    let values = match image {
        DynamicImage::ImageLuma8(grey) => grey.iter().map(|&value| value.into()).collect(),
        DynamicImage::ImageLumaA8(grey) => grey.pixels().map(|pixel| pixel.0[0].into()).collect(),
        DynamicImage::ImageLuma16(grey) => grey.into_raw(),
        DynamicImage::ImageLumaA16(grey) => grey.pixels().map(|pixel| pixel.0[0]).collect(),
        _ => return Err(ImageError::NotGrey { name }),
    };
    Ok(LabelMap { width, height, values })
}
