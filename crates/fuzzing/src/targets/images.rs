//! Photos of each format, and masks.

use efficientad_images::{
    DecodeOptions, ImageError, Limits, Orientation, decode, load_labels, load_mask, recognise_mask,
    used_bits,
};

use super::MIB;
use crate::target::{Memory, Target, as_it_is};
use crate::{fixtures, repair, scratch};

/// Low, so that a file which claims to be large costs little.
const LIMITS: Limits = Limits { max_pixels: 1 << 20, max_side: 65_535, max_bytes: 8 << 20 };
/// As the documentation of `Limits` states it.
const MEMORY: Memory = Memory { fixed: 4 * LIMITS.max_bytes as usize + MIB, per_byte: 0 };

const PNG: Target = Target {
    name: "png",
    parses: "photos in PNG",
    run: photo,
    seeds: || seeds(&["png"]),
    repair: repair::png,
    tokens: &[
        b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"iCCP",
        b"zTXt",
    ],
    memory: MEMORY,
    tried_in_tests: 2000,
};

/// The photos' and the masks' parsers.
pub(super) const TARGETS: &[Target] = &[
    PNG,
    Target {
        name: "jpeg",
        parses: "photos in JPEG",
        seeds: || seeds(&["jpg"]),
        repair: as_it_is,
        tokens: &[
            b"\xFF\xD8",
            b"\xFF\xD9",
            b"\xFF\xC0",
            b"\xFF\xC1",
            b"\xFF\xC2",
            b"\xFF\xC4",
            b"\xFF\xDA\0\x0C\x03",
            b"\xFF\xDA\0\x08\x01",
            b"\xFF\xDB",
            b"\xFF\xDD\0\x04\0\x01",
            b"\xFF\xD0",
            b"\xFF\xE1\0\x10Exif\0\0",
            b"\xFF\xEE\0\x0EAdobe",
            b"\xFF\xFF",
            b"\x22",
            b"\x11",
            b"\x41",
        ],
        ..PNG
    },
    Target {
        name: "bmp",
        parses: "photos in BMP",
        seeds: || seeds(&["bmp"]),
        repair: as_it_is,
        tokens: &[
            b"BM",
            b"\x28\0\0\0",
            b"\x6C\0\0\0",
            b"\x7C\0\0\0",
            b"\0\0",
            b"\0\x01",
            b"\0\x02\xFF\xFF",
        ],
        ..PNG
    },
    Target {
        name: "tiff",
        parses: "photos in TIFF and BigTIFF",
        seeds: || seeds(&["tif"]),
        repair: as_it_is,
        tokens: &[
            b"II*\0",
            b"MM\0*",
            b"II+\0\x08\0\0\0",
            b"\x00\x01",
            b"\x01\x01",
            b"\x02\x01",
            b"\x03\x01",
            b"\x06\x01",
            b"\x11\x01",
            b"\x15\x01",
            b"\x16\x01",
            b"\x17\x01",
            b"\x1C\x01",
            b"\x3D\x01",
            b"\x40\x01",
            b"\x42\x01",
            b"\x43\x01",
            b"\x44\x01",
            b"\x45\x01",
            b"\x52\x01",
            b"\x53\x01",
            b"\x5B\x01",
            b"\x03\0\x01\0\0\0",
            b"\x04\0\x01\0\0\0",
            b"\x10\0\x01\0\0\0",
        ],
        ..PNG
    },
    Target {
        name: "webp",
        parses: "photos in WebP",
        seeds: || seeds(&["webp"]),
        repair: as_it_is,
        tokens: &[
            b"RIFF",
            b"WEBP",
            b"VP8 ",
            b"VP8L",
            b"VP8X",
            b"ALPH",
            b"ANIM",
            b"ANMF",
            b"EXIF",
            b"\x9D\x01\x2A",
        ],
        ..PNG
    },
    Target {
        name: "pnm",
        parses: "photos in PBM, PGM and PPM",
        seeds: pnm_seeds,
        repair: as_it_is,
        tokens: &[
            b"P1\n", b"P2\n", b"P3\n", b"P4\n", b"P5\n", b"P6\n", b"P7\n", b"#", b"\n", b" 65535 ",
            b" 255\n",
        ],
        ..PNG
    },
    Target {
        name: "mask",
        parses: "masks and label maps of all formats",
        run: mask,
        seeds: || seeds(&["png", "bmp", "tif", "jpg", "webp", "pgm"]),
        ..PNG
    },
];

fn seeds(extensions: &[&str]) -> Vec<Vec<u8>> {
    let mut seeds = fixtures::read("images/tests/fixtures/corpus", extensions);
    seeds.extend(fixtures::read("images/tests/fixtures/files", extensions));
    seeds
}

fn pnm_seeds() -> Vec<Vec<u8>> {
    let mut seeds = seeds(&["pbm", "pgm", "ppm", "pam"]);
    seeds.extend(
        [
            &b"P1\n4 2\n0101\n# of two rows\n1010\n"[..],
            b"P3 1 2 9 1 2 3 9 8 7\n",
            b"P6 1 1 65535 abcdef",
        ]
        .map(<[u8]>::to_vec),
    );
    seeds
}

/// As stored, and with all options.
fn photo(bytes: &[u8]) -> bool {
    let plain = DecodeOptions { limits: LIMITS, ..DecodeOptions::default() };
    let orientation = Orientation::FromExif;
    let all = DecodeOptions { orientation, bits: Some(12), range: Some((0.0, 1.0)), ..plain };
    [plain, all].map(|options| decode(bytes, "photo", &options).is_ok()).contains(&true)
}

/// In all ways in which masks are read.
fn mask(bytes: &[u8]) -> bool {
    if is_large(bytes) {
        return false;
    }
    let options = DecodeOptions { limits: LIMITS, ..DecodeOptions::default() };
    scratch::with_file("mask.png", bytes, |path| {
        let _ = load_labels(path);
        let _ = used_bits(path, &options);
        load_mask(path, 128).is_ok() & recognise_mask(path, &LIMITS).is_ok()
    })
}

/// Whether a picture is beyond the low limits: where the usual ones hold, it would take as much memory as they allow.
pub(super) fn is_large(bytes: &[u8]) -> bool {
    use ImageError::{SideTooLong, TooManyBytes, TooManyPixels};
    let options = DecodeOptions { limits: LIMITS, ..DecodeOptions::default() };
    let refused = decode(bytes, "mask", &options);
    matches!(refused, Err(TooManyBytes { .. } | TooManyPixels { .. } | SideTooLong { .. }))
}
