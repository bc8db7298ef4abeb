//! Judging many images: verdicts in order, heat maps on disk, metrics against the truth.
//!
//! | item | what it does |
//! |---|---|
//! | [`find_photos`] | which photos to judge, and what to call their results |
//! | [`Frame`] | a photo as it comes: a file, a file's bytes, or pixels in memory |
//! | [`judge`], [`inspect_photos`] | judges photos with several threads, verdicts in order |
//! | [`Verdict`], [`VerdictRecord`] | a verdict as it is logged and printed: JSON, CSV, text |
//! | [`evaluate()`] | judges a data set's test images and computes every metric: a [`Report`] |
//! | [`Report`] | metrics overall and per defect kind, verdicts at the threshold, each image's score |
//! | [`shards`] | the same by several processes, each a part of the photos |
//! | [`calibrate()`] | takes a model's threshold from other good images, and tries it on defects |
//! | [`OutputFolder`], [`heat_overlay`], [`heat_range`] | anomaly maps for scripts, pictures for people |
//!
//! Memory does not grow with the number of images, but for what the pixel metrics keep (see
//! [`PixelCollector`](efficientad_metrics::PixelCollector)): at any time there are at most twice as
//! many decoded images as threads that judge ([`JudgeOptions::workers`]).

mod calibrate;
mod depth;
mod error;
mod evaluate;
mod frame;
mod heat;
mod in_order;
mod inspect;
mod output;
mod photo;
mod ranking;
mod report;
pub mod shards;
mod truth;
mod verdict;

pub use calibrate::{CalibrationPhotos, CalibrationReport, CaughtDefects, MissedDefect, calibrate};
pub use depth::{DepthCheck, DepthRemark};
pub use error::{EvaluationError, InspectError, OutputError};
pub use evaluate::{Event, Options, Sample, evaluate, evaluate_merged, test_photos};
pub use frame::{Frame, Pixels};
pub use heat::{heat_overlay, heat_range};
pub use inspect::{JudgeOptions, Judged, Judging, inspect, inspect_photos, judge};
pub use output::OutputFolder;
pub use photo::{FoundPhotos, Photo, find_photos};
pub use report::{Failure, JudgedImage, Report, Verdicts};
pub use truth::MaskReading;
pub use verdict::{Verdict, VerdictRecord};
