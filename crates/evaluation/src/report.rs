//! What an evaluation finds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use efficientad::Threshold;
use efficientad_images::MaskKind;
use efficientad_metrics::{Confusion, Curves, ImageScore, Metrics, confusion_by_kind};
use serde::Serialize;

/// All that an evaluation finds; as JSON, the overall metrics are keys of the document itself.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The metrics over all test images.
    #[serde(flatten)]
    pub overall: Metrics,
    /// The metrics of each defect kind against all good images.
    pub kinds: BTreeMap<String, Metrics>,
    /// The curves over all test images, to be drawn; not in the JSON.
    #[serde(skip)]
    pub curves: Curves,
    /// The score from which an image was called anomalous; `None` if the model has no threshold.
    pub threshold: Option<f32>,
    /// Why the threshold is there, and what it promises.
    pub promise: Option<Threshold>,
    /// Right and wrong verdicts at that threshold.
    pub verdicts: Option<Verdicts>,
    /// Images of defects without a mask; they count for the image metrics only.
    pub without_mask: usize,
    /// How the masks were told that were told by their look, and how many of each kind there are.
    pub mask_kinds: BTreeMap<MaskKind, usize>,
    /// Images of defects whose mask shows none: their pixels all count as good.
    pub empty_masks: usize,
    /// Masks that call more than half of their image a defect: a sign that they are to be inverted.
    pub mostly_defect_masks: usize,
    /// Every judged image, in the data set's order.
    pub images: Vec<JudgedImage>,
    /// Every image that could not be judged; it counts nowhere.
    pub failed: Vec<Failure>,
    /// Every image whose mask could not be used; it counts for the image metrics only.
    pub unusable_masks: Vec<Failure>,
    /// Files of the data set's folders that are not taken for images, by extension in lower case.
    pub left_out: BTreeMap<String, usize>,
}

impl Report {
    /// What MVTec LOCO's results are stated as: the means, over its two kinds of anomalies, of image AU-ROC and of
    /// AU-sPRO up to a false-positive rate of 0.05. `None` if one of them has no value.
    pub fn loco_means(&self) -> Option<(f64, f64)> {
        let mean = |of: fn(&Metrics) -> Option<f64>| {
            let values: Option<Vec<f64>> = self.kinds.values().map(of).collect();
            values.filter(|it| !it.is_empty()).map(|it| it.iter().sum::<f64>() / it.len() as f64)
        };
        mean(|kind| kind.image_auroc).zip(mean(|kind| kind.aupro_05))
    }
}

/// Counts of verdicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdicts {
    /// Over all test images.
    pub overall: Confusion,
    /// Of each kind by itself, the good images too.
    pub kinds: BTreeMap<String, Confusion>,
}

impl Verdicts {
    pub(crate) fn at_threshold(images: &[ImageScore], threshold: f32) -> Self {
        Self {
            overall: Confusion::at_threshold(images, threshold),
            kinds: confusion_by_kind(images, threshold),
        }
    }
}

/// One test image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedImage {
    /// Its path below the data set's root.
    pub path: PathBuf,
    /// Its defect kind, or `good`.
    pub kind: String,
    /// The truth: whether it shows a defect.
    pub defective: bool,
    /// Its anomaly score.
    pub score: f32,
    /// The verdict; `None` if the model has no threshold.
    pub anomalous: Option<bool>,
    /// How probable such a score is for a good image; `None` if the model keeps no scores of good
    /// images.
    pub p_value: Option<f64>,
}

/// An image or mask that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its path below the data set's root.
    pub path: PathBuf,
    /// Why, with the file that is to blame.
    pub reason: String,
}
