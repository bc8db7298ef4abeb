//! What goes out: one record for all outputs.

use std::time::Duration;

use efficientad_stream::entry::Key;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest reason that goes out, in characters; the log has the whole.
const MAX_REASON: usize = 300;

/// What happened at a line: a line of its log, as it goes out. Every field is always there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// 32 hexadecimal digits that stay the same however often the record is sent: of the photo for
    /// `judged` and `failed`, otherwise of the line of the log.
    pub id: String,
    /// Number of the line of the log, from 1. Numbers are left out where lines of the log are not
    /// sent.
    pub sequence: u64,
    /// Name of the station.
    pub station: String,
    /// Name of the line.
    pub line: String,
    /// What happened.
    pub event: EventKind,
    /// When it was written into the log, UTC (RFC 3339).
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub time: Timestamp,
    /// When the photo was taken, UTC (RFC 3339): by the camera's clock if that is known to be UTC,
    /// otherwise when it arrived.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub captured: Option<Timestamp>,
    /// What the log calls the photo.
    pub photo: Option<String>,
    /// The verdict; null for events that are none, and without threshold.
    pub verdict: Option<VerdictKind>,
    /// What a PLC acts on: true for verdicts that are not good. With the fail-safe `reject` also
    /// for photos without verdict, frames that were dropped, and a line that judges no more.
    pub reject: bool,
    /// Largest value of the anomaly map.
    pub score: Option<f32>,
    /// Score from which on a photo is anomalous.
    pub threshold: Option<f32>,
    /// How probable such a score is for a good photo, from 0 to 1.
    pub p_value: Option<f64>,
    /// SHA-256 of the model's file, 64 hexadecimal digits.
    pub model: Option<String>,
    /// Whether the verdict was older than the line's budget when it was sent.
    pub late: bool,
    /// Age of the photo when the record was sent, in milliseconds.
    pub age_ms: Option<u64>,
    /// Number of frames that were dropped.
    pub frames: Option<u64>,
    /// Why a photo failed, frames were dropped or a camera is lost; what drift was found.
    pub reason: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The line began to judge.
    Started,
    /// A photo was judged.
    Judged,
    /// A photo could not be judged.
    Failed,
    /// Scores differ from those of calibration.
    Drift,
    /// Frames were taken that will not be judged.
    Dropped,
    /// The camera is out of reach.
    Lost,
    /// The camera is back.
    Back,
    /// The line ended as it should.
    Stopped,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// The score is below the threshold.
    Good,
    /// The score reaches the threshold.
    Anomalous,
    /// The photo could not be judged.
    Failed,
}

/// Which records go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Events {
    /// One for each photo: `judged` and `failed`.
    #[default]
    Verdicts,
    /// All of them.
    All,
}

/// What a line does about parts that it has no verdict on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailSafe {
    /// They are rejects.
    #[default]
    Reject,
    /// They are no rejects; the line says that it is not ready.
    Stop,
}

impl EventKind {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Judged => "judged",
            Self::Failed => "failed",
            Self::Drift => "drift",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
            Self::Back => "back",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it is about a photo that is done with.
    pub fn is_verdict(self) -> bool {
        matches!(self, Self::Judged | Self::Failed)
    }
}

impl VerdictKind {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Anomalous => "anomalous",
            Self::Failed => "failed",
        }
    }
}

impl Events {
    /// Whether a record goes out.
    pub(crate) fn wants(self, event: EventKind) -> bool {
        self == Self::All || event.is_verdict()
    }
}

impl Record {
    /// The names of its fields, in their order.
    pub const FIELDS: [&str; 18] = [
        "id",
        "sequence",
        "station",
        "line",
        "event",
        "time",
        "captured",
        "photo",
        "verdict",
        "reject",
        "score",
        "threshold",
        "p_value",
        "model",
        "late",
        "age_ms",
        "frames",
        "reason",
    ];

    /// The values of its fields as text, in their order: nothing for null, 1 and 0 for true and false.
    pub fn cells(&self) -> [String; 18] {
        fn text(value: &Option<impl ToString>) -> String {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        }
        let flag = |flag| u8::from(flag).to_string();
        [
            self.id.clone(),
            self.sequence.to_string(),
            self.station.clone(),
            self.line.clone(),
            self.event.name().to_owned(),
            self.time.to_string(),
            text(&self.captured),
            text(&self.photo),
            text(&self.verdict.map(VerdictKind::name)),
            flag(self.reject),
            text(&self.score),
            text(&self.threshold),
            text(&self.p_value),
            text(&self.model),
            flag(self.late),
            text(&self.age_ms),
            text(&self.frames),
            text(&self.reason),
        ]
    }

    /// Notes how old the photo is now, when the record is sent.
    pub(crate) fn stamp(&mut self, now: Timestamp, budget: Option<Duration>) {
        let Some(captured) = self.captured else { return };
        let age = age(captured, now);
        self.age_ms = Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        self.late = budget.is_some_and(|budget| age > budget);
    }
}

/// How old a photo is; nothing if it is of the future, by a clock that is set wrong.
pub(crate) fn age(captured: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(captured)).unwrap_or_default()
}

/// The `id` of a photo's records.
pub(crate) fn photo_id(key: Key) -> String {
    key.digits()
}

/// The beginning of a reason.
pub(crate) fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
pub(crate) use tests::record as example;

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn record() -> Record {
        Record {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            sequence: 7,
            station: "cell 4".to_owned(),
            line: "lids".to_owned(),
            event: EventKind::Judged,
            time: "2026-11-24T11:00:01.5Z".parse().unwrap(),
            captured: Some("2026-11-24T11:00:01Z".parse().unwrap()),
            photo: Some("a/1.png".to_owned()),
            verdict: Some(VerdictKind::Anomalous),
            reject: true,
            score: Some(0.1),
            threshold: Some(0.05),
            p_value: Some(0.25),
            model: None,
            late: false,
            age_ms: None,
            frames: None,
            reason: None,
        }
    }

    #[test]
    fn fields_are_named_in_the_order_of_json() {
        let json = serde_json::to_string(&record()).unwrap();
        let expected = r#"{"id":"0123456789abcdef0123456789abcdef","sequence":7,"station":"cell 4","line":"lids","event":"judged","time":"2026-11-24T11:00:01.5Z","captured":"2026-11-24T11:00:01Z","photo":"a/1.png","verdict":"anomalous","reject":true,"score":0.1,"threshold":0.05,"p_value":0.25,"model":null,"late":false,"age_ms":null,"frames":null,"reason":null}"#;
        assert_eq!(json, expected);
        let places = Record::FIELDS.map(|field| json.find(&format!("\"{field}\":")).unwrap());
        assert!(places.is_sorted(), "{places:?}");
        let cells = record().cells();
        assert_eq!(cells[9..11], ["1", "0.1"]);
        assert_eq!(cells[13..15], ["", "0"]);
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record());
    }

    #[test]
    fn a_verdict_beyond_its_budget_is_late() {
        let captured = record().captured.unwrap();
        for (age_ms, budget_ms, late) in [(200, 200, false), (201, 200, true), (-5, 0, false)] {
            let mut record = record();
            let now = captured + jiff::SignedDuration::from_millis(age_ms);
            record.stamp(now, Some(Duration::from_millis(budget_ms)));
            assert_eq!((record.age_ms, record.late), (Some(age_ms.max(0) as u64), late));
        }
        let mut old = record();
        old.stamp(captured + jiff::SignedDuration::from_hours(9), None);
        assert!(!old.late, "there is no budget");
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let cut = shortened(&"é".repeat(9_999));
        assert_eq!(cut.chars().count(), MAX_REASON + 1);
        assert!(cut.ends_with("é…"));
    }
}
