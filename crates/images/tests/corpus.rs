//! Files of every kind against the pixels that Pillow gives (`tools/image_corpus.py` writes them):
//! a few that are part of the repository, and the whole corpus where the script can run, with the
//! Python that `EFFICIENTAD_PYTHON` names (else `python3`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use efficientad_images::{DecodeOptions, ImageError, RgbImage, decode, load};
use efficientad_testing::skipped;

/// Groups of files that are refused as not supported; all others must be read.
const REFUSED: [&str; 24] = [
    "jpeg-12-bit",
    "jpeg-arithmetic",
    "jpeg-lossless",
    "pam",
    "tiff-cielab",
    "tiff-float16",
    "tiff-float32",
    "tiff-float64",
    "tiff-group3",
    "tiff-icclab",
    "tiff-int16",
    "tiff-int32",
    "tiff-int8",
    "tiff-lzma",
    "tiff-lzma-extra",
    "tiff-lzma-extra-big",
    "tiff-pages",
    "tiff-tiff_ccitt",
    "tiff-uint32",
    "tiff-uint64",
    "tiff-ycbcr",
    "tiff-zstd",
    "tiff-zstd-extra",
    "tiff-zstd-extra-big",
];

/// Largest and mean difference, in levels, that a lossy file may show: decoders round differently.
const LOSSY_TOLERANCE: (u8, f64) = (8, 0.6);

#[derive(Default)]
struct Tally {
    tried: usize,
    equal: usize,
    near: usize,
    refused: usize,
    wrong: usize,
    largest: u8,
    mean: f64,
}

/// Decodes every file that `corpus.txt` lists; the table, and what is not as it should be.
fn compare(folder: &Path) -> (BTreeMap<String, Tally>, Vec<String>) {
    let list = fs::read_to_string(folder.join("corpus.txt")).expect("a list");
    let mut tallies = BTreeMap::<String, Tally>::new();
    let mut wrong = Vec::new();
    for line in list.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [group, kind, name, width, height] = fields[..] else { panic!("{line}") };
        let size = [width, height].map(|side| side.parse().expect("a number"));
        let bytes = fs::read(folder.join(format!("{name}.rgb"))).expect("pixels");
        let expected = RgbImage::from_raw(size[0], size[1], bytes).expect("the length matches");
        let tally = tallies.entry(group.to_owned()).or_default();
        tally.tried += 1;
        match load(folder.join(name), &DecodeOptions::default()) {
            Ok(found) => {
                let (largest, mean) = difference(&found, &expected);
                tally.largest = tally.largest.max(largest);
                tally.mean = tally.mean.max(mean);
                let allowed = if kind == "exact" { (0, 0.0) } else { LOSSY_TOLERANCE };
                if largest == 0 {
                    tally.equal += 1;
                } else if largest <= allowed.0 && mean <= allowed.1 {
                    tally.near += 1;
                } else {
                    tally.wrong += 1;
                    wrong.push(format!("{name}: off by {largest}, {mean:.2} in the mean"));
                }
                if REFUSED.contains(&group) {
                    wrong.push(format!("{name}: read, but its group is listed as refused"));
                }
            }
            Err(ImageError::Unsupported { .. }) if REFUSED.contains(&group) => tally.refused += 1,
            Err(error) => {
                tally.refused += 1;
                wrong.push(format!("{group} refused: {error}"));
            }
        }
    }
    (tallies, wrong)
}

fn difference(one: &RgbImage, other: &RgbImage) -> (u8, f64) {
    if one.dimensions() != other.dimensions() {
        return (255, 255.0);
    }
    let differences = || one.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences().map(u64::from).sum();
    (differences().max().unwrap_or(0), sum as f64 / one.len() as f64)
}

fn print(tallies: &BTreeMap<String, Tally>) {
    println!("{:28} files equal near refused wrong  largest mean difference", "kind");
    for (group, tally) in tallies {
        let Tally { tried, equal, near, refused, wrong, largest, mean } = tally;
        println!(
            "{group:28} {tried:5} {equal:5} {near:4} {refused:7} {wrong:5} {largest:8} {mean:.2}"
        );
    }
    let sum = |count: fn(&Tally) -> usize| tallies.values().map(count).sum::<usize>();
    println!(
        "{:28} {:5} {:5} {:4} {:7} {:5}",
        "all",
        sum(|tally| tally.tried),
        sum(|tally| tally.equal),
        sum(|tally| tally.near),
        sum(|tally| tally.refused),
        sum(|tally| tally.wrong)
    );
}

fn assert_corpus(folder: &Path, least: usize) {
    let (tallies, wrong) = compare(folder);
    print(&tallies);
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tallies.values().map(|tally| tally.tried).sum::<usize>() >= least);
}

#[test]
fn one_file_of_each_kind_is_read_as_by_pillow_or_refused() {
    assert_corpus(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus"), 80);
}

#[test]
fn the_whole_corpus_is_read_as_by_pillow_or_refused() {
    let python = std::env::var("EFFICIENTAD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let modules = "import PIL, numpy, tifffile, imagecodecs";
    let has_modules = Command::new(&python).args(["-c", modules]).output();
    if !has_modules.is_ok_and(|output| output.status.success()) {
        return skipped(&format!("the corpus is not read: {python} lacks one of {modules}"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/image_corpus.py");
    let written = Command::new(&python).arg(script).arg(folder.path()).status();
    assert!(written.expect("Python runs").success());
    // Without cjpeg some 500 JPEG files are left out.
    assert_corpus(folder.path(), 1_800);
}

/// Every fixture cut at many lengths and changed at many bytes gives an image or names a cause; what
/// panics in a decoder is caught, and seen here.
#[test]
fn damaged_files_name_their_cause() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus");
    let list = fs::read_to_string(folder.join("corpus.txt")).expect("a list");
    let mut panicked = Vec::new();
    for name in list.lines().filter_map(|line| line.split(' ').nth(2)) {
        let bytes = fs::read(folder.join(name)).expect("a fixture");
        let mut check = |what: String, damaged: &[u8]| {
            let result = decode(damaged, name, &DecodeOptions::default());
            if matches!(result, Err(ImageError::Undecodable { .. })) {
                panicked.push(format!("{name} {what}"));
            }
        };
        for length in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            check(format!("cut to {length} bytes"), &bytes[..length]);
        }
        for at in (0..bytes.len().min(64)).chain((64..bytes.len()).step_by(37)) {
            let mut changed = bytes.clone();
            changed[at] ^= if at % 2 == 0 { 0xFF } else { 0x11 };
            check(format!("changed at {at}"), &changed);
        }
    }
    assert!(panicked.is_empty(), "{panicked:#?}");
}
