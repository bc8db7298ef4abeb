//! Targets against PyTorch's, made by `tools/patch_fixtures.py`.

use efficientad_pretraining::PatchFeatures;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    fine_channels: usize,
    coarse_channels: usize,
    locations: Vec<Location>,
}

#[derive(Deserialize)]
struct Location {
    row: usize,
    column: usize,
    features: Vec<f32>,
}

/// The numbers that the script fills layers with.
fn maps(channels: usize, side: usize, salt: usize) -> Vec<f32> {
    let value = |c: usize, y: usize, x: usize| {
        let mixed = c * 7919 + y * 104_729 + x * 1_299_709 + salt * 31_337 + c * y * 13 + y * x * 7;
        (mixed % 1009) as f32 / 1009.0
    };
    let places = (0..channels * side * side).map(|i| (i / side / side, i / side % side, i % side));
    places.map(|(c, y, x)| value(c, y, x)).collect()
}

#[test]
fn targets_are_pytorchs() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/targets.json")).unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let fine = maps(case.fine_channels, 64, 1);
        let coarse = maps(case.coarse_channels, 32, 2);
        let target =
            PatchFeatures::new(case.fine_channels, case.coarse_channels).target(&fine, &coarse);
        assert_eq!(target.len(), 56 * 56 * 384);
        for location in case.locations {
            let found = &target[(location.row * 56 + location.column) * 384..][..384];
            for (channel, (found, expected)) in found.iter().zip(&location.features).enumerate() {
                assert!(
                    (found - expected).abs() < 2e-6,
                    "channel {channel} at {}, {}: {found} {expected}",
                    location.row,
                    location.column
                );
            }
        }
    }
}
