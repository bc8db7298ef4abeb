//! The one place that every verdict passes before its request is answered.

use efficientad_evaluation::Verdict;

use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::models::Loaded;

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
    pub verdict: &'a Verdict,
    /// Seconds that decoding and inspecting took.
    pub seconds: f64,
}

/// What is done with verdicts. A record of them belongs here: what [`pass`](Self::pass) does is done
/// before the client has its answer.
pub(crate) struct Verdicts {
    metrics: Metrics,
    feed: Feed,
}

impl Verdicts {
    pub(crate) fn new(metrics: Metrics, feed: Feed) -> Self {
        Self { metrics, feed }
    }

    /// Takes a verdict, in the thread that inspected.
    pub(crate) fn pass(&self, passing: &Passing<'_>) {
        let Passing { origin, model, name, verdict, seconds } = passing;
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
        self.feed.judged(passing, alarm);
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
    }

    /// Takes notice of a photo without a verdict.
    pub(crate) fn fail(&self, model: &Loaded) {
        self.metrics.failed(&model.name);
    }
}
