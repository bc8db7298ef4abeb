//! Defect masks and label maps.

use std::path::{Path, PathBuf};

use efficientad_images::{
    Limits, MaskKind, RecognisedMask, load_labels, load_mask, recognise_mask,
};
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

/// A mask of 12×8 pixels whose defect is a rectangle; `pixel` gives the samples of a pixel.
fn drawn<P>(
    folder: &Path,
    name: &str,
    pixel: impl Fn(bool, u32) -> Vec<P::Subpixel>,
) -> RecognisedMask
where
    P: image::PixelWithColorType,
    [P::Subpixel]: image::EncodableLayout,
{
    let samples = (0..96).flat_map(|i| pixel(is_defect(i), i)).collect();
    recognise_mask(save::<P>(folder, name, 12, samples), &Limits::default()).expect("readable")
}

fn is_defect(i: u32) -> bool {
    (3..6).contains(&(i % 12)) && (2..7).contains(&(i / 12))
}

fn assert_drawn(found: RecognisedMask, kind: MaskKind) {
    assert_eq!(found.kind, kind);
    assert!(kind.is_recognised());
    let expected: Vec<bool> = (0..96).map(is_defect).collect();
    assert_eq!(found.mask.defect, expected, "{kind}");
}

#[test]
fn masks_are_told_by_their_look() {
    let folder = folder();
    let (folder, pick) = (folder.path(), |defect, yes: u8, no: u8| if defect { yes } else { no });
    let grey = |yes, no| drawn::<Luma<u8>>(folder, "grey.png", |d, _| vec![pick(d, yes, no)]);
    assert_drawn(grey(255, 0), MaskKind::WhiteOnBlack);
    assert_drawn(grey(1, 0), MaskKind::Numbers);
    assert_drawn(grey(3, 0), MaskKind::Numbers);
    assert_drawn(grey(0, 255), MaskKind::DarkOnWhite);
    let rgb = |yes: [u8; 3], no: [u8; 3]| {
        drawn::<Rgb<u8>>(folder, "rgb.png", |d, _| if d { yes.to_vec() } else { no.to_vec() })
    };
    assert_drawn(rgb([44, 160, 44], [255; 3]), MaskKind::ColourOnWhite);
    assert_drawn(rgb([255, 255, 0], [255; 3]), MaskKind::ColourOnWhite);
    assert_drawn(rgb([200, 0, 0], [0; 3]), MaskKind::ColourOnBlack);
    let alpha = |yes, no, under: [u8; 3]| {
        let pixel = |d, _| [&under[..], &[pick(d, yes, no)]].concat();
        drawn::<Rgba<u8>>(folder, "alpha.png", pixel)
    };
    assert_drawn(alpha(255, 0, [0; 3]), MaskKind::AlphaOnly);
    assert_drawn(alpha(255, 0, [255, 0, 0]), MaskKind::AlphaOnly);
    assert_drawn(alpha(0, 255, [255; 3]), MaskKind::AlphaOnly);
    assert_drawn(alpha(128, 7, [9; 3]), MaskKind::AlphaOnly);
}

#[test]
fn masks_of_16_bits_and_of_1_bit_are_told_by_their_look() {
    let folder = folder();
    let deep = |yes: u16, no: u16| {
        drawn::<Luma<u16>>(folder.path(), "deep.png", |d, _| vec![if d { yes } else { no }])
    };
    let found = deep(65_535, 0);
    assert_eq!(found.bits, 16);
    assert_drawn(found, MaskKind::WhiteOnBlack);
    assert_drawn(deep(255, 0), MaskKind::WhiteOnBlack);
    assert_drawn(deep(1, 0), MaskKind::Numbers);
    assert_drawn(deep(0, 65_535), MaskKind::DarkOnWhite);
    let alpha = |d, _| vec![0, if d { 65_535 } else { 0 }];
    assert_drawn(drawn::<LumaA<u16>>(folder.path(), "alpha.png", alpha), MaskKind::AlphaOnly);
    let rows: Vec<String> = (0..8)
        .map(|y| (0..12).map(|x| if is_defect(12 * y + x) { '0' } else { '1' }).collect())
        .collect();
    let path = folder.path().join("bits.pbm");
    std::fs::write(&path, format!("P1\n12 8\n{}\n", rows.join("\n"))).expect("written");
    let found = recognise_mask(&path, &Limits::default()).expect("readable");
    assert_drawn(found, MaskKind::WhiteOnBlack);
}

#[test]
fn noise_does_not_make_defects() {
    let folder = folder();
    let noise = |i: u32| (i * 7 % 20) as u8;
    let on_black = |d, i| vec![if d { 255 - noise(i) } else { noise(i) }];
    assert_drawn(drawn::<Luma<u8>>(folder.path(), "a.png", on_black), MaskKind::NoisyOnBlack);
    let on_white = |d, i| vec![if d { noise(i) } else { 255 - noise(i) }];
    assert_drawn(drawn::<Luma<u8>>(folder.path(), "b.png", on_white), MaskKind::NoisyOnWhite);
    let red = |d, i| if d { vec![230 - noise(i), noise(i), 9] } else { vec![255 - noise(i); 3] };
    assert_drawn(drawn::<Rgb<u8>>(folder.path(), "c.png", red), MaskKind::NoisyOnWhite);
    let photo = |_, i: u32| vec![(i * 2 + 40) as u8];
    let found = drawn::<Luma<u8>>(folder.path(), "d.png", photo);
    assert!(!found.kind.is_recognised(), "{}", found.kind);

    let jpeg = folder.path().join("mask.jpg");
    let picture = image::RgbImage::from_fn(64, 64, |x, y| {
        Rgb([if (20..40).contains(&x) && (8..30).contains(&y) { 255 } else { 0 }; 3])
    });
    std::fs::write(&jpeg, efficientad_images::picture::encode_jpeg(&picture, 40).expect("encoded"))
        .expect("written");
    let found = recognise_mask(&jpeg, &Limits::default()).expect("readable");
    assert_eq!(found.kind, MaskKind::NoisyOnBlack);
    let count = found.mask.defect.iter().filter(|&&defect| defect).count();
    assert_eq!(count, 20 * 22, "pixels");
}

#[test]
fn masks_of_one_value_are_named_so() {
    let folder = folder();
    for (value, kind) in [(0, MaskKind::Blank), (255, MaskKind::Full), (1, MaskKind::Full)] {
        let found = drawn::<Luma<u8>>(folder.path(), "one.png", |_, _| vec![value]);
        assert_eq!(found.kind, kind);
        assert_eq!(found.mask.defect, vec![value > 0; 96]);
    }
}
