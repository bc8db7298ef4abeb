//! Heat maps, PNG and float TIFF files.

use std::fs;
use std::io;
use std::path::Path;

use efficientad_images::float_tiff::{encode_float_tiff, save_float_tiff};
use efficientad_images::heatmap::{
    ValueRange, color, mask_picture, outline, overlay, side_by_side,
};
use efficientad_images::picture::{encode_png, save_png};
use efficientad_images::{DecodeOptions, MapView, Mask, PictureError, RgbImage, load};
use image::Rgb;

const RANGE: ValueRange = ValueRange { low: 1.0, high: 3.0 };
const GREY: Rgb<u8> = Rgb([100; 3]);

fn luma([red, green, blue]: [u8; 3]) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .collect::<Result<_, _>>()
        .expect("plain names");
    names.sort();
    names
}

#[test]
fn the_colour_scale_grows_lighter() {
    let steps: Vec<f32> = (0..=100).map(|step| luma(color(step as f32 / 100.0))).collect();
    assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]), "{steps:?}");
    assert_eq!(color(-1.0), color(0.0));
    assert_eq!(color(7.0), [249, 201, 50]);
}

#[test]
fn the_overlay_hides_nothing_at_low_and_shows_high() {
    let photo = RgbImage::from_pixel(5, 1, GREY);
    let values = [-9.0, 1.0, 2.0, 3.0, 99.0];
    let map = MapView::new(&values, 5, 1).expect("a map");
    let picture = overlay(&photo, map, RANGE).expect("a picture");
    let pixel = |x| *picture.get_pixel(x, 0);
    assert_eq!([pixel(0), pixel(1)], [GREY; 2]);
    assert_ne!(pixel(2), GREY);
    // 191/255 of (249, 201, 50) over 64/255 of grey 100.
    assert_eq!(pixel(3), Rgb([212, 176, 63]));
    assert_eq!(pixel(4), pixel(3));
}

#[test]
fn an_overlay_needs_a_fitting_map_and_a_range() {
    let photo = RgbImage::new(2, 2);
    let map = MapView::new(&[1.0; 4], 4, 1).expect("a map");
    let error = overlay(&photo, map, RANGE).expect_err("other size");
    assert!(matches!(error, PictureError::SizeMismatch { .. }), "{error}");
    let map = MapView::new(&[1.0; 4], 2, 2).expect("a map");
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f32::NAN, 1.0), (0.0, f32::INFINITY)] {
        let error = overlay(&photo, map, ValueRange { low, high }).expect_err("no range");
        assert!(matches!(error, PictureError::EmptyRange { .. }), "{error}");
    }
}

#[test]
fn a_map_is_complete_and_finite() {
    let error = MapView::new(&[0.0; 5], 2, 3).expect_err("a value is missing");
    assert!(matches!(error, PictureError::MapLength { found: 5, expected: 6, .. }), "{error}");
    for bad in [f32::NAN, f32::INFINITY] {
        let error = MapView::new(&[0.0, 0.0, 0.0, bad], 2, 2).expect_err("not finite");
        assert!(matches!(error, PictureError::MapNotFinite { x: 1, y: 1 }), "{error}");
    }
}

/// A mask of one defect rectangle.
fn rectangle(size: (u32, u32), columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> Mask {
    let pixels = (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x, y)));
    Mask {
        width: size.0,
        height: size.1,
        defect: pixels.map(|(x, y)| columns.contains(&x) && rows.contains(&y)).collect(),
    }
}

#[test]
fn the_outline_runs_around_the_defect() {
    let mask = rectangle((6, 5), 2..4, 0..2);
    let mut picture = RgbImage::from_pixel(6, 5, GREY);
    outline(&mut picture, &mask).expect("same size");
    let drawn: Vec<String> = picture
        .rows()
        .map(|row| row.map(|pixel| if *pixel == GREY { '.' } else { '#' }).collect())
        .collect();
    assert_eq!(drawn, [".#..#.", ".#..#.", ".####.", "......", "......"]);
}

#[test]
fn the_outline_grows_with_the_picture() {
    let mask = rectangle((512, 600), 100..200, 100..200);
    let mut picture = RgbImage::from_pixel(512, 600, GREY);
    outline(&mut picture, &mask).expect("same size");
    let changed: Vec<u32> = (0..512).filter(|&x| *picture.get_pixel(x, 150) != GREY).collect();
    assert_eq!(changed, [98, 99, 200, 201]);
}

#[test]
fn a_mask_at_odds_with_itself_is_refused() {
    let mut mask = rectangle((4, 4), 1..2, 1..2);
    mask.defect.pop();
    let error = outline(&mut RgbImage::new(4, 4), &mask).expect_err("too short");
    assert!(matches!(error, PictureError::MapLength { .. }), "{error}");
    let error = mask_picture(&mask).expect_err("too short");
    assert!(matches!(error, PictureError::MapLength { .. }), "{error}");
    let error = outline(&mut RgbImage::new(5, 4), &mask).expect_err("other size");
    assert!(matches!(error, PictureError::SizeMismatch { .. }), "{error}");
}

#[test]
fn pictures_stand_side_by_side() {
    let photo = RgbImage::from_pixel(3, 2, GREY);
    let mask = mask_picture(&rectangle((2, 4), 0..1, 0..4)).expect("a mask");
    let sheet = side_by_side(&[&photo, &mask]);
    assert_eq!(sheet.dimensions(), (3 + 4 + 2, 4));
    let row: Vec<u8> = (0..9).map(|x| sheet.get_pixel(x, 1).0[0]).collect();
    assert_eq!(row, [100, 100, 100, 255, 255, 255, 255, 255, 0]);
    assert_eq!(sheet.get_pixel(0, 3), &Rgb([255; 3]));
    assert_eq!(side_by_side(&[]).dimensions(), (0, 0));
}

#[test]
fn png_files_come_back_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("picture.png");
    let picture = RgbImage::from_fn(31, 17, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]));
    save_png(&path, &picture).expect("written");
    let back = load(&path, &DecodeOptions::default()).expect("readable");
    assert_eq!(back, picture);
    assert_eq!(names_in(folder.path()), ["picture.png"]);
    assert!(encode_png(&picture).expect("encoded") == fs::read(&path).expect("a file"));
    assert!(encode_png(&RgbImage::new(0, 3)).is_err());
}

#[test]
fn float_tiff_files_come_back_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("map.tiff");
    let values: Vec<f32> = (0..23 * 11).map(|index| (index as f32).sin() * 1e-3).collect();
    let map = MapView::new(&values, 23, 11).expect("a map");
    save_float_tiff(&path, map).expect("written");
    let file = io::BufReader::new(fs::File::open(&path).expect("a file"));
    let mut decoder = tiff::decoder::Decoder::new(file).expect("a TIFF file");
    assert_eq!(decoder.dimensions().expect("a size"), (23, 11));
    assert_eq!(decoder.colortype().expect("a kind"), tiff::ColorType::Gray(32));
    let tiff::decoder::DecodingResult::F32(back) = decoder.read_image().expect("pixels") else {
        panic!("not 32-bit float");
    };
    assert_eq!(back, values);
    assert!(encode_float_tiff(map).expect("encoded") == fs::read(&path).expect("a file"));
}

#[test]
fn nothing_is_left_of_a_picture_that_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty");
    let error = save_png(&path, &RgbImage::new(0, 3)).expect_err("no pixels");
    assert!(matches!(error, PictureError::NoPixels { .. }), "{error}");
    let map = MapView::new(&[], 0, 3).expect("an empty map");
    let error = save_float_tiff(&path, map).expect_err("no pixels");
    assert!(matches!(error, PictureError::NoPixels { .. }), "{error}");
    let missing = folder.path().join("missing/picture.png");
    let error = save_png(&missing, &RgbImage::new(2, 2)).expect_err("no such folder");
    assert!(matches!(error, PictureError::Write { .. }), "{error}");
    assert!(error.to_string().contains("missing/picture.png"), "{error}");
    assert!(names_in(folder.path()).is_empty());
}
