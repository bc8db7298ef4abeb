//! The development sets, where they are at hand: counts as their description states them.

use efficientad_datasets::{Dataset, GroundTruth, Layout, photos::Photos};
use efficientad_testing::shared;

struct Counts {
    train: usize,
    good: usize,
    masked: usize,
    unmasked: usize,
    kinds: &'static [&'static str],
}

fn check(name: &str, expected: &Counts) {
    let Some(root) = shared(&format!("data/inspection/{name}")) else { return };
    let dataset = Dataset::open(&root).unwrap();
    assert_eq!(dataset.layout, Layout::MvtecAd);
    assert_eq!(dataset.train.len(), expected.train);
    assert_eq!(dataset.kinds(), expected.kinds);
    let count = |wanted: fn(&GroundTruth) -> bool| {
        dataset.test.iter().filter(|image| wanted(&image.ground_truth)).count()
    };
    assert_eq!(count(|truth| *truth == GroundTruth::Good), expected.good);
    assert_eq!(
        count(|truth| matches!(truth, GroundTruth::Mask(path) if path.is_file())),
        expected.masked
    );
    assert_eq!(dataset.without_mask().count(), expected.unmasked);
    assert_eq!(dataset.test.len(), expected.good + expected.masked + expected.unmasked);
}

#[test]
fn dobot_cubes() {
    check(
        "dobot_cubes",
        &Counts { train: 87, good: 29, masked: 0, unmasked: 72, kinds: &["abnormal"] },
    );
}

#[test]
fn cookies() {
    let kinds = &["anomaly", "anomaly_nomask"];
    check("cookies", &Counts { train: 31, good: 14, masked: 32, unmasked: 8, kinds });
}

#[test]
fn magnetic_tile() {
    let kinds = &["blowhole", "break", "crack", "fray", "uneven"];
    check("magnetic_tile", &Counts { train: 763, good: 189, masked: 392, unmasked: 0, kinds });
}

#[test]
fn toothbrush() {
    check(
        "toothbrush",
        &Counts { train: 48, good: 12, masked: 30, unmasked: 0, kinds: &["defective"] },
    );
}

#[test]
fn paper() {
    check(
        "paper_pa_bdp01_tl",
        &Counts { train: 32, good: 16, masked: 48, unmasked: 0, kinds: &["defect"] },
    );
}

#[test]
fn natural_photos() {
    let Some(root) = shared("data/natural") else { return };
    assert_eq!(Photos::folder(root).unwrap().files().len(), 2991);
}
