//! MVTec LOCO's saturated per-region overlap, against `tools/loco_fixtures.py`.

use std::fs;
use std::sync::Arc;

use efficientad_datasets::{DefectsConfig, Region};
use efficientad_metrics::{
    Evaluation, Evaluator, GroundTruth, ImageScore, Metrics, PixelScores, SaturatedRegion,
};
use serde_json::Value;

fn evaluate(fixture: &Value) -> Evaluation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("defects_config.json");
    fs::write(&path, fixture["saturations"].to_string()).unwrap();
    let config = Arc::new(DefectsConfig::read(&path).unwrap());
    let mut evaluator = Evaluator::new();
    for image in fixture["images"].as_array().unwrap() {
        let scores: Vec<f32> = serde_json::from_value(image["scores"].clone()).unwrap();
        let width = image["width"].as_u64().unwrap() as usize;
        let regions: Vec<SaturatedRegion> = image["regions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|region| saturated(region, &config))
            .collect();
        let kind = image["kind"].as_str().unwrap().to_owned();
        let score = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let anomalous = kind != "good";
        let map = PixelScores::new(&scores, width, scores.len() / width).unwrap();
        let truth = if anomalous { GroundTruth::Regions(&regions) } else { GroundTruth::Good };
        evaluator.add_image_with_map(ImageScore { kind, anomalous, score }, map, truth).unwrap();
    }
    evaluator.evaluate().unwrap()
}

fn saturated(region: &Value, config: &Arc<DefectsConfig>) -> SaturatedRegion {
    let mask: Vec<bool> =
        region["mask"].as_str().unwrap().bytes().map(|byte| byte == b'#').collect();
    let area = mask.iter().filter(|&&inside| inside).count() as u64;
    let value = region["pixel_value"].as_u64().unwrap() as u8;
    let region = Region { mask: "000.png".into(), config: config.clone() };
    SaturatedRegion { saturation: region.saturation_area(value, area).unwrap(), mask }
}

fn assert_close(found: &Metrics, expected: &Value, name: &str) {
    let found =
        [("image_auroc", found.image_auroc), ("aupro", found.aupro), ("aupro_05", found.aupro_05)];
    for (metric, found) in found {
        let (found, expected) = (found.unwrap(), expected[metric].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{name} {metric}: {found} instead of {expected}");
    }
}

#[test]
fn all_kinds_together_and_each_apart_are_as_counted_at_every_threshold() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/loco.json")).unwrap();
    let Evaluation { overall, kinds, .. } = evaluate(&fixture);
    assert_close(&overall, &fixture["overall"], "overall");
    let expected = fixture["kinds"].as_object().unwrap();
    assert!(kinds.keys().eq(expected.keys()));
    for (name, metrics) in &kinds {
        assert_close(metrics, &expected[name], name);
    }
}
