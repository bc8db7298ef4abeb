//! Parts of images, flips and shifts.

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

/// The image with top and bottom exchanged.
pub fn flip_vertical(image: &RgbImage) -> RgbImage {
    image::imageops::flip_vertical(image)
}

/// The image moved by so many pixels, less than it has, to the right and down (negative: to the left
/// and up); what moves in is mirrored at the border, whose own pixels come once.
///
/// # Panics
/// When it is moved by as much as its width or height, or more.
pub fn shift_mirrored(image: &RgbImage, right: i64, down: i64) -> RgbImage {
    let source = |length: u32, by: i64| -> Vec<u32> {
        let last = i64::from(length) - 1;
        (0..=last).map(|place| (last - (last - (place - by).abs()).abs()) as u32).collect()
    };
    let (columns, rows) = (source(image.width(), right), source(image.height(), down));
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        *image.get_pixel(columns[x as usize], rows[y as usize])
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn what_moves_in_is_mirrored() {
        let image = RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8, y as u8, 0]));
        let moved = shift_mirrored(&image, 2, -1);
        let columns: Vec<u8> = (0..5).map(|x| moved[(x, 0)].0[0]).collect();
        let rows: Vec<u8> = (0..4).map(|y| moved[(0, y)].0[1]).collect();
        assert_eq!((columns, rows), (vec![2, 1, 0, 1, 2], vec![1, 2, 3, 2]));
        assert_eq!(shift_mirrored(&image, 0, 0), image);
        assert_eq!(shift_mirrored(&RgbImage::new(1, 1), 0, 0).dimensions(), (1, 1));
    }
}
