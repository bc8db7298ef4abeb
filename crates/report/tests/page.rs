//! Pages of evaluations that no data set need be trained for.

use std::fs;
use std::path::Path;

use efficientad::{
    AnomalyMap, Calibration, EngineId, FalseRejectRate, Inspection, ModelInfo, PdnSize, Precision,
    RgbImage, Threshold,
};
use efficientad_datasets::Dataset;
use efficientad_evaluation::{Failure, Judged, JudgedImage, Options, Report, Sample, Verdicts};
use efficientad_metrics::{Confusion, Evaluator, ImageScore, confusion_by_kind};
use efficientad_report::{MAX_LISTED, MAX_PICTURES, ReportWriter, Subject};

/// Good images score 0.4 to 0, defective ones 0.2 to 0.6, evenly: the hardest come first.
fn images(count: usize) -> Vec<JudgedImage> {
    let image = |index: usize| {
        let defective = index % 2 == 1;
        let progress = 0.4 * index as f32 / count as f32;
        let score = if defective { 0.2 + progress } else { 0.4 - progress };
        let kind = if defective { "crack" } else { "good" };
        JudgedImage {
            path: format!("test/{kind}/{index}.png").into(),
            kind: kind.to_owned(),
            defective,
            score,
            anomalous: Some(score >= threshold().value),
            p_value: None,
        }
    };
    (0..count).map(image).collect()
}

/// From 20 good images: too few for 1 %.
fn threshold() -> Threshold {
    let scores = (0..20).map(|index| 0.01 * index as f32).collect();
    let rate = FalseRejectRate::new(0.01).unwrap();
    Calibration::new(scores).unwrap().threshold(rate).unwrap()
}

fn evaluation(images: Vec<JudgedImage>, failures: usize) -> Report {
    let mut evaluator = Evaluator::new();
    for image in &images {
        let (kind, anomalous) = (image.kind.clone(), image.defective);
        evaluator.add_image(ImageScore { kind, anomalous, score: image.score });
    }
    let verdicts = Verdicts {
        overall: Confusion::at_threshold(evaluator.images(), threshold().value),
        kinds: confusion_by_kind(evaluator.images(), threshold().value),
    };
    let metrics = evaluator.evaluate().unwrap();
    let failure = |index| Failure { path: format!("{index}.png").into(), reason: "broken".into() };
    Report {
        overall: metrics.overall,
        kinds: metrics.kinds,
        curves: metrics.curves,
        threshold: Some(threshold().value),
        promise: Some(threshold()),
        verdicts: Some(verdicts),
        without_mask: 0,
        mask_kinds: Default::default(),
        empty_masks: 0,
        mostly_defect_masks: 0,
        images,
        failed: (0..failures).map(failure).collect(),
        unusable_masks: Vec::new(),
        left_out: Default::default(),
    }
}

/// A photo that no encoder makes small.
fn noise(side: u32, seed: u32) -> RgbImage {
    let mut state = seed | 1;
    RgbImage::from_fn(side, side, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let [red, green, blue, _] = state.to_le_bytes();
        [red, green, blue].into()
    })
}

fn judged(image: RgbImage) -> Judged {
    let (width, height) = image.dimensions();
    let values = (0..width * height).map(|index| (index % 7) as f32 / 10.0).collect();
    let map = AnomalyMap { width, height, values };
    Judged {
        image,
        used_bits: None,
        inspection: Inspection { score: 0.6, anomalous: None, p_value: None, regions: None, map },
    }
}

/// A data set and a model's file, of which only the bytes matter.
fn dataset(root: &Path) -> Dataset {
    for name in ["train/good/0.png", "train/good/1.png", "test/crack/0.png", "model"] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    Dataset::open(root).unwrap()
}

fn page(root: &Path, evaluation: &Report, pictures: &[Judged]) -> String {
    let dataset = dataset(root);
    let info = ModelInfo {
        size: PdnSize::Small,
        input: Default::default(),
        recipe: None,
        data: None,
        continuations: Vec::new(),
        threshold: None,
        engine: None,
        samples: None,
        calibration: None,
        program_version: "0.1.0".to_owned(),
    };
    let mut writer = ReportWriter::create(&root.join("out"), evaluation.threshold).unwrap();
    for (index, image) in evaluation.images.iter().enumerate() {
        let judged = &pictures[index % pictures.len()];
        writer.add(Sample { image, judged, defects: None });
    }
    let subject = Subject {
        model: &root.join("model"),
        info: &info,
        dataset: &dataset,
        options: &Options::default(),
        engine: &EngineId {
            name: "cpu".to_owned(),
            device: "portable".to_owned(),
            precision: Precision::F32,
        },
    };
    let path = writer.finish(evaluation, &subject).unwrap();
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_page_stays_small_whatever_the_number_and_size_of_images() {
    let root = tempfile::tempdir().unwrap();
    let pictures: Vec<Judged> = (0..3).map(|seed| judged(noise(440, seed))).collect();
    let evaluation = evaluation(images(1200), 1200);
    let page = page(root.path(), &evaluation, &pictures);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 4 * MAX_PICTURES);
    assert!(page.contains("500 of 1200 images, wrong verdicts first"));
    assert!(page.contains("500 of 1200 are listed."));
    assert_eq!(page.matches("<td class=\"reason\">").count(), MAX_LISTED);
}

#[test]
fn the_hardest_images_come_first() {
    let root = tempfile::tempdir().unwrap();
    let mut images = images(100);
    images.sort_by_key(|image| image.path.to_string_lossy().chars().rev().collect::<String>());
    let page = page(root.path(), &evaluation(images, 0), &[judged(noise(8, 1))]);
    let alts: Vec<&str> = page.split("alt=\"Photo ").skip(1).collect();
    let order: Vec<&str> = alts.iter().map(|alt| alt.split('"').next().unwrap()).collect();
    let crack = [1, 3, 5, 7, 9, 11].map(|index| format!("test/crack/{index}.png"));
    let good = [0, 2, 4, 6, 8, 10].map(|index| format!("test/good/{index}.png"));
    assert_eq!(order, [crack, good].concat());
}

#[test]
fn verdicts_are_counted_and_the_promise_is_held_against_them() {
    let root = tempfile::tempdir().unwrap();
    let evaluation = evaluation(images(100), 0);
    let counts = evaluation.verdicts.as_ref().unwrap().overall;
    let page = page(root.path(), &evaluation, &[judged(noise(8, 1))]);
    let found = format!(
        "found {} of 50 defective images and rejected {} of 50 good ones",
        counts.true_positives, counts.false_positives
    );
    assert!(page.contains(&found), "{found}");
    assert!(page.contains("20 good images are too few to show that; 299 would do."));
    // 1 − 0.05^(1/20) = 13.91 %.
    assert!(page.contains("at most 14.0\u{a0}% of all good images do, with 95\u{a0}% confidence"));
    assert!(counts.false_positives > 15, "{counts:?}");
    assert!(page.contains("more than the promise can explain"));
}

#[test]
fn one_class_alone_has_no_curves_but_a_page() {
    let root = tempfile::tempdir().unwrap();
    let only: Vec<JudgedImage> = images(6).into_iter().filter(|image| !image.defective).collect();
    let page = page(root.path(), &evaluation(only, 0), &[judged(noise(8, 1))]);
    assert!(page.contains("Curves need good and defective images."));
    assert!(page.contains("There are none in this set."));
    assert!(page.contains("not measured: no masks tell where the defects are"));
    assert!(!page.contains("NaN"));
}
