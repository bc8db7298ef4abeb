//! Metrics of one score per sample.

use serde::Serialize;

use crate::MetricError;
use crate::error::same_length;
use crate::key::{key_score, refuse_nan, score_key};
use crate::steps::{Auroc, AveragePrecision, Step, Totals};

/// One point of a ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// Samples with a score at or above this are called anomalous; infinite for the first point (0, 0).
    pub threshold: f32,
    /// Share of the good samples called anomalous, 0 to 1.
    pub false_positive_rate: f64,
    /// Share of the anomalous samples called anomalous, 0 to 1.
    pub true_positive_rate: f64,
}

/// One point of a precision-recall curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionRecallPoint {
    /// Samples with a score at or above this are called anomalous; infinite for the first point.
    pub threshold: f32,
    /// Share of the samples called anomalous that are, 0 to 1; 1 by convention where none is called so.
    pub precision: f64,
    /// Share of the anomalous samples called anomalous, 0 to 1.
    pub recall: f64,
}

/// The best reachable F1 score and where it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestF1 {
    /// Harmonic mean of precision and recall, 0 to 1.
    pub f1: f64,
    /// Samples with a score at or above this are called anomalous.
    pub threshold: f32,
    /// Share of the samples called anomalous that are, 0 to 1.
    pub precision: f64,
    /// Share of the anomalous samples called anomalous, 0 to 1.
    pub recall: f64,
}

/// Area under the ROC curve: the chance that an anomalous sample scores higher than a good one, ties counting half.
/// Equal to scikit-learn's `roc_auc_score`.
///
/// # Errors
/// A class is missing, a score is NaN, or the slices differ in length.
pub fn auroc(scores: &[f32], anomalous: &[bool]) -> Result<f64, MetricError> {
    let (steps, totals) = two_class_steps(scores, anomalous)?;
    let mut area = Auroc::new(totals);
    steps.iter().for_each(|step| area.push(step));
    Ok(area.finish().value)
}

/// Average precision, the step-wise area under the precision-recall curve (AU-PR).
/// Equal to scikit-learn's `average_precision_score`.
///
/// # Errors
/// A class is missing, a score is NaN, or the slices differ in length.
pub fn average_precision(scores: &[f32], anomalous: &[bool]) -> Result<f64, MetricError> {
    let (steps, totals) = two_class_steps(scores, anomalous)?;
    let mut area = AveragePrecision::new(totals);
    steps.iter().for_each(|step| area.push(step));
    Ok(area.finish().value)
}

/// The threshold with the highest F1 among the scores themselves, which are the thresholds of scikit-learn's
/// `precision_recall_curve`. Of equal ones the lowest wins, as `argmax` over that curve picks it.
///
/// # Errors
/// No sample is anomalous, a score is NaN, or the slices differ in length. Good samples are not needed.
pub fn best_f1(scores: &[f32], anomalous: &[bool]) -> Result<BestF1, MetricError> {
    let (steps, totals) = steps(scores, anomalous)?;
    if totals.anomalous == 0 {
        return Err(MetricError::NoAnomalous);
    }
    let mut best = (0_u64, 1_u64, 0_u32);
    let (mut hits, mut called) = (0, 0);
    for step in &steps {
        hits += step.anomalous;
        called += step.good + step.anomalous;
        let better_or_equal = u128::from(hits) * u128::from(best.1 + totals.anomalous)
            >= u128::from(best.0) * u128::from(called + totals.anomalous);
        if better_or_equal {
            best = (hits, called, step.key);
        }
    }
    let (hits, called, key) = best;
    Ok(BestF1 {
        f1: 2.0 * hits as f64 / (called + totals.anomalous) as f64,
        threshold: key_score(key),
        precision: hits as f64 / called as f64,
        recall: hits as f64 / totals.anomalous as f64,
    })
}

/// The ROC curve from (0, 0) to (1, 1), one point per distinct score, thresholds falling.
/// Equal to scikit-learn's `roc_curve` with `drop_intermediate=False`.
///
/// # Errors
/// A class is missing, a score is NaN, or the slices differ in length.
pub fn roc_curve(scores: &[f32], anomalous: &[bool]) -> Result<Vec<RocPoint>, MetricError> {
    let (steps, totals) = two_class_steps(scores, anomalous)?;
    let mut points = Vec::with_capacity(steps.len() + 1);
    points.push(RocPoint {
        threshold: f32::INFINITY,
        false_positive_rate: 0.0,
        true_positive_rate: 0.0,
    });
    let (mut alarms, mut hits) = (0, 0);
    for step in &steps {
        alarms += step.good;
        hits += step.anomalous;
        points.push(RocPoint {
            threshold: key_score(step.key),
            false_positive_rate: alarms as f64 / totals.good as f64,
            true_positive_rate: hits as f64 / totals.anomalous as f64,
        });
    }
    Ok(points)
}

/// The precision-recall curve from recall 0 to recall 1, one point per distinct score, thresholds falling.
/// Equal to scikit-learn's `precision_recall_curve`, which lists the same points the other way round.
///
/// # Errors
/// A class is missing, a score is NaN, or the slices differ in length.
pub fn precision_recall_curve(
    scores: &[f32],
    anomalous: &[bool],
) -> Result<Vec<PrecisionRecallPoint>, MetricError> {
    let (steps, totals) = two_class_steps(scores, anomalous)?;
    let mut points = Vec::with_capacity(steps.len() + 1);
    points.push(PrecisionRecallPoint { threshold: f32::INFINITY, precision: 1.0, recall: 0.0 });
    let (mut called, mut hits) = (0, 0);
    for step in &steps {
        called += step.good + step.anomalous;
        hits += step.anomalous;
        points.push(PrecisionRecallPoint {
            threshold: key_score(step.key),
            precision: hits as f64 / called as f64,
            recall: hits as f64 / totals.anomalous as f64,
        });
    }
    Ok(points)
}

fn two_class_steps(scores: &[f32], anomalous: &[bool]) -> Result<(Vec<Step>, Totals), MetricError> {
    let (steps, totals) = steps(scores, anomalous)?;
    match (totals.good, totals.anomalous) {
        (0, _) => Err(MetricError::NoGood),
        (_, 0) => Err(MetricError::NoAnomalous),
        _ => Ok((steps, totals)),
    }
}

/// Groups equal scores, highest first.
fn steps(scores: &[f32], anomalous: &[bool]) -> Result<(Vec<Step>, Totals), MetricError> {
    same_length(scores.len(), anomalous.len())?;
    refuse_nan(scores)?;
    let mut samples: Vec<(u32, bool)> =
        scores.iter().map(|&score| score_key(score)).zip(anomalous.iter().copied()).collect();
    samples.sort_unstable_by(|a, b| b.cmp(a));
    let steps: Vec<Step> = samples.chunk_by(|a, b| a.0 == b.0).map(step_of).collect();
    let totals = Totals {
        good: steps.iter().map(|step| step.good).sum(),
        anomalous: steps.iter().map(|step| step.anomalous).sum(),
        regions: 0,
    };
    Ok((steps, totals))
}

fn step_of(samples: &[(u32, bool)]) -> Step {
    let anomalous = samples.iter().filter(|sample| sample.1).count() as u64;
    Step { key: samples[0].0, good: samples.len() as u64 - anomalous, anomalous, overlap: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_class_is_named() {
        assert_eq!(auroc(&[1.0, 2.0], &[true, true]), Err(MetricError::NoGood));
        assert_eq!(auroc(&[1.0, 2.0], &[false, false]), Err(MetricError::NoAnomalous));
        assert_eq!(auroc(&[], &[]), Err(MetricError::NoGood));
        assert_eq!(average_precision(&[1.0], &[false]), Err(MetricError::NoAnomalous));
        assert_eq!(best_f1(&[1.0], &[false]), Err(MetricError::NoAnomalous));
        assert_eq!(roc_curve(&[1.0], &[true]), Err(MetricError::NoGood));
    }

    #[test]
    fn bad_input_is_named() {
        assert_eq!(auroc(&[1.0, f32::NAN], &[true, false]), Err(MetricError::NanScore(1)));
        let mismatch = MetricError::LengthMismatch { expected: 2, found: 1 };
        assert_eq!(auroc(&[1.0, 2.0], &[true]), Err(mismatch));
    }

    #[test]
    fn negative_and_positive_zero_tie() {
        assert_eq!(auroc(&[-0.0, 0.0], &[false, true]), Ok(0.5));
        assert_eq!(auroc(&[0.0, -0.0], &[false, true]), Ok(0.5));
    }

    #[test]
    fn infinite_scores_are_ordered() {
        let scores = [f32::NEG_INFINITY, 0.0, f32::INFINITY];
        assert_eq!(auroc(&scores, &[false, false, true]), Ok(1.0));
        assert_eq!(best_f1(&scores, &[false, false, true]).unwrap().threshold, f32::INFINITY);
    }

    #[test]
    fn of_equal_f1_the_lowest_threshold_wins() {
        // At 3: 2·1/(1+2) = 2/3. At 1: 2·2/(4+2) = 2/3.
        let best = best_f1(&[3.0, 2.0, 1.5, 1.0], &[true, false, false, true]).unwrap();
        assert_eq!((best.threshold, best.recall, best.precision), (1.0, 1.0, 0.5));
    }
}
