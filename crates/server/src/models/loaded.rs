//! A model in memory.

use std::sync::{Mutex, PoisonError};

use efficientad::{Calibration, Detector};
use efficientad_datasets::Fingerprint;
use efficientad_evaluation::{DepthCheck, heat_range};
use efficientad_images::DecodeOptions;
use efficientad_images::heatmap::ValueRange;
use efficientad_stream::drift::{Alarm, DriftTest};

use crate::refusal::with_options;
use crate::stamp::Stamp;

/// Digits of a version.
const VERSION_DIGITS: usize = 16;

/// A model in memory, ready to inspect.
pub(crate) struct Loaded {
    pub name: String,
    /// SHA-256 of its file.
    pub fingerprint: Fingerprint,
    /// The same, as `sha256sum` prints it.
    pub sha256: String,
    pub stamp: Stamp,
    pub detector: Detector,
    pub decode: DecodeOptions,
    /// The colours of its overlays.
    pub range: ValueRange,
    /// What is to be said of its verdicts.
    pub remark: Option<String>,
    depth: Mutex<DepthCheck>,
    /// Whether scores still are those of calibration; `None` if there are too few of these.
    drift: Mutex<Option<DriftTest>>,
}

/// What a model is called beside others of its name, by the SHA-256 of its file.
pub(crate) fn version(sha256: &str) -> &str {
    sha256.get(..VERSION_DIGITS).unwrap_or(sha256)
}

impl Loaded {
    pub(super) fn new(
        name: String,
        fingerprint: Fingerprint,
        stamp: Stamp,
        detector: Detector,
        decode: DecodeOptions,
        (remark, defect_rate): (Option<String>, f64),
    ) -> Self {
        let depth = Mutex::new(DepthCheck::new(decode.bits));
        let range = heat_range(detector.threshold());
        let scores = detector.calibration().map_or(&[][..], Calibration::scores);
        let drift = Mutex::new(DriftTest::new(scores, defect_rate));
        let sha256 = fingerprint.to_string();
        Self { name, fingerprint, sha256, stamp, detector, decode, range, remark, depth, drift }
    }

    /// Names its content: the first digits of the hash.
    pub(crate) fn version(&self) -> &str {
        version(&self.sha256)
    }

    /// Takes the score of the next part, and tells if scores are no longer those of calibration.
    pub(crate) fn observe_score(&self, score: f32) -> Option<Alarm> {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.observe(score)
    }

    /// Tells in the log, once, if photos seem to have another depth than they are read as.
    pub(crate) fn observe_depth(&self, used_bits: Option<u8>) {
        let remark = self.depth.lock().unwrap_or_else(PoisonError::into_inner).observe(used_bits);
        if let Some(remark) = remark {
            tracing::warn!(model = self.name, "{}", with_options(&remark.to_string()));
        }
    }
}
