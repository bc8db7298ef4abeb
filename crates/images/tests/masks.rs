//! Defect masks and label maps.

use std::path::{Path, PathBuf};

use efficientad_images::{load_labels, load_mask};
use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn save<P>(folder: &Path, name: &str, width: u32, samples: Vec<P::Subpixel>) -> PathBuf
where
    P: image::PixelWithColorType,
    [P::Subpixel]: image::EncodableLayout,
{
    let path = folder.join(name);
    let height = samples.len() as u32 / width / u32::from(P::CHANNEL_COUNT);
    ImageBuffer::<P, _>::from_raw(width, height, samples)
        .expect("the length matches")
        .save(&path)
        .expect("written");
    path
}

#[test]
fn a_mask_is_what_reaches_the_threshold() {
    let folder = folder();
    let path = save::<Luma<u8>>(folder.path(), "grey.png", 3, vec![0, 127, 128, 255, 1, 129]);
    let mask = load_mask(&path, 128).expect("readable");
    assert_eq!((mask.width, mask.height), (3, 2));
    assert_eq!(mask.defect, [false, false, true, true, false, true]);
    let numbered = load_mask(&path, 1).expect("readable");
    assert_eq!(numbered.defect, [false, true, true, true, true, true]);
}

#[test]
fn any_colour_marks_a_defect_but_alpha_does_not() {
    let folder = folder();
    let samples = vec![0, 0, 200, 200, 0, 0, 0, 200, 0, 99, 99, 99];
    let colours = save::<Rgb<u8>>(folder.path(), "rgb.png", 4, samples);
    let mask = load_mask(colours, 128).expect("readable");
    assert_eq!(mask.defect, [true, true, true, false]);
    let samples = vec![0, 0, 0, 255, 0, 0, 255, 0];
    let alpha = save::<Rgba<u8>>(folder.path(), "rgba.png", 2, samples);
    let mask = load_mask(alpha, 128).expect("readable");
    assert_eq!(mask.defect, [false, true]);
}

#[test]
fn sixteen_bit_masks_count_by_their_high_byte() {
    let folder = folder();
    let samples = vec![0, 0x7FFF, 0x8000, 0xFFFF];
    let path = save::<Luma<u16>>(folder.path(), "grey16.png", 2, samples);
    let mask = load_mask(path, 128).expect("readable");
    assert_eq!(mask.defect, [false, false, true, true]);
}

#[test]
fn labels_keep_their_values() {
    let folder = folder();
    let small = save::<Luma<u8>>(folder.path(), "small.png", 2, vec![0, 241, 255, 7]);
    let labels = load_labels(small).expect("readable");
    assert_eq!((labels.width, labels.height), (2, 2));
    assert_eq!(labels.values, [0, 241, 255, 7]);
    let large = save::<Luma<u16>>(folder.path(), "large.png", 1, vec![0, 300, 65_535]);
    let labels = load_labels(large).expect("readable");
    assert_eq!((labels.width, labels.height), (1, 3));
    assert_eq!(labels.values, [0, 300, 65_535]);
    let alpha = save::<LumaA<u16>>(folder.path(), "alpha.png", 2, vec![300, 1, 400, 2]);
    assert_eq!(load_labels(alpha).expect("readable").values, [300, 400]);
    let alpha = save::<LumaA<u8>>(folder.path(), "alpha8.png", 2, vec![30, 1, 40, 2]);
    assert_eq!(load_labels(alpha).expect("readable").values, [30, 40]);
}
