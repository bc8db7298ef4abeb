//! Anomaly maps as heat over the photo.

use std::io;
use std::path::Path;

use efficientad_images::heatmap::{ValueRange, outline, overlay, side_by_side};
use efficientad_images::picture::save_png;
use efficientad_images::{MapView, Mask, PictureError, RgbImage};

use crate::Judged;

/// The colour scale of a model's heat maps: nothing below half of the threshold, brightest from one
/// and a half times the threshold.
///
/// It is the same for every image, so that the pictures can be compared and good parts stay clean.
/// A model without a (positive) threshold gets 0.1 to 0.5: a map's values are scaled so that 0.1 is
/// where one good pixel in two hundred lies (paper, section 3.4).
pub fn heat_range(threshold: Option<f32>) -> ValueRange {
    match threshold {
        Some(threshold) if threshold > 0.0 => {
            ValueRange { low: 0.5 * threshold, high: 1.5 * threshold }
        }
        _ => ValueRange { low: 0.1, high: 0.5 },
    }
}

/// Writes the photo and, beside it, the overlay with the ground truth's outline.
pub(crate) fn save_comparison(
    path: &Path,
    judged: &Judged,
    range: ValueRange,
    truth: Option<&Mask>,
) -> Result<(), PictureError> {
    let heat = heat_overlay(judged, range, truth)?;
    save_png(path, &side_by_side(&[&judged.image, &heat]))
}

/// The photo with the anomaly map drawn over it, and the ground truth's outline where it is known.
///
/// # Errors
/// The map is not finite, or the ground truth has another size than the photo.
pub fn heat_overlay(
    judged: &Judged,
    range: ValueRange,
    truth: Option<&Mask>,
) -> Result<RgbImage, PictureError> {
    let mut heat = overlay(&judged.image, map_of(judged)?, range)?;
    if let Some(mask) = truth {
        outline(&mut heat, mask)?;
    }
    Ok(heat)
}

/// The map of a verdict, checked.
pub(crate) fn map_of(judged: &Judged) -> Result<MapView<'_>, PictureError> {
    let map = &judged.inspection.map;
    MapView::new(&map.values, map.width, map.height)
}

/// Makes the folder that a file is to lie in, and those above it.
pub(crate) fn make_folder_of(path: &Path) -> Result<(), PictureError> {
    path.parent().map_or(Ok(()), make_folder)
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(folder: &Path) -> Result<(), PictureError> {
    std::fs::create_dir_all(folder).map_err(|source| write_error(folder, source))
}

pub(crate) fn write_error(path: &Path, source: io::Error) -> PictureError {
    PictureError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_middle_of_the_scale() {
        let range = heat_range(Some(0.4));
        assert_eq!((range.low + range.high) / 2.0, 0.4);
        for threshold in [None, Some(0.0), Some(-1.0), Some(f32::NAN)] {
            assert_eq!(heat_range(threshold), ValueRange { low: 0.1, high: 0.5 });
        }
    }
}
