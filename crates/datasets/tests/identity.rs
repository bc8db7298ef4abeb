//! Fingerprints and photos stay the same.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{write, write_all};
use efficientad_datasets::photos::{Photo, Photos, procedural_photo};
use efficientad_datasets::{Dataset, DatasetError, fingerprint};
use tempfile::tempdir;

#[test]
fn a_fingerprint_is_the_documented_sum() {
    let root = tempdir().unwrap();
    let files = vec![write(root.path(), "b/2.png", "two"), write(root.path(), "a.png", "one")];
    let found = fingerprint(root.path(), &files).unwrap();
    assert_eq!(
        found.to_string(),
        "37819fc06cb36980c8776a74f9c4ece98ab211efa5c5ffaa6876a2ee3dacffb1"
    );
}

#[test]
fn a_fingerprint_follows_names_and_contents_only() {
    let (root, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let names = ["train/good/0.png", "train/good/1.png", "test/good/0.png"];
    write_all(root.path(), &names);
    write_all(copy.path(), &names);
    let print =
        |root: &tempfile::TempDir| Dataset::open(root.path()).unwrap().fingerprint().unwrap();
    let original = print(&root);
    assert_eq!(original, print(&copy));
    write(copy.path(), "test/good/0.png", "no part of training");
    assert_eq!(original, print(&copy));
    write(copy.path(), "train/good/0.png", "changed");
    assert_ne!(original, print(&copy));
    fs::rename(root.path().join("train/good/1.png"), root.path().join("train/good/2.png")).unwrap();
    assert_ne!(original, print(&root));
}

#[test]
fn an_unreadable_file_is_named() {
    let root = tempdir().unwrap();
    let missing = root.path().join("gone.png");
    let refused = fingerprint(root.path(), [&missing]).unwrap_err();
    assert!(matches!(refused, DatasetError::Io { path, .. } if path == missing));
}

#[test]
fn photos_of_a_folder_are_all_used_and_repeatable() {
    let root = tempdir().unwrap();
    write_all(root.path(), &["a.jpg", "deep/er/b.png", "deep/c.webp", "list.txt"]);
    let photos = Photos::folder(root.path()).unwrap();
    let drawn = |seed| (0..60).map(|step| photos.at_step(seed, step)).collect::<Vec<_>>();
    let paths: BTreeSet<_> = drawn(1)
        .into_iter()
        .map(|photo| match photo {
            Photo::File(path) => path,
            Photo::Procedural(_) => panic!("not a file"),
        })
        .collect();
    assert_eq!(paths.len(), 3);
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
}

#[test]
fn a_photo_folder_without_photos_is_refused() {
    let root = tempdir().unwrap();
    assert!(matches!(Photos::folder(root.path()), Err(DatasetError::NoImages(_))));
    assert!(matches!(
        Photos::folder(root.path().join("gone")),
        Err(DatasetError::MissingFolder(_))
    ));
}

#[test]
fn procedural_seeds_differ_from_step_to_step_and_seed_to_seed() {
    let photos = Photos::procedural();
    let mut seen = BTreeSet::new();
    for (seed, step) in (0..20).flat_map(|seed| (0..50).map(move |step| (seed, step))) {
        let Photo::Procedural(number) = photos.at_step(seed, step) else {
            panic!("not procedural")
        };
        seen.insert(number);
    }
    assert_eq!(seen.len(), 1000);
}

/// FNV-1a, enough to notice a change.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn procedural_photos_are_the_same_on_every_machine() {
    let sums = [0, 1, 2].map(|seed| checksum(&procedural_photo(seed, 96, 64)));
    assert_eq!(
        sums,
        [3_709_607_866_578_879_665, 14_046_735_838_316_297_069, 8_849_083_905_453_180_936]
    );
}

#[test]
fn procedural_photos_come_in_any_size() {
    for (width, height) in [(0, 5), (1, 1), (7, 300), (300, 7)] {
        assert_eq!(procedural_photo(3, width, height).dimensions(), (width, height));
    }
}

/// Least-squares slope of log2 mean squared difference against log2 distance, distances 1 to 16.
fn structure_slope(photos: &[Vec<f64>], side: usize) -> f64 {
    let points: Vec<(f64, f64)> = (0..5)
        .map(|octave| {
            let distance = 1 << octave;
            let squares = photos.iter().flat_map(|grey| {
                grey.chunks(side).flat_map(move |row| {
                    row.iter().zip(&row[distance..]).map(|(a, b)| (a - b) * (a - b))
                })
            });
            let (sum, n) = squares.fold((0.0, 0.0), |(sum, n), square| (sum + square, n + 1.0));
            (f64::from(octave), (sum / n).log2())
        })
        .collect();
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / 5.0;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let top: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    top / points.iter().map(|point| (point.0 - x) * (point.0 - x)).sum::<f64>()
}

/// White noise has slope 0, a smooth gradient 2; natural photos lie between.
#[test]
fn procedural_photos_have_the_statistics_of_natural_ones() {
    let side = 128;
    let photos: Vec<_> = (0..24).map(|seed| procedural_photo(seed, side, side)).collect();
    let grey = |photo: &image::RgbImage| -> Vec<f64> {
        photo.pixels().map(|pixel| pixel.0.map(f64::from).iter().sum::<f64>() / 765.0).collect()
    };
    let greys: Vec<_> = photos.iter().map(grey).collect();
    let slope = structure_slope(&greys, side as usize);
    assert!((0.3..1.2).contains(&slope), "slope {slope}");
    let means: Vec<f64> =
        greys.iter().map(|grey| grey.iter().sum::<f64>() / grey.len() as f64).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    assert!((0.3..0.6).contains(&mean), "mean {mean}");
    for (grey, mean) in greys.iter().zip(&means) {
        let variance = grey.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>()
            / grey.len() as f64;
        assert!(variance.sqrt() > 0.03, "a photo without contrast: {}", variance.sqrt());
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_has_no_fingerprint_and_is_not_waited_for() {
    let error = efficientad_datasets::file_fingerprint(std::path::Path::new("/dev/zero"));
    assert!(error.unwrap_err().to_string().contains("it is no file"));
}
