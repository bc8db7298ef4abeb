//! Photos as the networks read them.

use efficientad_engine::{INPUT_MEAN, INPUT_STD, Shape, Tensor};
use efficientad_images::RgbImage;

/// One image: 1 × height × width × 3, scaled to [0, 1] and normalised by ImageNet's statistics.
pub(crate) fn normalized(image: &RgbImage) -> Tensor {
    let (width, height) = image.dimensions();
    let shape = Shape { images: 1, height: height as usize, width: width as usize, channels: 3 };
    let mut tensor = Tensor::zeros(shape);
    write_normalized(image, tensor.data_mut());
    tensor
}

/// Writes an image as [`normalized`] does.
///
/// # Panics
/// When lengths differ.
pub(crate) fn write_normalized(image: &RgbImage, target: &mut [f32]) {
    let pixels = image.as_raw();
    assert_eq!(pixels.len(), target.len());
    for (target, pixel) in target.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
        for channel in 0..3 {
            target[channel] =
                (f32::from(pixel[channel]) / 255.0 - INPUT_MEAN[channel]) / INPUT_STD[channel];
        }
    }
}
