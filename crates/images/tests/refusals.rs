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
    DecodeOptions {
        limits: Limits { max_pixels, max_bytes, ..Limits::default() },
        ..DecodeOptions::default()
    }
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
    for name in ["float.tif", "rgb.gif"] {
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

#[test]
fn a_long_side_is_refused_until_its_limit_is_raised() {
    let bytes = png_header(100_000, 1);
    let error = decode(&bytes, "line.png", &DecodeOptions::default()).expect_err("too long");
    assert!(
        matches!(error, ImageError::SideTooLong { width: 100_000, max_side: 65_535, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("Limits::max_side"), "{error}");
    let limits = Limits { max_side: 100_000, ..Limits::default() };
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    let error = decode(&bytes, "line.png", &options).expect_err("it holds no pixels");
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
}

#[test]
fn a_line_scan_is_accepted_when_the_limit_is_raised() {
    let bytes = png_header(16_384, 16_384);
    let error = decode(&bytes, "scan.png", &DecodeOptions::default()).expect_err("too large");
    assert!(error.to_string().contains("Limits::max_pixels"), "{error}");
    // The limits let the pixels pass: what is refused is that there are none.
    let error = decode(&bytes, "scan.png", &within(1 << 28, 1 << 30)).expect_err("no pixels");
    assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
}

#[test]
fn a_webp_chunk_that_is_not_there_is_refused() {
    let mut bytes = b"RIFF\x34\0\0\0WEBPVP8X\x0a\0\0\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(b"EXIF\xF0\xFF\xFF\xFFMM\0*\0\0\0\x08");
    bytes.resize(60, 0);
    let exif = DecodeOptions {
        orientation: efficientad_images::Orientation::FromExif,
        ..within(99, 1 << 30)
    };
    for options in [DecodeOptions::default(), exif] {
        let error = decode(&bytes, "claims.webp", &options).expect_err("4 GiB are not there");
        assert!(matches!(error, ImageError::Corrupt { .. }), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_sockets_are_refused_without_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket.png");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    assert!(matches!(refuse(&socket), ImageError::NotAFile { .. }));
    assert!(matches!(refuse(Path::new("/dev/zero")), ImageError::NotAFile { .. }));
    let pipe = folder.path().join("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    assert!(matches!(refuse(&pipe), ImageError::NotAFile { .. }));
    let error = efficientad_images::MarkedArea::open(&pipe).expect_err("a pipe").to_string();
    assert!(error.contains("pipe.json") && error.contains("a pipe or a socket"), "{error}");
}

#[test]
fn floats_are_read_within_a_stated_range() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("map.tif");
    let values = [-2.0, -1.0, 0.0, 1.0, 2.0, 2.0];
    let map = efficientad_images::MapView::new(&values, 3, 2).expect("a map");
    efficientad_images::float_tiff::save_float_tiff(&path, map).expect("written");
    let error = refuse(&path).to_string();
    assert!(error.contains("DecodeOptions::range"), "{error}");
    let options =
        |low, high| DecodeOptions { range: Some((low, high)), ..DecodeOptions::default() };
    let photo = load(&path, &options(-2.0, 2.0)).expect("readable");
    let grey: Vec<u8> = photo.pixels().map(|pixel| pixel.0[0]).collect();
    assert_eq!(grey, [0, 64, 128, 191, 255, 255]);
    let error = load(&path, &options(-2.0, 1.5)).expect_err("2 is outside");
    assert!(matches!(error, ImageError::OutsideRange { sample: 2.0, .. }), "{error}");
    let error = load(&path, &options(1.0, 1.0)).expect_err("an empty range");
    assert!(matches!(error, ImageError::FloatRange { .. }), "{error}");
}

/// A little-endian TIFF file of these tags (tag, type, count, value), filled up to a length.
fn tiff(tags: &[(u16, u16, u32, u32)], length: usize) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for &(tag, kind, count, value) in tags {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].as_flattened());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].as_flattened());
    }
    bytes.resize(length, 0);
    bytes
}

#[test]
fn tiles_that_take_as_good_as_forever_are_refused() {
    let refusal = |bytes: Vec<u8>| {
        decode(&bytes, "a.tif", &DecodeOptions::default()).expect_err("refused").to_string()
    };
    let (column, grey) = ([(256, 4, 1, 1), (257, 4, 1, 65_535)], [(258, 3, 1, 8), (262, 3, 1, 1)]);
    let tiles = |offsets| [(322, 4, 1, 65_536), (323, 4, 1, 16), offsets, (325, 4, 1, 1)];
    let wide = refusal(tiff(&[&column[..], &grey, &tiles((324, 4, 1, 8))].concat(), 200));
    assert!(wide.contains("tiles are far larger than the picture"), "{wide}");
    let count = (1 << 24) + 1;
    let many = [&column[..], &grey, &tiles((324, 1, count, 0))].concat();
    let many = refusal(tiff(&many, count as usize));
    assert!(many.contains("tag 324 holds too many numbers"), "{many}");
}
