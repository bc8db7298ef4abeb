//! Pillow's brightness, contrast, saturation and grey, bit for bit.
//!
//! Each change mixes the image with a degenerate one: black, flat grey, or its own grey version.
//! The mix is `degenerate + factor · (image − degenerate)` in single precision, its fraction cut
//! off; outside the factors 0 to 1 it is also clipped to 0–255. These are Pillow's
//! `ImageEnhance.Brightness`, `Contrast` and `Color`, which torchvision's `adjust_brightness`,
//! `adjust_contrast` and `adjust_saturation` call on Pillow images. Factors are finite; 1 changes
//! nothing.

use image::RgbImage;

/// Brighter (`factor` > 1) or darker: mixed with black.
pub fn adjust_brightness(image: &RgbImage, factor: f32) -> RgbImage {
    blend_with_level(image, 0, factor)
}

/// More (`factor` > 1) or less contrast: mixed with the rounded mean of the grey image.
pub fn adjust_contrast(image: &RgbImage, factor: f32) -> RgbImage {
    blend_with_level(image, mean_grey(image), factor)
}

/// More (`factor` > 1) or less colourful: each pixel mixed with its own grey.
pub fn adjust_saturation(image: &RgbImage, factor: f32) -> RgbImage {
    let tables: Vec<_> = (0..=255).map(|grey| blend_table(grey, factor)).collect();
    map_pixels(image, |pixel| {
        let table = &tables[usize::from(grey(pixel))];
        pixel.map(|sample| table[usize::from(sample)])
    })
}

/// Without colour: Pillow's `convert("L")` (ITU-R 601 luma) in all three channels.
pub fn to_grayscale(image: &RgbImage) -> RgbImage {
    map_pixels(image, |pixel| [grey(pixel); 3])
}

/// ITU-R 601 luma (0.299 red, 0.587 green, 0.114 blue) in 16-bit fixed point, rounded half up.
fn grey([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}

/// The mean of the grey image, rounded half up; 0 for an image without pixels.
fn mean_grey(image: &RgbImage) -> u8 {
    let (pixels, _) = image.as_chunks::<3>();
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(grey(pixel))).sum();
    (sum as f64 / pixels.len().max(1) as f64 + 0.5) as u8
}

fn blend_with_level(image: &RgbImage, level: u8, factor: f32) -> RgbImage {
    let table = blend_table(level, factor);
    map_pixels(image, |pixel| pixel.map(|sample| table[usize::from(sample)]))
}

/// What each sample becomes when mixed with `degenerate`.
fn blend_table(degenerate: u8, factor: f32) -> [u8; 256] {
    std::array::from_fn(|sample| blend(degenerate, sample as u8, factor))
}

/// The cast cuts off the fraction and clips, and inside 0 to 1 nothing needs clipping.
fn blend(degenerate: u8, sample: u8, factor: f32) -> u8 {
    let (degenerate, sample) = (f32::from(degenerate), f32::from(sample));
    (degenerate + factor * (sample - degenerate)) as u8
}

fn map_pixels(image: &RgbImage, change: impl Fn([u8; 3]) -> [u8; 3]) -> RgbImage {
    let mut changed = RgbImage::new(image.width(), image.height());
    let (source, _) = image.as_chunks::<3>();
    let (target, _) = changed.as_chunks_mut::<3>();
    for (new, &old) in target.iter_mut().zip(source) {
        *new = change(old);
    }
    changed
}
