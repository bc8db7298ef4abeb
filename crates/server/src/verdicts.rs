//! The one place that every verdict passes before its request is answered.

use efficientad_datasets::Fingerprint;
use efficientad_evaluation::Verdict;
use efficientad_record::{Entry, Photo, Record};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::archive::refused;
use crate::feed::Feed;
use crate::inspecting::Content;
use crate::metrics::Metrics;
use crate::models::Loaded;
use crate::refusal::Refusal;

/// Where a photo comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The request's id, as in the log and in its answer.
    pub request: String,
    /// Who sent it: the name of a token.
    pub client: Option<String>,
}

/// A verdict on its way to the client.
pub(crate) struct Passing<'a> {
    pub origin: &'a Origin,
    pub model: &'a Loaded,
    /// What the client calls the photo.
    pub name: &'a str,
    pub content: &'a Content,
    pub verdict: &'a Verdict,
    /// Seconds that decoding and inspecting took.
    pub seconds: f64,
}

/// Where the record has a verdict.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Place {
    /// The number of its entry.
    pub entry: i64,
    /// Whether its photo was kept.
    pub photo_kept: bool,
}

/// What is done with verdicts before the client has its answer.
pub(crate) struct Verdicts {
    metrics: Metrics,
    feed: Feed,
    /// Where they are recorded; `None` if the server has no folder of data.
    record: Option<Record>,
}

impl Verdicts {
    pub(crate) fn new(metrics: Metrics, feed: Feed, record: Option<Record>) -> Self {
        Self { metrics, feed, record }
    }

    /// Takes a verdict, in the thread that inspected. Where there is a record, the verdict is in it, for good,
    /// or there is none.
    pub(crate) fn pass(&self, passing: &Passing<'_>) -> Result<(), Refusal> {
        let Passing { origin, model, name, verdict, seconds, .. } = passing;
        let mut recorded = None;
        if let Some(record) = &self.record {
            let photo = passing.content.recorded();
            let entry = record.add(passing.entry(), photo).map_err(|error| {
                tracing::error!(
                    model = model.name,
                    "a verdict is not given, for it can't be recorded: {error}"
                );
                self.metrics.failed(&model.name);
                refused(error)
            })?;
            recorded = Some(Place { entry, photo_kept: record.keeps(verdict, photo) });
        }
        self.metrics.judged(&model.name, verdict, *seconds);
        let alarm = model.observe_score(verdict.score);
        if let Some(alarm) = &alarm {
            self.metrics.drifted(&model.name, alarm.direction);
            tracing::warn!(
                model = model.name,
                direction = ?alarm.direction,
                level = alarm.level,
                parts = alarm.parts,
                beyond = alarm.beyond,
                explained = alarm.explained,
                "drift: scores are no longer those of calibration; look at the lamp, the camera and the \
                 parts, or calibrate again"
            );
        }
        self.feed.judged(passing, recorded, alarm);
        tracing::debug!(
            request = origin.request,
            client = origin.client,
            model = model.name,
            version = model.version(),
            photo = name,
            score = verdict.score,
            anomalous = verdict.anomalous,
            "judged"
        );
        Ok(())
    }

    /// Takes notice of a photo without a verdict.
    pub(crate) fn fail(&self, model: &Loaded) {
        self.metrics.failed(&model.name);
    }
}

impl Passing<'_> {
    /// As the record has it.
    fn entry(&self) -> Entry {
        let Self { origin, model, name, verdict, seconds, .. } = *self;
        Entry {
            time: Timestamp::now(),
            model: model.name.clone(),
            model_sha256: model.fingerprint,
            path: name.to_owned(),
            verdict: verdict.clone(),
            engine: model.detector.engine(),
            threshold: model.detector.threshold(),
            client: origin.client.clone().unwrap_or_default(),
            elapsed_ms: 1000.0 * seconds,
        }
    }
}

impl Content {
    /// As the record has it: a file may be kept, pixels have their SHA-256 alone.
    fn recorded(&self) -> Photo<'_> {
        match self {
            Self::File(bytes) => Photo::of(bytes),
            Self::Rgb { bytes, .. } => Photo::named(Fingerprint(Sha256::digest(bytes).into())),
        }
    }
}
