//! What is measured, for Prometheus.

use std::time::Duration;

use efficientad_evaluation::Verdict;
use efficientad_stream::drift::Direction;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The type of what [`Metrics::text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// What is measured. Clones measure together.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    request_seconds: Histograms,
    photos: Family<Labels, Counter>,
    photo_seconds: Histograms,
    scores: Histograms,
    alarms: Family<Labels, Counter>,
}

/// What is looked up when somebody asks.
pub(crate) struct Snapshot {
    /// Photos queued or being inspected, and how many may be.
    pub queue: (usize, usize),
    /// Bytes of requests and results in memory.
    pub memory: usize,
    /// Models in memory: their names and thresholds.
    pub models: Vec<(String, Option<f32>)>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            photos: Family::default(),
            photo_seconds: Family::new_with_constructor(seconds),
            scores: Family::new_with_constructor(scores),
            alarms: Family::default(),
        }
    }
}

/// From 2 ms to a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.002, 2.0, 16))
}

/// Scores are scaled so that 0.1 is where one good pixel in two hundred lies.
fn scores() -> Histogram {
    Histogram::new(exponential_buckets(0.05, 1.25, 24))
}

impl Metrics {
    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, status: u16, time: Duration) {
        let route = ("route", route.to_owned());
        let labels = vec![route.clone(), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&vec![route]).observe(time.as_secs_f64());
    }

    /// A photo has its verdict.
    pub(crate) fn judged(&self, model: &str, verdict: &Verdict, seconds: f64) {
        let word = match verdict.anomalous {
            Some(true) => "anomalous",
            Some(false) => "good",
            None => "none",
        };
        self.count(model, word);
        let labels = vec![("model", model.to_owned())];
        self.photo_seconds.get_or_create(&labels).observe(seconds);
        self.scores.get_or_create(&labels).observe(verdict.score.into());
    }

    /// Scores are no longer those of calibration.
    pub(crate) fn drifted(&self, model: &str, direction: Direction) {
        let direction = match direction {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        };
        let labels = vec![("model", model.to_owned()), ("direction", direction.to_owned())];
        self.alarms.get_or_create(&labels).inc();
    }

    /// A photo has none.
    pub(crate) fn failed(&self, model: &str) {
        self.count(model, "failed");
    }

    fn count(&self, model: &str, verdict: &str) {
        let labels = vec![("model", model.to_owned()), ("verdict", verdict.to_owned())];
        self.photos.get_or_create(&labels).inc();
    }

    /// All of it, as OpenMetrics text.
    pub(crate) fn text(&self, snapshot: &Snapshot) -> String {
        let mut registry = Registry::with_prefix("efficientad");
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request",
            "From the head of a request to that of its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register("photos", "Photos by verdict", self.photos.clone());
        registry.register_with_unit(
            "photo",
            "Decoding and inspecting a photo",
            Unit::Seconds,
            self.photo_seconds.clone(),
        );
        registry.register("score", "Scores of photos", self.scores.clone());
        registry.register("drift_alarms", "Alarms of drift", self.alarms.clone());
        let (taken, places) = snapshot.queue;
        let gauges = [
            ("queue_photos", "Photos queued or being inspected", taken),
            ("queue_places", "How many may be", places),
            ("models_loaded", "Models in memory", snapshot.models.len()),
            ("held_bytes", "Requests and results in memory", snapshot.memory),
        ];
        for (name, help, value) in gauges {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        let thresholds = Family::<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
        for (model, threshold) in &snapshot.models {
            if let Some(threshold) = threshold {
                let labels = vec![("model", model.clone())];
                thresholds.get_or_create(&labels).set((*threshold).into());
            }
        }
        registry.register("threshold", "Score from which a photo is anomalous", thresholds);
        let mut text = String::new();
        // A string takes all that is written to it.
        let _ = encode(&mut text, &registry);
        text
    }
}
