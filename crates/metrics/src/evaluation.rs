//! All metrics of one test set, overall and per defect kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    Curves, GroundTruth, MetricError, PixelCollector, PixelMetrics, PixelScores, SortedPixels,
    auroc, average_precision, best_f1,
};

/// The verdict on one test image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageScore {
    /// Name of the defect kind, or of the folder of good images.
    pub kind: String,
    /// Whether the image shows a defect.
    pub anomalous: bool,
    /// Anomaly score, higher is more anomalous.
    pub score: f32,
}

/// The metrics of one set of images; a metric that is not defined (a class is missing, no masks) is `None`.
/// All are shares between 0 and 1 except the threshold, which is a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Good images.
    pub n_good: usize,
    /// Anomalous images.
    pub n_anomalous: usize,
    /// Area under the ROC curve of the image scores.
    pub image_auroc: Option<f64>,
    /// Average precision of the image scores.
    pub image_aupr: Option<f64>,
    /// Best F1 over all thresholds, chosen on these very images: an upper limit, not a forecast.
    pub image_f1: Option<f64>,
    /// The threshold of that F1.
    pub image_f1_threshold: Option<f32>,
    /// Area under the ROC curve of the pixel scores.
    pub pixel_auroc: Option<f64>,
    /// Average precision of the pixel scores.
    pub pixel_aupr: Option<f64>,
    /// Area under the per-region overlap up to a false-positive rate of 0.3, divided by 0.3; with saturated
    /// regions this is the sPRO's area.
    pub aupro: Option<f64>,
    /// The same up to a false-positive rate of 0.05: what MVTec LOCO and MVTec AD 2 are compared by.
    pub aupro_05: Option<f64>,
    /// Largest amount by which any of the pixel metrics can differ from the exact value; 0 up to
    /// [`DEFAULT_EXACT_LIMIT`](crate::DEFAULT_EXACT_LIMIT) pixels.
    pub pixel_error: f64,
}

/// The metrics of a test set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// All images together.
    pub overall: Metrics,
    /// Each defect kind against all good images.
    pub kinds: BTreeMap<String, Metrics>,
    /// The curves over all images together.
    pub curves: Curves,
}

/// Collects verdicts, and where there are any, anomaly maps, image by image.
///
/// Memory: one record an image, and what [`PixelCollector`] states for the maps.
#[derive(Debug, Default)]
pub struct Evaluator {
    images: Vec<ImageScore>,
    pixels: PixelCollector,
}

impl Evaluator {
    /// An evaluator without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one image without its map (an anomalous image that has no mask, or an evaluation by image only).
    pub fn add_image(&mut self, image: ImageScore) {
        self.images.push(image);
    }

    /// Adds one image with its anomaly map and ground truth. Whether its pixels count with the good images or with
    /// a defect kind follows `image.anomalous`.
    ///
    /// # Errors
    /// As [`PixelCollector::add`]; the image is then not added at all.
    pub fn add_image_with_map(
        &mut self,
        image: ImageScore,
        map: PixelScores<'_>,
        truth: GroundTruth<'_>,
    ) -> Result<(), MetricError> {
        self.pixels.add(image.anomalous.then_some(image.kind.as_str()), map, truth)?;
        self.images.push(image);
        Ok(())
    }

    /// The verdicts added so far.
    pub fn images(&self) -> &[ImageScore] {
        &self.images
    }

    /// Computes all metrics; sorts the pixels, so it may take seconds for 10⁸ of them.
    ///
    /// # Errors
    /// An image score is NaN ([`MetricError::NanScore`] with the image's index).
    pub fn evaluate(self) -> Result<Evaluation, MetricError> {
        crate::key::refuse_nan(&self.images.iter().map(|image| image.score).collect::<Vec<_>>())?;
        let pixels = self.pixels.sort();
        let names: BTreeSet<&str> = self
            .images
            .iter()
            .filter(|image| image.anomalous)
            .map(|image| image.kind.as_str())
            .collect();
        let kinds = names
            .into_iter()
            .map(|kind| (kind.to_owned(), kind_metrics(&self.images, &pixels, kind)))
            .collect();
        let overall = metrics(self.images.iter(), pixels.overall().ok());
        Ok(Evaluation { overall, kinds, curves: Curves::of(&self.images, &pixels) })
    }
}

fn kind_metrics(images: &[ImageScore], pixels: &SortedPixels, kind: &str) -> Metrics {
    let chosen = images.iter().filter(|image| !image.anomalous || image.kind == kind);
    metrics(chosen, pixels.kind(kind).ok())
}

fn metrics<'a>(
    images: impl Iterator<Item = &'a ImageScore>,
    pixels: Option<PixelMetrics>,
) -> Metrics {
    let (scores, anomalous): (Vec<f32>, Vec<bool>) =
        images.map(|image| (image.score, image.anomalous)).unzip();
    let n_anomalous = anomalous.iter().filter(|&&anomalous| anomalous).count();
    let n_good = anomalous.len() - n_anomalous;
    let f1 = best_f1(&scores, &anomalous).ok().filter(|_| n_good > 0);
    Metrics {
        n_good,
        n_anomalous,
        image_auroc: auroc(&scores, &anomalous).ok(),
        image_aupr: average_precision(&scores, &anomalous).ok(),
        image_f1: f1.map(|best| best.f1),
        image_f1_threshold: f1.map(|best| best.threshold),
        pixel_auroc: pixels.map(|pixels| pixels.auroc),
        pixel_aupr: pixels.map(|pixels| pixels.aupr),
        aupro: pixels.map(|pixels| pixels.aupro),
        aupro_05: pixels.map(|pixels| pixels.aupro_05),
        pixel_error: pixels.map_or(0.0, |pixels| pixels.error()),
    }
}
