//! Pixels in memory against the same pixels in a file.

use std::path::Path;

use efficientad_images::{
    DecodeOptions, ImageError, Limits, PixelFormat, PixelsView, RgbImage, load, used_bits,
};
use image::{ImageBuffer, Luma, Rgb, Rgba};

const WIDTH: u32 = 5;
const HEIGHT: u32 = 3;

fn saved<P>(folder: &Path, samples: &[P::Subpixel], options: &DecodeOptions) -> RgbImage
where
    P: image::PixelWithColorType,
    [P::Subpixel]: image::EncodableLayout,
{
    let path = folder.join("photo.png");
    let image = ImageBuffer::<P, _>::from_raw(WIDTH, HEIGHT, samples.to_vec()).expect("fits");
    image.save(&path).expect("written");
    load(&path, options).expect("readable")
}

fn bytes(channels: u32) -> Vec<u8> {
    (0..WIDTH * HEIGHT * channels).map(|i| (i * 37 % 256) as u8).collect()
}

fn swapped(samples: &[u8], channels: usize) -> Vec<u8> {
    let mut samples = samples.to_vec();
    samples.chunks_mut(channels).for_each(|pixel| pixel.swap(0, 2));
    samples
}

/// The view gives the same photo packed and with rows further apart, the last of them short.
fn assert_both(data: &[u8], format: PixelFormat, options: &DecodeOptions, expected: &RgbImage) {
    let packed = PixelsView::packed(data, WIDTH, HEIGHT, format);
    assert_eq!(&packed.to_rgb(options).expect("packed"), expected, "{format:?}");
    let row = WIDTH as usize * format.bytes();
    let mut apart: Vec<u8> = data.chunks(row).flat_map(|row| [row, &[200; 7]].concat()).collect();
    apart.truncate(apart.len() - 7);
    let apart = PixelsView { data: &apart, width: WIDTH, height: HEIGHT, stride: row + 7, format };
    assert_eq!(&apart.to_rgb(options).expect("with a stride"), expected, "{format:?}");
}

#[test]
fn every_format_is_that_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DecodeOptions::default();
    let grey = bytes(1);
    let expected = saved::<Luma<u8>>(folder.path(), &grey, &options);
    assert_both(&grey, PixelFormat::Gray8, &options, &expected);
    let rgb = bytes(3);
    let expected = saved::<Rgb<u8>>(folder.path(), &rgb, &options);
    assert_both(&rgb, PixelFormat::Rgb8, &options, &expected);
    assert_both(&swapped(&rgb, 3), PixelFormat::Bgr8, &options, &expected);
    let rgba = bytes(4);
    let expected = saved::<Rgba<u8>>(folder.path(), &rgba, &options);
    assert_both(&rgba, PixelFormat::Rgba8, &options, &expected);
    assert_both(&swapped(&rgba, 4), PixelFormat::Bgra8, &options, &expected);
}

#[test]
fn sixteen_bits_are_those_of_a_file_with_and_without_stated_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut found = Vec::new();
    for (bits, step) in [(None, 4_600), (Some(12), 280), (Some(16), 4_600), (Some(10), 70)] {
        let options = DecodeOptions { bits, ..DecodeOptions::default() };
        let samples: Vec<u16> = (0..WIDTH * HEIGHT).map(|i| (i * step) as u16).collect();
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        let expected = saved::<Luma<u16>>(folder.path(), &samples, &options);
        assert_both(&data, PixelFormat::Gray16, &options, &expected);
        let colours: Vec<u16> =
            (0..WIDTH * HEIGHT * 3).map(|i| (i / 3 * step + i % 3) as u16).collect();
        let data: Vec<u8> = colours.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        let in_colour = saved::<Rgb<u16>>(folder.path(), &colours, &options);
        assert_both(&data, PixelFormat::Rgb16, &options, &in_colour);
        found.push(expected.get_pixel(WIDTH - 1, HEIGHT - 1).0[0]);
    }
    assert_eq!(found, [251, 244, 251, 244], "of 64400, 3920, 64400 and 980");
}

#[test]
fn a_sample_above_the_stated_bits_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DecodeOptions { bits: Some(12), ..DecodeOptions::default() };
    let data: Vec<u8> = [0_u16, 4095, 4096].iter().flat_map(|v| v.to_ne_bytes()).collect();
    let error = PixelsView::packed(&data, 3, 1, PixelFormat::Gray16).to_rgb(&options);
    assert!(matches!(error, Err(ImageError::AboveBits { bits: 12, sample: 4096, .. })));
    let path = folder.path().join("bright.png");
    let samples = vec![0_u16, 4095, 1, 4096, 0, 4095];
    ImageBuffer::<Rgb<u16>, _>::from_raw(2, 1, samples).expect("fits").save(&path).expect("saved");
    let error = load(&path, &options).expect_err("above").to_string();
    assert!(error.contains("bright.png") && error.contains("4096"), "{error}");
    assert!(load(&path, &DecodeOptions { bits: Some(13), ..options }).is_ok());
    for bits in [0, 17] {
        let error = load(&path, &DecodeOptions { bits: Some(bits), ..options });
        assert!(matches!(error, Err(ImageError::UsedBits { .. })), "{error:?}");
    }
}

#[test]
fn alpha_is_no_sample_of_the_stated_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alpha.png");
    let samples = vec![4095_u16, 0, 0, 65_535];
    ImageBuffer::<Rgba<u16>, _>::from_raw(1, 1, samples).expect("fits").save(&path).expect("saved");
    let options = DecodeOptions { bits: Some(12), ..DecodeOptions::default() };
    assert_eq!(load(&path, &options).expect("readable").get_pixel(0, 0).0, [255, 0, 0]);
}

#[test]
fn a_buffer_that_does_not_hold_its_rows_is_refused() {
    let options = DecodeOptions::default();
    let data = [0; 30];
    let view =
        PixelsView { data: &data, width: 3, height: 3, stride: 10, format: PixelFormat::Rgb8 };
    assert!(view.to_rgb(&options).is_ok(), "29 bytes are enough");
    let refused = [
        PixelsView { data: &data[..28], ..view },
        PixelsView { stride: 8, ..view },
        PixelsView { stride: 11, ..view },
        PixelsView { stride: usize::MAX, ..view },
        PixelsView { width: 4, ..view },
        PixelsView { format: PixelFormat::Rgba8, ..view },
        PixelsView { data: &[], ..view },
    ];
    for view in refused {
        let error = view.to_rgb(&options);
        assert!(matches!(error, Err(ImageError::BufferTooShort { .. })), "{view:?}: {error:?}");
    }
    for view in [
        PixelsView { width: 0, ..view },
        PixelsView { height: 0, ..view },
        PixelsView { width: 0, stride: 0, ..view },
    ] {
        let error = view.to_rgb(&options);
        assert!(matches!(error, Err(ImageError::NoPixels { .. })), "{view:?}: {error:?}");
    }
    let huge = PixelsView { width: u32::MAX, height: u32::MAX, ..view };
    assert!(matches!(huge.to_rgb(&options), Err(ImageError::TooManyPixels { .. })));
    let limits = Limits { max_bytes: 26, ..Limits::default() };
    let error = view.to_rgb(&DecodeOptions { limits, ..options });
    assert!(matches!(error, Err(ImageError::TooManyBytes { .. })), "{error:?}");
}

#[test]
fn used_bits_are_those_of_the_largest_sample() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DecodeOptions::default();
    let path = folder.path().join("photo.png");
    let samples = vec![0_u16, 3000, 17, 2];
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    // Two bytes lie between the rows, and don't count.
    let data = [&data[..4], &[255, 255], &data[4..]].concat();
    let view =
        PixelsView { data: &data, width: 2, height: 2, stride: 6, format: PixelFormat::Gray16 };
    assert_eq!(view.used_bits().expect("fits"), Some(12));
    assert_eq!(PixelsView { format: PixelFormat::Gray8, ..view }.used_bits().expect("fits"), None);
    ImageBuffer::<Luma<u16>, _>::from_raw(2, 2, samples).expect("fits").save(&path).expect("saved");
    assert_eq!(used_bits(&path, &options).expect("readable"), Some(12));
    let alpha = vec![1000_u16, 1, 2, 65_535];
    ImageBuffer::<Rgba<u16>, _>::from_raw(1, 1, alpha).expect("fits").save(&path).expect("saved");
    assert_eq!(used_bits(&path, &options).expect("readable"), Some(10));
    ImageBuffer::<Luma<u8>, _>::from_raw(1, 1, vec![255])
        .expect("fits")
        .save(&path)
        .expect("saved");
    assert_eq!(used_bits(&path, &options).expect("readable"), None);
    let stated = folder.path().join("stated.pgm");
    std::fs::write(&stated, b"P5 1 1 4095 \x0f\xff").expect("written");
    assert_eq!(used_bits(&stated, &options).expect("readable"), None);
    assert_eq!(load(&stated, &options).expect("readable").get_pixel(0, 0).0, [255; 3]);
}
