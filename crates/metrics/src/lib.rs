//! Anomaly detection metrics: AU-ROC, AU-PR, F1, AU-PRO, sPRO.
//!
//! The crate knows nothing of files or networks: it takes scores and ground truth and returns numbers.
//!
//! - [`auroc`], [`average_precision`], [`best_f1`], [`roc_curve`], [`precision_recall_curve`]: one score per image,
//!   equal to scikit-learn's.
//! - [`PixelCollector`] → [`SortedPixels`]: pixel AU-ROC, pixel AU-PR and AU-PRO (or sPRO) over many anomaly maps
//!   in bounded memory.
//! - [`Evaluator`] → [`Evaluation`]: all of them together, overall and per defect kind.
//! - [`Curves`]: the curves behind these areas, with few enough points to be drawn.
//! - [`Confusion`]: counts of right and wrong verdicts at one threshold.
//! - [`rate_upper_bound`], [`rate_interval`]: what such counts say about the rates behind them.
//! - [`connected_components`]: the regions of a mask.
//!
//! Everywhere a *higher* score means *more anomalous*, and a score equal to the threshold counts as anomalous.
//!
//! ```
//! let scores = [0.1, 0.4, 0.35, 0.8];
//! let anomalous = [false, false, true, true];
//! assert_eq!(efficientad_metrics::auroc(&scores, &anomalous), Ok(0.75));
//! ```

mod binomial;
mod components;
mod confusion;
mod curves;
mod error;
mod evaluation;
mod key;
mod pixels;
mod ranking;
mod steps;

pub use binomial::{rate_interval, rate_upper_bound};
pub use components::{Components, connected_components};
pub use confusion::{Confusion, confusion_by_kind};
pub use curves::{CURVE_TOLERANCE, Curves};
pub use error::MetricError;
pub use evaluation::{Evaluation, Evaluator, ImageScore, Metrics};
pub use pixels::{
    AUPRO_05_FPR_LIMIT, AUPRO_FPR_LIMIT, DEFAULT_EXACT_LIMIT, GroundTruth, PixelCollector,
    PixelMetrics, PixelScores, ProPoint, SaturatedRegion, SortedPixels,
};
pub use ranking::{
    BestF1, PrecisionRecallPoint, RocPoint, auroc, average_precision, best_f1,
    precision_recall_curve, roc_curve,
};
