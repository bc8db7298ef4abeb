//! Resizing, jitter, grey, crop and decoding against what Pillow returned
//! (`tools/pillow_fixtures.py` writes the fixtures).

use std::path::{Path, PathBuf};

use efficientad_images::{
    DecodeOptions, ImageError, Orientation, RgbImage, adjust_brightness, adjust_contrast,
    adjust_saturation, center_crop, decode, load, resize_bilinear, to_grayscale,
};

const EXACT: &str = include_str!("fixtures/exact.txt");
const FILES: &str = include_str!("fixtures/files.txt");

/// The largest difference that two correct decoders of one lossy file may show here.
const LOSSY_TOLERANCE: u8 = 8;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)
}

/// The generated image of `source_image` in `tools/pillow_fixtures.py`.
fn source_image(kind: u32, seed: u32, width: u32, height: u32) -> RgbImage {
    if kind == 2 {
        return RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([0, 1, 2].map(|channel| (3 * x + 5 * y + 40 * channel + seed) as u8))
        });
    }
    let bytes = (0..3 * width * height)
        .map(|index| {
            let mixed = (index + seed).wrapping_mul(2_654_435_761);
            let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
            let mixed = mixed ^ (mixed >> 13);
            if kind == 0 { mixed as u8 } else { (mixed & 1) as u8 * 255 }
        })
        .collect();
    RgbImage::from_raw(width, height, bytes).expect("the length matches")
}

/// Runs every case of one operation; returns how many there were.
fn check(operation: &str, run: impl Fn(&RgbImage, &[u32]) -> RgbImage) -> usize {
    let cases = EXACT.lines().filter_map(|line| line.strip_prefix(operation)?.strip_prefix(' '));
    let mut count = 0;
    for case in cases {
        let (numbers, expected) = case.rsplit_once(' ').expect("a checksum ends the line");
        let numbers: Vec<u32> =
            numbers.split(' ').map(|number| number.parse().expect("a number")).collect();
        let source = source_image(numbers[0], numbers[1], numbers[2], numbers[3]);
        let found = crc32fast::hash(&run(&source, &numbers[4..]));
        assert_eq!(format!("{found:08x}"), expected, "{operation} {case}");
        count += 1;
    }
    count
}

#[test]
fn resize_is_pillows() {
    let count = check("resize", |image, size| resize_bilinear(image, size[0], size[1]));
    assert!(count >= 400, "{count} cases");
}

#[test]
fn jitter_is_pillows() {
    type Change = fn(&RgbImage, f32) -> RgbImage;
    let changes: [(&str, Change); 3] = [
        ("brightness", adjust_brightness),
        ("contrast", adjust_contrast),
        ("saturation", adjust_saturation),
    ];
    for (name, change) in changes {
        let count = check(name, |image, bits| change(image, f32::from_bits(bits[0])));
        assert!(count >= 60, "{count} cases of {name}");
    }
}

#[test]
fn grey_is_pillows() {
    assert_eq!(check("grey", |image, _| to_grayscale(image)), 12);
}

#[test]
fn crop_is_torchvisions() {
    let count = check("crop", |image, size| center_crop(image, size[0], size[1]));
    assert_eq!(count, 6);
}

struct FileCase {
    exact: bool,
    name: &'static str,
    image: RgbImage,
    upright_crc: u32,
}

fn file_cases() -> Vec<FileCase> {
    FILES.lines().map(file_case).collect()
}

fn file_case(line: &'static str) -> FileCase {
    let fields: Vec<&str> = line.split(' ').collect();
    let [tolerance, name, width, height, pixels, upright_crc] = fields[..] else {
        panic!("not six fields: {line}");
    };
    let pixels = (0..pixels.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&pixels[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    let size = [width, height].map(|number| number.parse().expect("a number"));
    FileCase {
        exact: tolerance == "exact",
        name,
        image: RgbImage::from_raw(size[0], size[1], pixels).expect("the length matches"),
        upright_crc: u32::from_str_radix(upright_crc, 16).expect("hexadecimal"),
    }
}

fn largest_difference(one: &RgbImage, other: &RgbImage) -> u8 {
    assert_eq!(one.dimensions(), other.dimensions());
    let pairs = one.iter().zip(other.iter());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
}

#[test]
fn every_kind_of_file_decodes_as_in_pillow() {
    for case in file_cases() {
        let decoded = load(fixture(case.name), &DecodeOptions::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let difference = largest_difference(&decoded, &case.image);
        let allowed = if case.exact { 0 } else { LOSSY_TOLERANCE };
        assert!(difference <= allowed, "{}: off by {difference}", case.name);
    }
}

#[test]
fn the_orientation_tag_is_followed_on_request() {
    let options = DecodeOptions { orientation: Orientation::FromExif, ..DecodeOptions::default() };
    for case in file_cases() {
        let upright = load(fixture(case.name), &options).unwrap_or_else(|error| panic!("{error}"));
        let turned = case.name.starts_with("turned");
        if case.exact {
            assert_eq!(crc32fast::hash(&upright), case.upright_crc, "{}", case.name);
        } else if turned {
            let expected = image::imageops::rotate90(&case.image);
            assert!(largest_difference(&upright, &expected) <= LOSSY_TOLERANCE);
        }
        assert_eq!(turned, upright.dimensions() != case.image.dimensions());
    }
}

#[test]
fn a_tiff_orientation_is_followed_only_on_request() {
    let stored = load(fixture("turned.tif"), &DecodeOptions::default()).expect("readable");
    let plain = load(fixture("rgb.tif"), &DecodeOptions::default()).expect("readable");
    assert_eq!(stored, plain);
    let options = DecodeOptions { orientation: Orientation::FromExif, ..DecodeOptions::default() };
    let upright = load(fixture("turned.tif"), &options).expect("readable");
    assert_eq!(upright, image::imageops::rotate90(&plain));
}

/// Whether a decoder neither panicked nor refused.
fn is_read(bytes: &[u8], name: &str) -> bool {
    match decode(bytes, name, &DecodeOptions::default()) {
        Err(ImageError::Undecodable { .. }) => panic!("the decoder of {name} panicked"),
        result => result.is_ok(),
    }
}

/// Files cut or changed anywhere give an image or an error, never a panic; and formats that can
/// tell must refuse what was cut.
#[test]
fn damaged_files_never_panic() {
    for case in file_cases() {
        let bytes = std::fs::read(fixture(case.name)).expect("a fixture");
        for length in 0..bytes.len() {
            let cut = is_read(&bytes[..length], case.name);
            let jpeg = case.name.ends_with(".jpg");
            if jpeg || (case.name.ends_with(".png") && length + 16 < bytes.len()) {
                assert!(!cut, "{} cut to {length} bytes", case.name);
            }
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                is_read(&changed, case.name);
            }
        }
    }
}
