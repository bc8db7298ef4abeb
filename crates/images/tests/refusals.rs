//! What must be refused, each cause by its own error.

use std::fs;
use std::path::{Path, PathBuf};

use efficientad_images::{
    DecodeOptions, ImageError, Limits, RgbImage, decode, load, load_labels, picture,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)
}

fn refuse(path: &Path) -> ImageError {
    load(path, &DecodeOptions::default()).expect_err("this must be refused")
}

fn within(max_pixels: u64, max_bytes: u64) -> DecodeOptions {
    DecodeOptions { limits: Limits { max_pixels, max_bytes }, ..DecodeOptions::default() }
}

/// A PNG file that announces `width × height` RGB pixels and holds none.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc32fast::hash(&header).to_be_bytes());
    let data = b"IDAT\x78\x9c";
    bytes.extend(2_u32.to_be_bytes());
    bytes.extend(data);
    bytes.extend(crc32fast::hash(data).to_be_bytes());
    bytes
}

#[test]
fn a_huge_header_is_refused_by_its_pixels() {
    let error = decode(&png_header(60_000, 60_000), "huge.png", &DecodeOptions::default())
        .expect_err("too large");
    assert!(
        matches!(error, ImageError::TooManyPixels { width: 60_000, height: 60_000, max_pixels, .. }
            if max_pixels == Limits::default().max_pixels),
        "{error}"
    );
    let message = error.to_string();
    assert!(message.starts_with("huge.png: has 60000×60000 pixels"), "{message}");
}

#[test]
fn a_huge_header_is_refused_by_its_bytes() {
    let error = decode(&png_header(60_000, 60_000), "huge.png", &within(u64::MAX, 1 << 30))
        .expect_err("too large");
    assert!(
        matches!(error, ImageError::TooManyBytes { max_bytes, .. } if max_bytes == 1 << 30),
        "{error}"
    );
}

#[test]
fn huge_headers_of_the_other_formats_are_refused() {
    let mut bmp = fs::read(fixture("rgb.bmp")).expect("a fixture");
    bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    let mut jpeg = fs::read(fixture("rgb.jpg")).expect("a fixture");
    let frame = jpeg.windows(2).position(|two| two == [0xFF, 0xC0]).expect("a frame header");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    for (name, bytes) in [("huge.bmp", bmp), ("huge.jpg", jpeg)] {
        let error = decode(&bytes, name, &DecodeOptions::default()).expect_err("too large");
        assert!(
            matches!(error, ImageError::TooManyPixels { width: 60_000, height: 60_000, .. }),
            "{error}"
        );
    }
}

#[test]
fn limits_are_inclusive() {
    let bytes = fs::read(fixture("rgb.png")).expect("a fixture");
    let size = bytes.len() as u64;
    decode(&bytes, "7×5", &within(35, 1 << 20)).expect("35 pixels are within the limit");
    let error = decode(&bytes, "7×5", &within(34, 1 << 20)).expect_err("over the limit");
    assert!(matches!(error, ImageError::TooManyPixels { max_pixels: 34, .. }), "{error}");
    load(fixture("rgb.png"), &within(35, size)).expect("the file is within the limit");
    let error = load(fixture("rgb.png"), &within(35, size - 1)).expect_err("over the limit");
    assert!(matches!(error, ImageError::TooManyBytes { .. }), "{error}");
}

#[test]
fn what_is_not_an_image_is_named_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.jpg");
    fs::write(&text, "part 17 looks fine to me").expect("written");
    let error = refuse(&text);
    assert!(matches!(error, ImageError::NotAnImage { .. }), "{error}");
    assert!(error.to_string().contains("notes.jpg"), "{error}");

    let empty = folder.path().join("empty.png");
    fs::write(&empty, "").expect("written");
    assert!(matches!(refuse(&empty), ImageError::Empty { .. }));
    assert!(matches!(refuse(folder.path()), ImageError::IsFolder { .. }));
    let missing = folder.path().join("missing.png");
    assert!(matches!(refuse(&missing), ImageError::Read { source, .. }
        if source.kind() == std::io::ErrorKind::NotFound));
}

#[test]
fn the_content_tells_the_format() {
    let folder = tempfile::tempdir().expect("a folder");
    let disguised = folder.path().join("really_a_png.jpg");
    fs::copy(fixture("rgb.png"), &disguised).expect("copied");
    let options = DecodeOptions::default();
    assert_eq!(
        load(&disguised, &options).expect("a PNG file"),
        load(fixture("rgb.png"), &options).expect("a PNG file")
    );
}

#[test]
fn known_but_unread_kinds_are_unsupported() {
    for name in ["float.tif", "palette.tif", "rgb.gif"] {
        let error = refuse(&fixture(name));
        assert!(matches!(error, ImageError::Unsupported { .. }), "{name}: {error}");
    }
}

#[test]
fn a_cut_file_is_corrupt() {
    for name in ["rgb.png", "rgb.jpg", "progressive.jpg", "rgb.bmp", "rgb.tif", "rgb.webp"] {
        let bytes = fs::read(fixture(name)).expect("a fixture");
        let half = &bytes[..bytes.len() / 2];
        let error = decode(half, name, &DecodeOptions::default()).expect_err("half a file");
        assert!(matches!(error, ImageError::Corrupt { .. }), "{name}: {error}");
    }
}

#[test]
fn a_changed_png_fails_its_checksum() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("noise.png");
    let noise = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * y % 251) as u8; 3]));
    picture::save_png(&path, &noise).expect("written");
    let mut bytes = fs::read(&path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let error = decode(&bytes, "noise.png", &DecodeOptions::default()).expect_err("changed");
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
}

#[test]
fn a_label_map_has_one_channel() {
    for name in ["rgb.png", "rgba.png", "palette.png"] {
        let error = load_labels(fixture(name)).expect_err("it has colours");
        assert!(matches!(error, ImageError::NotGrey { .. }), "{name}: {error}");
    }
}
