//! The numbers that networks give: those of ONNX Runtime, made by `tools/trunk_fixtures.py`, and what
//! becomes of them.

use std::collections::HashMap;

use efficientad::TEACHER_CHANNELS;
use efficientad_backbone::Rten;
use efficientad_datasets::photos::Photos;
use efficientad_images::resize_bilinear;
use efficientad_pretraining::{BACKBONE_SIDE, Backbone, LayerMaps, PatchFeatures, Preset, rounded};
use efficientad_testing::shared;
use serde::Deserialize;

fn trunk() -> Option<Backbone> {
    let path = shared("teacher/resnet50v2_trunk_f16.onnx")?;
    Some(Backbone::open(&Rten, &path, &["layer2".to_owned(), "layer3".to_owned()]).unwrap())
}

#[derive(Deserialize)]
struct SomeValues {
    every: usize,
    values: Vec<f32>,
}

#[test]
fn the_shared_trunk_gives_onnx_runtimes_numbers() {
    let Some(trunk) = trunk() else { return };
    let expected: HashMap<String, SomeValues> =
        serde_json::from_str(include_str!("fixtures/trunk.json")).unwrap();
    assert_eq!(trunk.channels(), [512, 1024]);
    let places = (0..3 * 512 * 512).map(|i| (i / 512 / 512, i / 512 % 512, i % 512));
    let value = |(c, y, x): (usize, usize, usize)| {
        ((c * 61 + y * 3 + x * 5 + (y / 32) * (x / 32) * 17) % 256) as f32 / 255.0
    };
    let LayerMaps { fine, coarse } = trunk.run(&places.map(value).collect::<Vec<_>>()).unwrap();
    for (name, layer) in [("layer2", fine), ("layer3", coarse)] {
        let SomeValues { every, values } = &expected[name];
        let largest = values.iter().copied().fold(0.0, f32::max);
        assert!(largest > 0.1);
        for (found, expected) in layer.iter().step_by(*every).zip(values) {
            assert!((found - expected).abs() < 1e-4 * largest, "{name}: {found} {expected}");
        }
    }
}

#[test]
fn tensors_inside_have_their_own_numbers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny_backbone.onnx");
    let planes: Vec<f32> = (0..3 * 512 * 512).map(|i| (i % 251) as f32 / 250.0).collect();
    let run = |layers: [&str; 2]| {
        let backbone = Backbone::open(&Rten, path.as_ref(), &layers.map(str::to_owned)).unwrap();
        backbone.run(&planes).unwrap()
    };
    let (after, before) = (run(["fine", "coarse"]), run(["fine.sum", "coarse.sum"]));
    for (after, before) in [(after.fine, before.fine), (after.coarse, before.coarse)] {
        assert!(before.iter().any(|&sum| sum < 0.0) && before.iter().any(|&sum| sum > 0.0));
        assert!(after.iter().zip(&before).all(|(&after, &sum)| after == sum.max(0.0)));
    }
}

/// Prints what `docs/pretraining.md` states: `cargo test -- --nocapture rounding`.
#[test]
fn rounding_adds_little_to_the_targets() {
    let (Some(trunk), Some(photos)) = (trunk(), shared("data/natural")) else { return };
    let patches = PatchFeatures::new(512, 1024);
    let preprocessing = Preset::None.preprocessing();
    let files = Photos::folder(photos).unwrap().files().to_vec();
    let (mut sums, mut squares) = (vec![0.0; TEACHER_CHANNELS], vec![0.0; TEACHER_CHANNELS]);
    let (mut errors, mut locations) = (vec![0.0; TEACHER_CHANNELS], 0.0);
    for path in files.iter().step_by(files.len() / 8) {
        let photo = efficientad_images::load(path, &Default::default()).unwrap();
        let seen = resize_bilinear(&photo, BACKBONE_SIDE, BACKBONE_SIDE);
        let maps = trunk.run(&preprocessing.planes(&seen)).unwrap();
        let target = patches.target(&maps.fine, &maps.coarse);
        for (i, (&exact, rounded)) in target.iter().zip(rounded(&target)).enumerate() {
            let (channel, exact) = (i % TEACHER_CHANNELS, f64::from(exact));
            sums[channel] += exact;
            squares[channel] += exact * exact;
            errors[channel] += (exact - f64::from(rounded)).powi(2);
        }
        locations += (target.len() / TEACHER_CHANNELS) as f64;
    }
    // Of normalised channels, which count alike.
    let share = |c: usize| errors[c] / (squares[c] - sums[c] * sums[c] / locations);
    let mean = (0..TEACHER_CHANNELS).map(share).sum::<f64>() / TEACHER_CHANNELS as f64;
    let worst = (0..TEACHER_CHANNELS).map(share).fold(0.0, f64::max);
    println!("rounding adds {mean:.1e} of the variance, at most {worst:.1e} in a channel");
    assert!(mean < 1e-3 && worst < 1e-2, "{mean} {worst}");
}
