//! Pillow's antialiased bilinear resize, bit for bit.
//!
//! The definition is that of `Image.resize(size, BILINEAR)` for 8-bit images in Pillow up to 12.0,
//! on which the published teachers and scores rest: a triangle filter, widened by the scale when
//! shrinking; weights normalised in double precision and rounded to 22-bit fixed point; a
//! horizontal pass, then a vertical one, each rounding its sums half up to 8 bits. A pass that
//! would not change the size is left out.
//!
//! Later versions make the vertical pass first at some sizes: 12.3 when shrinking images more than
//! 100 times as high as wide, 13.0 more often (800×1600 to 256×256 is such a size; 1024×1024,
//! 1600×1280 and 1000×1200 are not). There up to about a quarter of the values differ, by one level.

use image::RgbImage;

/// Fraction bits of a weight: 32 less 8 for the sample and 2 for the sign and overshoot.
const FRACTION_BITS: u32 = 22;
const HALF: u32 = 1 << (FRACTION_BITS - 1);
const CHANNELS: usize = 3;

/// Resizes to `width × height` pixels, the aspect ratio ignored, identically to Pillow's
/// `image.resize((width, height), Image.Resampling.BILINEAR)`.
///
/// # Panics
/// When `width` or `height` is 0, the image has no pixels, or the result exceeds the address space.
pub fn resize_bilinear(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    assert!(
        width > 0 && height > 0 && image.width() > 0 && image.height() > 0,
        "cannot resize {}×{} to {width}×{height} pixels",
        image.width(),
        image.height()
    );
    match (image.width() == width, image.height() == height) {
        (true, true) => image.clone(),
        (true, false) => resize_rows(image, height),
        (false, true) => resize_columns(image, width),
        (false, false) => resize_rows(&resize_columns(image, width), height),
    }
}

/// The source samples that make up one target sample, with their fixed-point weights.
struct Window {
    first: usize,
    weights: Vec<u32>,
}

fn windows(source: u32, target: u32) -> Vec<Window> {
    let scale = f64::from(source) / f64::from(target);
    (0..target).map(|index| window(source, scale, (f64::from(index) + 0.5) * scale)).collect()
}

/// The window around `centre`, in source samples; `scale` is source size by target size.
fn window(source: u32, scale: f64, centre: f64) -> Window {
    let support = scale.max(1.0);
    let per_support = 1.0 / support;
    let first = (centre - support + 0.5) as u32;
    let end = ((centre + support + 0.5) as u32).min(source);
    let triangle = |index: u32| {
        let distance = (f64::from(index) - centre + 0.5) * per_support;
        (1.0 - distance.abs()).max(0.0)
    };
    let sum: f64 = (first..end).map(triangle).sum();
    let one = f64::from(1_u32 << FRACTION_BITS);
    Window {
        first: first as usize,
        weights: (first..end).map(|index| (0.5 + triangle(index) / sum * one) as u32).collect(),
    }
}

fn resize_columns(image: &RgbImage, width: u32) -> RgbImage {
    let windows = windows(image.width(), width);
    let mut resized = RgbImage::new(width, image.height());
    let source_rows = image.chunks_exact(row_length(image));
    let target_rows = resized.chunks_exact_mut(width as usize * CHANNELS);
    for (source, target) in source_rows.zip(target_rows) {
        let (source, _) = source.as_chunks::<CHANNELS>();
        let (target, _) = target.as_chunks_mut::<CHANNELS>();
        for (pixel, window) in target.iter_mut().zip(&windows) {
            *pixel = weighted_pixel(&source[window.first..], &window.weights);
        }
    }
    resized
}

fn weighted_pixel(source: &[[u8; CHANNELS]], weights: &[u32]) -> [u8; CHANNELS] {
    let mut sums = [HALF; CHANNELS];
    for (pixel, weight) in source.iter().zip(weights) {
        for (sum, &sample) in sums.iter_mut().zip(pixel) {
            *sum += weight * u32::from(sample);
        }
    }
    sums.map(to_byte)
}

fn resize_rows(image: &RgbImage, height: u32) -> RgbImage {
    let windows = windows(image.height(), height);
    let length = row_length(image);
    let mut resized = RgbImage::new(image.width(), height);
    let mut sums = vec![HALF; length];
    for (target, window) in resized.chunks_exact_mut(length).zip(&windows) {
        sums.fill(HALF);
        let source = image.chunks_exact(length).skip(window.first);
        for (row, &weight) in source.zip(&window.weights) {
            add_weighted(&mut sums, row, weight);
        }
        for (byte, &sum) in target.iter_mut().zip(&sums) {
            *byte = to_byte(sum);
        }
    }
    resized
}

fn add_weighted(sums: &mut [u32], row: &[u8], weight: u32) {
    for (sum, &sample) in sums.iter_mut().zip(row) {
        *sum += weight * u32::from(sample);
    }
}

fn to_byte(sum: u32) -> u8 {
    (sum >> FRACTION_BITS).min(255) as u8
}

fn row_length(image: &RgbImage) -> usize {
    image.width() as usize * CHANNELS
}
