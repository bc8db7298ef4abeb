//! Parts of images.

use image::RgbImage;

/// The middle `width × height` pixels, as torchvision's `CenterCrop`: an odd margin is split by
/// rounding its half to the even number, and an image smaller than the crop gets black borders.
pub fn center_crop(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let left = offset(image.width(), width);
    let top = offset(image.height(), height);
    let mut cropped = RgbImage::new(width, height);
    image::imageops::replace(&mut cropped, image, -left, -top);
    cropped
}

/// The `size` (width, height) pixels from column and row `start` on; less where the image ends.
pub fn crop_at(image: &RgbImage, start: (u32, u32), size: (u32, u32)) -> RgbImage {
    image::imageops::crop_imm(image, start.0, start.1, size.0, size.1).to_image()
}

/// The image with left and right exchanged.
pub fn flip_horizontal(image: &RgbImage) -> RgbImage {
    image::imageops::flip_horizontal(image)
}

/// Where the crop starts, in pixels of the image; negative for a border.
fn offset(size: u32, crop: u32) -> i64 {
    let margin = i64::from(size) - i64::from(crop);
    if margin < 0 {
        return -(-margin / 2);
    }
    let half = margin / 2;
    half + (margin % 2) * (half % 2)
}
