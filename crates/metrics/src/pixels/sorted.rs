//! Metrics of collected pixels.

use std::collections::BTreeMap;

use serde::Serialize;

use super::collector::{Group, Store};
use super::exact::ExactCursor;
use super::histogram::HistogramCursor;
use super::{AUPRO_05_FPR_LIMIT, AUPRO_FPR_LIMIT};
use crate::MetricError;
use crate::curves::{CurvePoint, Thinned};
use crate::key::key_score;
use crate::steps::{Aupro, Auroc, AveragePrecision, Step, Totals};

/// The pixel metrics of a set of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PixelMetrics {
    /// Pixels outside defects, of all images.
    pub n_good: u64,
    /// Defect pixels.
    pub n_anomalous: u64,
    /// Defect regions.
    pub n_regions: u64,
    /// Area under the ROC curve, 0 to 1.
    pub auroc: f64,
    /// Average precision, 0 to 1.
    pub aupr: f64,
    /// Area under the mean per-region overlap against the false-positive rate, up to a rate of 0.3 and divided by it.
    pub aupro: f64,
    /// The same up to 0.05.
    pub aupro_05: f64,
    /// Largest amount by which `auroc` can differ from the exact value. It is 0 where every score was kept.
    pub auroc_error: f64,
    /// The same for `aupr`.
    pub aupr_error: f64,
    /// The same for `aupro`.
    pub aupro_error: f64,
    /// The same for `aupro_05`.
    pub aupro_05_error: f64,
}

impl PixelMetrics {
    /// The largest of the error bounds.
    pub fn error(&self) -> f64 {
        self.auroc_error.max(self.aupr_error).max(self.aupro_error).max(self.aupro_05_error)
    }
}

/// One point of a PRO curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProPoint {
    /// Pixels with a score at or above this are called anomalous; infinite for the first point (0, 0).
    pub threshold: f32,
    /// Share of the good pixels called anomalous, 0 to 1.
    pub false_positive_rate: f64,
    /// Mean over the regions of the share of each that is called anomalous, 0 to 1; of saturated regions the share
    /// of the saturation area, at most 1 each (sPRO).
    pub mean_overlap: f64,
}

impl CurvePoint for ProPoint {
    fn position(&self) -> [f64; 2] {
        [self.false_positive_rate, self.mean_overlap]
    }
}

/// Collected pixels in order of their scores.
#[derive(Debug)]
pub struct SortedPixels {
    pub(super) groups: BTreeMap<Option<String>, Group>,
}

impl SortedPixels {
    /// Metrics over all images.
    ///
    /// # Errors
    /// There are no defect pixels or no good ones.
    pub fn overall(&self) -> Result<PixelMetrics, MetricError> {
        pixel_metrics(&self.groups.values().collect::<Vec<_>>())
    }

    /// Metrics over the good images and those of one defect kind.
    ///
    /// # Errors
    /// As [`overall`](Self::overall); a kind that was never added has no defect pixels.
    pub fn kind(&self, kind: &str) -> Result<PixelMetrics, MetricError> {
        let chosen =
            self.groups.iter().filter(|(name, _)| name.as_deref().is_none_or(|name| name == kind));
        pixel_metrics(&chosen.map(|(_, group)| group).collect::<Vec<_>>())
    }

    /// The PRO curve over all images, from (0, 0) to the false-positive rate `fpr_limit`, where the last point is
    /// interpolated as for AU-PRO. Its points are thinned as [`Curves`](crate::Curves) describes; with a `tolerance`
    /// of 0 there is one for each distinct score.
    ///
    /// # Errors
    /// As [`overall`](Self::overall); and if the limit is not in (0, 1].
    pub fn pro_curve(&self, fpr_limit: f64, tolerance: f64) -> Result<Vec<ProPoint>, MetricError> {
        let groups: Vec<&Group> = self.groups.values().collect();
        if !(fpr_limit > 0.0 && fpr_limit <= 1.0) {
            return Err(MetricError::FprLimit);
        }
        let totals = two_class_totals(&groups)?;
        let mut last =
            ProPoint { threshold: f32::INFINITY, false_positive_rate: 0.0, mean_overlap: 0.0 };
        let mut points = Thinned::new(tolerance);
        points.push(last);
        let (mut alarms, mut overlap) = (0, 0.0);
        walk(&groups, |step| {
            alarms += step.good;
            overlap += step.overlap;
            let point = ProPoint {
                threshold: key_score(step.key),
                false_positive_rate: alarms as f64 / totals.good as f64,
                mean_overlap: overlap / totals.regions as f64,
            };
            if last.false_positive_rate < fpr_limit {
                points.push(cut_at(fpr_limit, last, point));
            }
            last = point;
        });
        Ok(points.finish())
    }
}

/// `point`, or where the line from `last` to it crosses the limit.
fn cut_at(fpr_limit: f64, last: ProPoint, point: ProPoint) -> ProPoint {
    let (left, right) = (last.false_positive_rate, point.false_positive_rate);
    if right <= fpr_limit {
        return point;
    }
    let share = (fpr_limit - left) / (right - left);
    let mean_overlap = last.mean_overlap + share * (point.mean_overlap - last.mean_overlap);
    ProPoint { false_positive_rate: fpr_limit, mean_overlap, ..point }
}

/// Totals of groups that metrics are defined for.
fn two_class_totals(groups: &[&Group]) -> Result<Totals, MetricError> {
    let totals = sum_totals(groups);
    match (totals.good, totals.anomalous) {
        (0, _) => Err(MetricError::NoGood),
        (_, 0) => Err(MetricError::NoAnomalous),
        _ => Ok(totals),
    }
}

fn pixel_metrics(groups: &[&Group]) -> Result<PixelMetrics, MetricError> {
    let totals = two_class_totals(groups)?;
    let mut auroc = Auroc::new(totals);
    let mut aupr = AveragePrecision::new(totals);
    let mut aupro = Aupro::new(totals, AUPRO_FPR_LIMIT);
    let mut aupro_05 = Aupro::new(totals, AUPRO_05_FPR_LIMIT);
    walk(groups, |step| {
        auroc.push(step);
        aupr.push(step);
        aupro.push(step);
        aupro_05.push(step);
    });
    let bucketed = groups.iter().any(|group| matches!(group.store, Store::Buckets(_)));
    let (auroc, aupr) = (auroc.finish(), aupr.finish());
    let (aupro, aupro_05) = (aupro.finish(), aupro_05.finish());
    let error = |bound: f64| if bucketed { bound } else { 0.0 };
    Ok(PixelMetrics {
        n_good: totals.good,
        n_anomalous: totals.anomalous,
        n_regions: totals.regions,
        auroc: auroc.value,
        aupr: aupr.value,
        aupro: aupro.value,
        aupro_05: aupro_05.value,
        auroc_error: error(auroc.error),
        aupr_error: error(aupr.error),
        aupro_error: error(aupro.error),
        aupro_05_error: error(aupro_05.error),
    })
}

fn sum_totals(groups: &[&Group]) -> Totals {
    groups.iter().fold(Totals::default(), |sum, group| Totals {
        good: sum.good + group.totals.good,
        anomalous: sum.anomalous + group.totals.anomalous,
        regions: sum.regions + group.totals.regions,
    })
}

/// Visits the union of the groups' pixels, one step per distinct key, highest first.
fn walk(groups: &[&Group], mut visit: impl FnMut(&Step)) {
    let mut cursors: Vec<Cursor<'_>> = groups.iter().map(|group| Cursor::new(group)).collect();
    while let Some(key) = cursors.iter().filter_map(Cursor::peek).max() {
        let mut step = Step { key, ..Step::default() };
        cursors.iter_mut().for_each(|cursor| cursor.take(&mut step));
        visit(&step);
    }
}

enum Cursor<'a> {
    Exact(ExactCursor<'a>),
    Buckets(HistogramCursor<'a>),
}

impl<'a> Cursor<'a> {
    fn new(group: &'a Group) -> Self {
        match &group.store {
            Store::Exact(pixels) => Self::Exact(pixels.cursor()),
            Store::Buckets(histogram) => Self::Buckets(histogram.cursor()),
        }
    }

    fn peek(&self) -> Option<u32> {
        match self {
            Self::Exact(cursor) => cursor.peek(),
            Self::Buckets(cursor) => cursor.peek(),
        }
    }

    fn take(&mut self, step: &mut Step) {
        match self {
            Self::Exact(cursor) => cursor.take(step),
            Self::Buckets(cursor) => cursor.take(step),
        }
    }
}
