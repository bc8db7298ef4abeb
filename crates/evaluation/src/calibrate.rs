//! A model's threshold taken anew from other good images, and tried on known defects.

use std::path::PathBuf;
use std::sync::Arc;

use efficientad::{
    CONFIDENCE, Calibration, CalibrationImages, Detector, Error, FalseRejectRate, InspectionEngine,
    MAX_CALIBRATION_IMAGES, Model, Threshold,
};
use efficientad_datasets::fingerprint_named;
use efficientad_images::DecodeOptions;
use efficientad_metrics::rate_interval;
use serde::Serialize;

use crate::{DepthCheck, EvaluationError, Event, Failure, JudgeOptions, Photo, inspect_photos};

/// What a model is calibrated on.
#[derive(Debug, Clone)]
pub struct CalibrationPhotos {
    /// Photos of good parts that it was not trained on.
    pub good: Vec<Photo>,
    /// Photos of parts with defects, to see what is caught; `None` if there are none to be had.
    pub defects: Option<Vec<Photo>>,
    /// How they are all decoded.
    pub decode: DecodeOptions,
}

/// What came out of a calibration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalibrationReport {
    /// The new threshold, and what it promises.
    pub threshold: Threshold,
    /// The good images that it comes from.
    pub calibration: CalibrationImages,
    /// What is caught at this threshold; `None` if no defects were given.
    pub defects: Option<CaughtDefects>,
    /// Every image that could not be judged; it counts nowhere.
    pub failed: Vec<Failure>,
}

/// How many images of defects reach the threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaughtDefects {
    /// Images of defects that could be judged.
    pub images: usize,
    /// So many of them reach the threshold.
    pub caught: usize,
    /// Their share; `None` if there are none.
    pub rate: Option<f64>,
    /// The exact two-sided confidence interval of that rate for defects like these (Clopper and
    /// Pearson).
    pub interval: [f64; 2],
    /// Confidence of the interval.
    pub confidence: f64,
    /// Those that stay below the threshold, by falling score.
    pub missed: Vec<MissedDefect>,
}

/// An image of a defect that passes as good.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MissedDefect {
    /// Its path.
    pub path: PathBuf,
    /// Its image score.
    pub score: f32,
    /// How probable such a score is for a good image.
    pub p_value: f64,
}

/// Takes the threshold of `model` for `rate` ([`Calibration::usual_threshold`] if it is `None`) from photos of
/// good parts, as many at once as `engine` has threads. An image that cannot be judged is left out and named in
/// the report.
///
/// # Errors
/// No good photo could be judged, there are too many, no number is a threshold for their scores, or
/// one could not be read a second time for the fingerprint.
pub fn calibrate(
    model: Model,
    engine: Arc<dyn InspectionEngine>,
    photos: &CalibrationPhotos,
    rate: Option<FalseRejectRate>,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<(Model, CalibrationReport), EvaluationError> {
    let CalibrationPhotos { good, defects, decode } = photos;
    if good.len() > MAX_CALIBRATION_IMAGES {
        let (found, limit) = (good.len(), MAX_CALIBRATION_IMAGES);
        return Err(Error::TooManyImages { found, limit }.into());
    }
    let defects = defects.as_deref();
    let mut scoring = Scoring {
        options: JudgeOptions { decode: *decode, workers: engine.threads().count() },
        detector: Detector::new(&model, engine)?,
        depth: DepthCheck::new(decode.bits),
        done: 0,
        total: good.len() + defects.map_or(0, <[Photo]>::len),
        failed: Vec::new(),
        observe,
    };
    let good_scores = scoring.scores(good);
    let scores = Calibration::new(good_scores.iter().map(|&(_, score)| score).collect())?;
    let defect_scores = defects.map(|defects| scoring.scores(defects));
    scoring.depth.end().into_iter().for_each(|remark| (scoring.observe)(Event::Depth(remark)));
    let threshold = scores.threshold_for(rate)?;
    let named = good_scores
        .iter()
        .map(|(photo, _)| (photo.relative.display().to_string(), photo.path.as_path()));
    let images = CalibrationImages {
        fingerprint: fingerprint_named(named)?.to_string(),
        images: good_scores.len(),
    };
    let report = CalibrationReport {
        defects: defect_scores
            .map(|defects| CaughtDefects::at_threshold(threshold.value, &defects, &scores)),
        threshold,
        calibration: images.clone(),
        failed: std::mem::take(&mut scoring.failed),
    };
    let engine = scoring.detector.engine();
    Ok((model.with_calibration(scores, images, rate, engine)?, report))
}

/// Images being judged.
struct Scoring<'a> {
    detector: Detector,
    options: JudgeOptions,
    depth: DepthCheck,
    done: usize,
    total: usize,
    failed: Vec<Failure>,
    observe: &'a mut dyn FnMut(Event<'_>),
}

impl Scoring<'_> {
    /// The scores of those that can be judged.
    fn scores<'p>(&mut self, photos: &'p [Photo]) -> Vec<(&'p Photo, f32)> {
        let Self { detector, options, depth, done, total, failed, observe } = self;
        let mut scores = Vec::with_capacity(photos.len());
        let judged = inspect_photos(detector, photos, options, |index, judged| {
            match judged {
                Ok(judged) => {
                    depth
                        .observe(judged.used_bits)
                        .into_iter()
                        .for_each(|it| observe(Event::Depth(it)));
                    scores.push((&photos[index], judged.inspection.score));
                }
                Err(error) => {
                    let path = photos[index].path.clone();
                    let failure = Failure { path, reason: error.to_string() };
                    observe(Event::Failed(&failure));
                    failed.push(failure);
                }
            }
            *done += 1;
            observe(Event::Progress { done: *done, total: *total });
            Ok::<_, std::convert::Infallible>(())
        });
        match judged {
            Ok(()) => scores,
        }
    }
}

impl CaughtDefects {
    fn at_threshold(threshold: f32, scores: &[(&Photo, f32)], calibration: &Calibration) -> Self {
        let missed = scores.iter().filter(|&&(_, score)| score < threshold);
        let mut missed: Vec<MissedDefect> = missed
            .map(|&(photo, score)| MissedDefect {
                path: photo.path.clone(),
                score,
                p_value: calibration.p_value(score),
            })
            .collect();
        missed.sort_by(|a, b| b.score.total_cmp(&a.score));
        let (images, caught) = (scores.len(), scores.len() - missed.len());
        let (lower, upper) = rate_interval(caught as u64, images as u64, CONFIDENCE);
        Self {
            images,
            caught,
            rate: (images > 0).then(|| caught as f64 / images as f64),
            interval: [lower, upper],
            confidence: CONFIDENCE,
            missed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defects_below_the_threshold_are_missed() {
        let photos =
            ["a", "b", "c", "d"].map(|name| Photo { path: name.into(), relative: name.into() });
        let scores: Vec<(&Photo, f32)> = photos.iter().zip([0.1, 0.5, 0.4, 0.3]).collect();
        let calibration = Calibration::new(vec![0.05, 0.1, 0.35]).unwrap();
        let caught = CaughtDefects::at_threshold(0.4, &scores, &calibration);
        assert_eq!((caught.images, caught.caught, caught.rate), (4, 2, Some(0.5)));
        // Of 2 among 4: R's binom.test gives 0.06758599 and 0.93241401.
        assert!((caught.interval[0] - 0.067_585_99).abs() < 1e-8, "{:?}", caught.interval);
        assert!((caught.interval[1] - 0.932_414_01).abs() < 1e-8, "{:?}", caught.interval);
        let missed: Vec<(&str, f64)> = caught
            .missed
            .iter()
            .map(|missed| (missed.path.to_str().unwrap(), missed.p_value))
            .collect();
        assert_eq!(missed, [("d", 0.5), ("a", 0.75)]);
        let none = CaughtDefects::at_threshold(0.4, &[], &calibration);
        assert_eq!((none.rate, none.interval), (None, [0.0, 1.0]));
    }
}
