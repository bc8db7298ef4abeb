//! Agreement with second implementations that follow the definitions literally.

use efficientad_metrics::{
    DEFAULT_EXACT_LIMIT, Evaluator, GroundTruth, ImageScore, MetricError, PixelCollector,
    PixelMetrics, PixelScores, SaturatedRegion, connected_components,
};

/// A small generator (xorshift) for test data.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

struct Image {
    width: usize,
    height: usize,
    scores: Vec<f32>,
    regions: Vec<SaturatedRegion>,
}

impl Image {
    fn map(&self) -> PixelScores<'_> {
        PixelScores::new(&self.scores, self.width, self.height).unwrap()
    }

    fn union(&self) -> Vec<bool> {
        (0..self.scores.len()).map(|at| self.regions.iter().any(|region| region.mask[at])).collect()
    }
}

/// Scores are multiples of 1/levels, so few levels mean many ties.
fn random_image(random: &mut Random, levels: u64) -> Image {
    let (width, height) = (5 + random.below(12) as usize, 4 + random.below(12) as usize);
    let mut mask = vec![false; width * height];
    for _ in 0..random.below(4) {
        let (left, top) =
            (random.below(width as u64) as usize, random.below(height as u64) as usize);
        for y in top..height.min(top + 3) {
            (left..width.min(left + 4)).for_each(|x| mask[y * width + x] |= random.chance(80));
        }
    }
    let scores = mask
        .iter()
        .map(|&defect| {
            (random.below(levels) + u64::from(defect) * random.below(levels)) as f32 / levels as f32
        })
        .collect();
    let regions = flood_fill(&mask, width)
        .into_iter()
        .map(|mask| SaturatedRegion {
            saturation: mask.iter().filter(|&&inside| inside).count() as u64,
            mask,
        })
        .collect();
    Image { width, height, scores, regions }
}

/// Each 8-connected component as a mask of its own, in reading order.
fn flood_fill(mask: &[bool], width: usize) -> Vec<Vec<bool>> {
    let mut left = mask.to_vec();
    let mut regions = Vec::new();
    while let Some(start) = left.iter().position(|&inside| inside) {
        let mut region = vec![false; mask.len()];
        let mut open = vec![start];
        left[start] = false;
        while let Some(at) = open.pop() {
            region[at] = true;
            for (next, open_pixel) in left.iter_mut().enumerate() {
                let near = (at % width).abs_diff(next % width) <= 1
                    && (at / width).abs_diff(next / width) <= 1;
                if near && *open_pixel {
                    *open_pixel = false;
                    open.push(next);
                }
            }
        }
        regions.push(region);
    }
    regions
}

/// (false-positive rate, mean saturated overlap) at each distinct score, after (0, 0).
fn plain_curve(images: &[Image]) -> Vec<(f64, f64)> {
    let mut thresholds: Vec<f32> = images.iter().flat_map(|image| image.scores.clone()).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let mut points = vec![(0.0, 0.0)];
    for threshold in thresholds {
        let (mut alarms, mut good, mut overlaps) = (0, 0, Vec::new());
        for image in images {
            let defect = image.union();
            good += defect.iter().filter(|&&defect| !defect).count();
            let called = |at: usize| image.scores[at] >= threshold;
            alarms += (0..defect.len()).filter(|&at| called(at) && !defect[at]).count();
            for region in &image.regions {
                let hits = (0..defect.len()).filter(|&at| called(at) && region.mask[at]).count();
                overlaps.push((hits as f64 / region.saturation as f64).min(1.0));
            }
        }
        let mean = overlaps.iter().sum::<f64>() / overlaps.len() as f64;
        points.push((alarms as f64 / good as f64, mean));
    }
    points
}

fn plain_aupro(images: &[Image], limit: f64) -> f64 {
    let mut area = 0.0;
    for pair in plain_curve(images).windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if x1 <= limit {
            area += (x1 - x0) * (y0 + y1) / 2.0;
        } else if x0 < limit {
            let y = y0 + (y1 - y0) * (limit - x0) / (x1 - x0);
            area += (limit - x0) * (y0 + y) / 2.0;
        }
    }
    area / limit
}

fn plain_auroc(images: &[Image]) -> f64 {
    let (mut good, mut anomalous) = (Vec::new(), Vec::new());
    for image in images {
        for (&score, defect) in image.scores.iter().zip(image.union()) {
            if defect { &mut anomalous } else { &mut good }.push(score);
        }
    }
    let beats = |a: f32, b: f32| {
        if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 }
    };
    let wins: f64 = anomalous.iter().map(|&a| good.iter().map(|&g| beats(a, g)).sum::<f64>()).sum();
    wins / (good.len() * anomalous.len()) as f64
}

fn by_mask(images: &[Image], exact_limit: u64) -> PixelMetrics {
    let mut collector = PixelCollector::with_exact_limit(exact_limit);
    for image in images {
        let mask = image.union();
        let kind = mask.contains(&true).then_some("defect");
        collector.add(kind, image.map(), GroundTruth::Mask(&mask)).unwrap();
    }
    collector.sort().overall().unwrap()
}

fn sets() -> impl Iterator<Item = Vec<Image>> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    [3, 10, 100, 100_000].into_iter().cycle().take(24).map(move |levels| {
        (0..2 + random.below(4)).map(|_| random_image(&mut random, levels)).collect::<Vec<_>>()
    })
}

fn has_regions(images: &[Image]) -> bool {
    images.iter().any(|image| !image.regions.is_empty())
}

#[test]
fn components_agree_with_a_flood_fill() {
    let mut random = Random(7);
    for (width, share) in (1..60).map(|width| (width % 14 + 1, 20 + width as u64)) {
        let mask: Vec<bool> = (0..width * 13).map(|_| random.chance(share)).collect();
        let regions = flood_fill(&mask, width);
        let found = connected_components(&mask, width, 13).unwrap();
        let areas: Vec<u64> = regions
            .iter()
            .map(|region| region.iter().filter(|&&inside| inside).count() as u64)
            .collect();
        assert_eq!(found.areas, areas);
        for (index, region) in regions.iter().enumerate() {
            let same =
                (0..mask.len()).all(|at| region[at] == (found.labels[at] as usize == index + 1));
            assert!(same, "region {index} of {mask:?} at width {width}");
        }
    }
    assert!(connected_components(&[], 0, 0).unwrap().areas.is_empty());
    assert!(connected_components(&[true; 6], 4, 2).is_err());
}

#[test]
fn exact_metrics_agree_with_the_definitions() {
    let mut compared = 0;
    for images in sets().filter(|images| has_regions(images)) {
        let found = by_mask(&images, DEFAULT_EXACT_LIMIT);
        assert!((found.aupro - plain_aupro(&images, 0.3)).abs() < 1e-9);
        assert!((found.auroc - plain_auroc(&images)).abs() < 1e-9);
        compared += 1;
    }
    assert!(compared > 15);
}

#[test]
fn saturated_overlap_agrees_with_its_definition() {
    let mut random = Random(11);
    let mut differs = 0;
    for mut images in sets().filter(|images| has_regions(images)) {
        let unsaturated = plain_aupro(&images, 0.3);
        for region in images.iter_mut().flat_map(|image| &mut image.regions) {
            region.saturation = 1 + random.below(region.saturation);
            let shared = random.below(region.mask.len() as u64) as usize;
            region.mask[shared] = true;
        }
        let mut collector = PixelCollector::new();
        for image in &images {
            collector
                .add(Some("logical"), image.map(), GroundTruth::Regions(&image.regions))
                .unwrap();
        }
        let found = collector.sort().kind("logical").unwrap();
        let expected = plain_aupro(&images, 0.3);
        assert!((found.aupro - expected).abs() < 1e-9, "{} instead of {expected}", found.aupro);
        differs += usize::from((expected - unsaturated).abs() > 1e-3);
    }
    assert!(differs > 5);
}

#[test]
fn bucketed_metrics_stay_within_their_stated_error() {
    let mut moved = 0;
    for images in sets().filter(|images| has_regions(images)) {
        let (exact, bucketed) = (by_mask(&images, DEFAULT_EXACT_LIMIT), by_mask(&images, 300));
        let slack = 1e-12;
        assert!((exact.auroc - bucketed.auroc).abs() <= bucketed.auroc_error + slack);
        assert!((exact.aupr - bucketed.aupr).abs() <= bucketed.aupr_error + slack);
        assert!((exact.aupro - bucketed.aupro).abs() <= bucketed.aupro_error + slack);
        assert!((exact.aupro_05 - bucketed.aupro_05).abs() <= bucketed.aupro_05_error + slack);
        assert_eq!(exact.error(), 0.0);
        assert_eq!((exact.n_good, exact.n_regions), (bucketed.n_good, bucketed.n_regions));
        moved += usize::from(exact.auroc != bucketed.auroc);
    }
    assert!(moved > 0, "no set was changed by bucketing, so the bounds were not tested");
}

#[test]
fn a_kind_is_compared_with_all_good_images_only() {
    let images: Vec<Image> = sets().take(7).flatten().collect();
    let mut evaluator = Evaluator::new();
    let (mut crack, mut dent) = (PixelCollector::new(), PixelCollector::new());
    for (index, image) in images.iter().enumerate() {
        let mask = image.union();
        let kind = ["good", "crack", "dent"][if mask.contains(&true) { 1 + index % 2 } else { 0 }];
        let name = (kind != "good").then_some("defect");
        for (other, collector) in [("dent", &mut crack), ("crack", &mut dent)] {
            if kind != other {
                collector.add(name, image.map(), GroundTruth::Mask(&mask)).unwrap();
            }
        }
        let score = image.scores.iter().copied().fold(0.0, f32::max);
        let verdict = ImageScore { kind: kind.into(), anomalous: kind != "good", score };
        evaluator.add_image_with_map(verdict, image.map(), GroundTruth::Mask(&mask)).unwrap();
    }
    let evaluation = evaluator.evaluate().unwrap();
    for (kind, collector) in [("crack", crack), ("dent", dent)] {
        let alone = collector.sort().overall().unwrap();
        let found = evaluation.kinds[kind];
        assert_eq!(found.pixel_auroc, Some(alone.auroc));
        assert_eq!(found.pixel_aupr, Some(alone.aupr));
        assert!((found.aupro.unwrap() - alone.aupro).abs() < 1e-12);
        assert_eq!(found.n_good, evaluation.overall.n_good);
        assert!(found.image_auroc.is_some() && found.image_f1_threshold.is_some());
    }
    assert!((evaluation.overall.aupro.unwrap() - plain_aupro(&images, 0.3)).abs() < 1e-9);
    let n: usize = evaluation.kinds.values().map(|kind| kind.n_anomalous).sum();
    assert_eq!(n, evaluation.overall.n_anomalous);
}

#[test]
fn what_is_not_defined_is_none() {
    let mut evaluator = Evaluator::new();
    for score in [0.1, 0.2] {
        evaluator.add_image(ImageScore { kind: "good".into(), anomalous: false, score });
    }
    let overall = evaluator.evaluate().unwrap().overall;
    assert_eq!((overall.image_auroc, overall.image_f1, overall.aupro), (None, None, None));
    let json = serde_json::to_value(overall).unwrap();
    assert_eq!((&json["n_good"], json["aupro"].is_null()), (&2.into(), true));
}

#[test]
fn bad_input_is_refused_and_adds_nothing() {
    let scores = [0.0, 0.5, 0.5, 1.0];
    let map = PixelScores::new(&scores, 2, 2).unwrap();
    let mut collector = PixelCollector::new();
    let short = MetricError::LengthMismatch { expected: 4, found: 3 };
    assert_eq!(collector.add(Some("a"), map, GroundTruth::Mask(&[true; 3])), Err(short));
    let region = SaturatedRegion { mask: vec![true; 4], saturation: 0 };
    let refused = collector.add(Some("a"), map, GroundTruth::Regions(&[region]));
    assert_eq!(refused, Err(MetricError::ZeroSaturation(0)));
    assert_eq!(
        PixelScores::new(&scores, 3, 2).unwrap_err(),
        MetricError::LengthMismatch { expected: 6, found: 4 }
    );
    assert_eq!(PixelScores::new(&[f32::NAN], 1, 1).unwrap_err(), MetricError::NanScore(0));
    collector.add(None, map, GroundTruth::Good).unwrap();
    let pixels = collector.sort();
    assert_eq!(pixels.overall(), Err(MetricError::NoAnomalous));
    assert_eq!(pixels.pro_curve(0.0, 0.0), Err(MetricError::FprLimit));
}

#[test]
fn an_empty_mask_makes_all_pixels_good() {
    let scores = [0.0, 0.5, 0.5, 1.0];
    let map = PixelScores::new(&scores, 2, 2).unwrap();
    let mut collector = PixelCollector::new();
    collector.add(Some("a"), map, GroundTruth::Mask(&[false; 4])).unwrap();
    collector.add(Some("a"), map, GroundTruth::Mask(&[true, false, false, true])).unwrap();
    let found = collector.sort().overall().unwrap();
    assert_eq!((found.n_good, found.n_anomalous, found.n_regions), (6, 2, 1));
}
