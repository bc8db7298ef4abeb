//! Agreement with scikit-learn and scipy on the fixtures of `tools/sklearn_fixtures.py`.

use efficientad_metrics::{
    GroundTruth, PixelCollector, PixelScores, ProPoint, auroc, average_precision, best_f1,
    connected_components, precision_recall_curve, rate_interval, rate_upper_bound, roc_curve,
};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let content: Value = serde_json::from_str(&text).unwrap();
    let cases = content["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn scores(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|score| score as f32).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|flag| flag.as_bool().unwrap()).collect()
}

fn collect(case: &Value) -> PixelCollector {
    let mut collector = PixelCollector::new();
    for image in case["images"].as_array().unwrap() {
        let side = |name: &str| image[name].as_u64().unwrap() as usize;
        let scores = scores(&image["scores"]);
        let map = PixelScores::new(&scores, side("width"), side("height")).unwrap();
        let mask = mask(image["mask"].as_str().unwrap());
        let kind = mask.contains(&true).then_some("defect");
        collector.add(kind, map, GroundTruth::Mask(&mask)).unwrap();
    }
    collector
}

fn mask(text: &str) -> Vec<bool> {
    text.bytes().map(|byte| byte == b'#').collect()
}

#[track_caller]
fn assert_close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= TOLERANCE, "{what}: {found} instead of {expected}");
}

#[test]
fn image_metrics_agree_with_scikit_learn() {
    for case in cases("images.json") {
        let name = case["name"].as_str().unwrap();
        let scores = scores(&case["scores"]);
        let anomalous = flags(&case["anomalous"]);
        assert_close(auroc(&scores, &anomalous).unwrap(), &case["auroc"], name);
        assert_close(
            average_precision(&scores, &anomalous).unwrap(),
            &case["average_precision"],
            name,
        );
        let best = best_f1(&scores, &anomalous).unwrap();
        assert_close(best.f1, &case["f1"], name);
        assert_close(best.precision, &case["f1_precision"], name);
        assert_close(best.recall, &case["f1_recall"], name);
        assert_eq!(best.threshold, case["f1_threshold"].as_f64().unwrap() as f32, "{name}");
    }
}

#[test]
fn roc_curves_agree_with_scikit_learn() {
    for case in cases("images.json") {
        let name = case["name"].as_str().unwrap();
        let anomalous = flags(&case["anomalous"]);
        let points = roc_curve(&scores(&case["scores"]), &anomalous).unwrap();
        let (fpr, tpr) = (case["fpr"].as_array().unwrap(), case["tpr"].as_array().unwrap());
        assert_eq!(points.len(), fpr.len(), "{name}");
        for (point, (fpr, tpr)) in points.iter().zip(fpr.iter().zip(tpr)) {
            assert_close(point.false_positive_rate, fpr, name);
            assert_close(point.true_positive_rate, tpr, name);
        }
        let thresholds: Vec<f32> = points[1..].iter().map(|point| point.threshold).collect();
        assert_eq!(thresholds, self::scores(&case["roc_thresholds"]), "{name}");
        assert_eq!(points[0].threshold, f32::INFINITY);
    }
}

#[test]
fn precision_recall_curves_agree_with_scikit_learn() {
    for case in cases("images.json") {
        let name = case["name"].as_str().unwrap();
        let anomalous = flags(&case["anomalous"]);
        let points = precision_recall_curve(&scores(&case["scores"]), &anomalous).unwrap();
        let (precision, recall) = (numbers(&case["precision"]), numbers(&case["recall"]));
        assert_eq!(points.len(), precision.len() + 1, "{name}");
        assert_eq!((points[0].precision, points[0].recall), (1.0, 0.0));
        let rising = points[1..].iter().rev().zip(precision.iter().zip(&recall));
        for (point, (precision, recall)) in rising {
            assert!((point.precision - precision).abs() <= TOLERANCE, "{name}: {point:?}");
            assert!((point.recall - recall).abs() <= TOLERANCE, "{name}: {point:?}");
        }
    }
}

/// Area under the line through the points, by its own sum.
fn area(points: &[ProPoint]) -> f64 {
    let trapezoid = |pair: &[ProPoint]| {
        let width = pair[1].false_positive_rate - pair[0].false_positive_rate;
        width * (pair[0].mean_overlap + pair[1].mean_overlap) / 2.0
    };
    points.windows(2).map(trapezoid).sum()
}

#[test]
fn pro_curves_end_at_the_limit_and_have_the_area_of_aupro() {
    for case in cases("pixels.json") {
        let name = case["name"].as_str().unwrap();
        let pixels = collect(&case).sort();
        for (limit, expected) in [(0.3, &case["aupro"]), (0.05, &case["aupro_005"])] {
            let exact = pixels.pro_curve(limit, 0.0).unwrap();
            assert_close(area(&exact) / limit, expected, name);
            assert_eq!(exact[exact.len() - 1].false_positive_rate, limit);
            assert!(exact.is_sorted_by(|a, b| a.threshold >= b.threshold));
            let thinned = pixels.pro_curve(limit, 0.05).unwrap();
            assert!(thinned.len() <= exact.len().min(80), "{}", thinned.len());
            let expected = expected.as_f64().unwrap();
            assert!((area(&thinned) / limit - expected).abs() < 0.05 * (1.0 + 1.0 / limit));
        }
    }
}

#[test]
fn pixel_metrics_agree_with_scikit_learn() {
    for case in cases("pixels.json") {
        let name = case["name"].as_str().unwrap();
        let pixels = collect(&case).sort();
        let metrics = pixels.overall().unwrap();
        assert_close(metrics.auroc, &case["auroc"], name);
        assert_close(metrics.aupr, &case["aupr"], name);
        assert_close(metrics.aupro, &case["aupro"], name);
        assert_close(metrics.aupro_05, &case["aupro_005"], name);
        assert_eq!(metrics.error(), 0.0);
    }
}

#[test]
fn components_agree_with_scipy() {
    for case in cases("components.json") {
        let rows = case["rows"].as_array().unwrap();
        let mask: Vec<bool> = rows.iter().flat_map(|row| mask(row.as_str().unwrap())).collect();
        let found =
            connected_components(&mask, case["width"].as_u64().unwrap() as usize, rows.len())
                .unwrap();
        let labels: Vec<u32> =
            numbers(&case["labels"]).into_iter().map(|label| label as u32).collect();
        let areas: Vec<u64> = numbers(&case["areas"]).into_iter().map(|area| area as u64).collect();
        assert_eq!(found.labels, labels, "{rows:?}");
        assert_eq!(found.areas, areas, "{rows:?}");
    }
}

#[test]
fn rates_are_bounded_as_by_scipy() {
    for case in cases("rates.json") {
        let name = case["name"].as_str().unwrap();
        let (count, trials) = (case["count"].as_u64().unwrap(), case["trials"].as_u64().unwrap());
        let (lower, upper) = rate_interval(count, trials, 0.95);
        let found = [rate_upper_bound(count, trials, 0.95), lower, upper];
        let [of_bound, of_interval] = [&case["upper_bound"], &case["interval"]];
        for (found, expected) in found.into_iter().zip([of_bound, &of_interval[0], &of_interval[1]])
        {
            // Rates are compared relatively: those of many trials are small.
            let expected = expected.as_f64().unwrap();
            assert!(
                (found - expected).abs() <= TOLERANCE * expected,
                "{name}: {found}, {expected}"
            );
        }
    }
    assert_eq!(rate_interval(0, 0, 0.95), (0.0, 1.0));
}
