//! An anomaly map drawn over its photo, with the ground truth beside or around it.

use image::{Rgb, RgbImage};

use crate::error::PictureError;
use crate::map_view::{MapView, check_length};
use crate::mask::Mask;

/// How opaque the strongest anomaly is drawn, of 255; the photo stays visible below it.
const STRONGEST: u32 = 191;
const OUTLINE: Rgb<u8> = Rgb([0, 230, 255]);
const GAP: u32 = 4;
const WHITE: Rgb<u8> = Rgb([255; 3]);

/// Equidistant colours from the second to the seventh eighth of matplotlib's "inferno" (public
/// domain): lightness rises evenly, so that a stronger anomaly also looks stronger, to colour-blind
/// eyes and in black and white too. Its nearly black start would not show on dark parts, its nearly
/// white end not on bright ones.
const SCALE: [[f32; 3]; 6] = [
    [85.0, 15.0, 109.0],
    [136.0, 34.0, 106.0],
    [186.0, 54.0, 85.0],
    [227.0, 89.0, 51.0],
    [249.0, 140.0, 10.0],
    [249.0, 201.0, 50.0],
];

/// The anomaly values at the two ends of the colour scale, in the map's own unit.
///
/// Take the same range for all pictures that are to be compared: a range fitted to each picture
/// makes good parts look defective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// Drawn as nothing, like all below it.
    pub low: f32,
    /// Drawn brightest, like all above it.
    pub high: f32,
}

impl ValueRange {
    fn check(self) -> Result<(), PictureError> {
        let Self { low, high } = self;
        if low < high && low.is_finite() && high.is_finite() {
            Ok(())
        } else {
            Err(PictureError::EmptyRange { low, high })
        }
    }

    /// Where `value` lies between the ends, 0 to 255.
    fn level(self, value: f32) -> u8 {
        let (low, value) = (f64::from(self.low), f64::from(value));
        ((value - low) / (f64::from(self.high) - low) * 255.0 + 0.5) as u8
    }
}

/// The colour at a place of the scale, 0 (violet) to 1 (yellow), clipped to these.
pub fn color(position: f32) -> [u8; 3] {
    let at = position.clamp(0.0, 1.0) * (SCALE.len() - 1) as f32;
    let below = (at as usize).min(SCALE.len() - 2);
    let share = at - below as f32;
    std::array::from_fn(|channel| {
        let (from, to) = (SCALE[below][channel], SCALE[below + 1][channel]);
        (from + (to - from) * share).round() as u8
    })
}

/// Draws the map over a photo of the same size: from not at all at `range.low` to three quarters
/// opaque at `range.high`.
///
/// # Errors
/// [`PictureError::SizeMismatch`] and [`PictureError::EmptyRange`].
pub fn overlay(
    photo: &RgbImage,
    map: MapView<'_>,
    range: ValueRange,
) -> Result<RgbImage, PictureError> {
    check_size(map.dimensions(), photo)?;
    range.check()?;
    let colors: [[u8; 3]; 256] = std::array::from_fn(|level| color(level as f32 / 255.0));
    let mut picture = photo.clone();
    for (pixel, &value) in picture.pixels_mut().zip(map.values()) {
        let level = range.level(value);
        let opacity = u32::from(level) * STRONGEST / 255;
        for (sample, heat) in pixel.0.iter_mut().zip(colors[usize::from(level)]) {
            *sample = lay_over(*sample, heat, opacity);
        }
    }
    Ok(picture)
}

/// Draws a line around each defect of the ground truth, just outside of it, 1 pixel wide for each
/// 256 pixels of the picture's shorter side, at least 1.
///
/// # Errors
/// [`PictureError::SizeMismatch`], and [`PictureError::MapLength`] for a mask at odds with itself.
pub fn outline(picture: &mut RgbImage, mask: &Mask) -> Result<(), PictureError> {
    check_size((mask.width, mask.height), picture)?;
    check_length(mask.defect.len(), mask.width, mask.height)?;
    let reach = (mask.width.min(mask.height) / 256).max(1) as usize;
    let wider = dilate(mask, reach);
    let around = wider.iter().zip(&mask.defect);
    for (pixel, (&near, &inside)) in picture.pixels_mut().zip(around) {
        if near && !inside {
            *pixel = OUTLINE;
        }
    }
    Ok(())
}

/// The ground truth as a picture: defects white on black.
///
/// # Errors
/// [`PictureError::MapLength`] for a mask at odds with itself.
pub fn mask_picture(mask: &Mask) -> Result<RgbImage, PictureError> {
    check_length(mask.defect.len(), mask.width, mask.height)?;
    let mut picture = RgbImage::new(mask.width, mask.height);
    for (pixel, &defect) in picture.pixels_mut().zip(&mask.defect) {
        if defect {
            *pixel = WHITE;
        }
    }
    Ok(picture)
}

/// Puts pictures beside each other, left to right with a white gap, their tops aligned; for example
/// photo, overlay and mask.
pub fn side_by_side(pictures: &[&RgbImage]) -> RgbImage {
    let width: u32 = pictures.iter().map(|picture| picture.width()).sum();
    let gaps = GAP * pictures.len().saturating_sub(1) as u32;
    let height = pictures.iter().map(|picture| picture.height()).max();
    let mut sheet = RgbImage::from_pixel(width + gaps, height.unwrap_or(0), WHITE);
    let mut left = 0;
    for picture in pictures {
        image::imageops::replace(&mut sheet, *picture, left, 0);
        left += i64::from(picture.width() + GAP);
    }
    sheet
}

fn check_size(found: (u32, u32), photo: &RgbImage) -> Result<(), PictureError> {
    let (width, height) = photo.dimensions();
    if found == (width, height) {
        return Ok(());
    }
    Err(PictureError::SizeMismatch { found_width: found.0, found_height: found.1, width, height })
}

/// Mixes two samples, rounded; `opacity` is that of the upper one, of 255.
fn lay_over(below: u8, above: u8, opacity: u32) -> u8 {
    let sum = u32::from(below) * (255 - opacity) + u32::from(above) * opacity;
    ((sum + 127) / 255) as u8
}

/// Marks every pixel with a defect in the square of `reach` pixels around it.
fn dilate(mask: &Mask, reach: usize) -> Vec<bool> {
    let (width, height) = (mask.width as usize, mask.height as usize);
    if mask.defect.is_empty() {
        return Vec::new();
    }
    let wider = transpose(&dilate_rows(&mask.defect, width, reach), width);
    transpose(&dilate_rows(&wider, height, reach), height)
}

/// Marks every place within `reach` of a marked place of the same row.
fn dilate_rows(marked: &[bool], width: usize, reach: usize) -> Vec<bool> {
    let mut wider = vec![false; marked.len()];
    for (row, wide) in marked.chunks(width).zip(wider.chunks_mut(width)) {
        for (x, _) in row.iter().enumerate().filter(|&(_, &mark)| mark) {
            let end = (x + reach + 1).min(width);
            wide[x.saturating_sub(reach)..end].fill(true);
        }
    }
    wider
}

fn transpose(marked: &[bool], width: usize) -> Vec<bool> {
    (0..width).flat_map(|x| marked.iter().skip(x).step_by(width).copied()).collect()
}
