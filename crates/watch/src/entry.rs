//! The lines of the log (`docs/watch.md`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::drift::Alarm;

/// A line of the log: what happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written, UTC.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// The program began to watch.
    Started(Session),
    /// A photo was judged.
    Judged(Verdict),
    /// A photo could not be judged and is given up until it changes.
    Failed(Failure),
    /// A reject was copied, moved or linked.
    Filed(FiledReject),
    /// Scores differ from those of calibration.
    Drift(Alarm),
    /// The program ended as it should.
    Stopped,
}

/// What verdicts depend on from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Version of the program.
    pub program_version: String,
    /// SHA-256 of the model's file, 64 hexadecimal digits.
    pub model: String,
    /// Score from which on a photo is anomalous; none without threshold.
    pub threshold: Option<f32>,
    /// The test for drift; none without enough calibration scores.
    pub drift: Option<DriftSettings>,
}

/// What the test for drift depends on, beside the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftSettings {
    /// Number of calibration scores.
    pub calibration_scores: usize,
    /// Largest rate of defective parts that is no drift, from 0 to 1.
    pub defect_rate: f64,
    /// Probability that the test, once started, ever raises an alarm without drift.
    pub false_alarm_rate: f64,
}

/// One content of one file: a file that is written anew is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoFile {
    /// Path below the watched folder, with `/` between its parts.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When the file was last changed, as its file system says, UTC.
    pub modified: Timestamp,
}

/// The verdict on a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The photo.
    #[serde(flatten)]
    pub photo: PhotoFile,
    /// The largest value of its anomaly map.
    pub score: f32,
    /// How probable such a score is for a good image, from 0 to 1; none without calibration scores.
    pub p_value: Option<f64>,
    /// Whether the score reaches the threshold; none without threshold.
    pub anomalous: Option<bool>,
}

/// Why a photo could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The photo.
    #[serde(flatten)]
    pub photo: PhotoFile,
    /// Why.
    pub reason: String,
}

/// Where a reject went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiledReject {
    /// The photo.
    #[serde(flatten)]
    pub photo: PhotoFile,
    /// Path in the folder of rejects.
    pub to: String,
}

/// Names a [`PhotoFile`] in 16 bytes: two different ones have the same key with a probability of
/// 2⁻¹²⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl PhotoFile {
    /// Its key.
    pub fn key(&self) -> Key {
        let mut sum = Sha256::new();
        sum.update(self.bytes.to_le_bytes());
        sum.update(self.modified.as_nanosecond().to_le_bytes());
        sum.update(&self.path);
        let digest: [u8; 32] = sum.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Key(u128::from_le_bytes(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo() -> PhotoFile {
        PhotoFile {
            path: "a/1.png".to_owned(),
            bytes: 12,
            modified: "2026-11-24T11:00:00.000000001Z".parse().unwrap(),
        }
    }

    #[test]
    fn lines_return_as_they_were() {
        let time = "2026-11-24T11:00:01.5Z".parse().unwrap();
        let verdict =
            Verdict { photo: photo(), score: 0.1, p_value: Some(0.25), anomalous: Some(false) };
        let line = Line { time, entry: Entry::Judged(verdict) };
        let text = serde_json::to_string(&line).unwrap();
        let expected = r#"{"time":"2026-11-24T11:00:01.5Z","event":"judged","path":"a/1.png","bytes":12,"modified":"2026-11-24T11:00:00.000000001Z","score":0.1,"p_value":0.25,"anomalous":false}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        let stopped = r#"{"time":"2026-11-24T11:00:01.5Z","event":"stopped"}"#;
        let line = Line { time, entry: Entry::Stopped };
        assert_eq!(serde_json::to_string(&line).unwrap(), stopped);
        assert_eq!(serde_json::from_str::<Line>(stopped).unwrap(), line);
    }

    #[test]
    fn keys_tell_contents_apart() {
        let other_path = PhotoFile { path: "a/2.png".to_owned(), ..photo() };
        let other_size = PhotoFile { bytes: 13, ..photo() };
        let later = "2026-11-24T11:00:00.000000002Z".parse().unwrap();
        let other_time = PhotoFile { modified: later, ..photo() };
        assert_eq!(photo().key(), photo().key());
        for other in [other_path, other_size, other_time] {
            assert_ne!(photo().key(), other.key(), "{other:?}");
        }
    }
}
