//! The lines of the log (`docs/watch.md`).

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use efficientad::EngineId;
use efficientad_evaluation::Verdict;
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
    Judged(JudgedPhoto),
    /// A photo could not be judged and is given up until it changes.
    Failed(Failure),
    /// A reject was copied, moved or linked.
    Filed(FiledReject),
    /// Scores differ from those of calibration.
    Drift(Alarm),
    /// Photos were taken that will not be judged.
    Dropped(Dropped),
    /// The source is out of reach.
    Lost(Lost),
    /// The source is back.
    Back,
    /// The program ended as it should.
    Stopped,
}

/// What `event` says of each kind of [`Entry`].
pub(crate) const EVENTS: [&str; 9] =
    ["started", "judged", "failed", "filed", "drift", "dropped", "lost", "back", "stopped"];

impl Entry {
    /// The photo that is done with by this line: judged, or given up.
    pub fn done(&self) -> Option<&PhotoFile> {
        match self {
            Self::Judged(judged) => Some(&judged.photo),
            Self::Failed(failure) => Some(&failure.photo),
            _ => None,
        }
    }
}

/// What verdicts depend on from here on. Further fields, which later versions may write, are ignored
/// when a log is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Version of the program.
    pub program_version: String,
    /// SHA-256 of the model's file, 64 hexadecimal digits.
    pub model: String,
    /// Score from which on a photo is anomalous; `None` without threshold.
    pub threshold: Option<f32>,
    /// The test for drift; `None` without enough calibration scores.
    pub drift: Option<DriftSettings>,
    /// The arithmetic of the scores; `None` in logs of programs that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineId>,
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

/// One content of one file: a file that is written anew is another one. Photos that are no files
/// have a name, a size and a time as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoFile {
    /// Path below the watched folder, with `/` between its parts; bytes that are no UTF-8 are `�`.
    pub path: String,
    /// The bytes of the path in hexadecimal digits if it is no UTF-8, otherwise `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// When the file was last changed, as its file system says, or the photo was taken; UTC.
    pub modified: Timestamp,
}

/// The verdict on a photo; its regions are not in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedPhoto {
    /// The photo.
    #[serde(flatten)]
    pub photo: PhotoFile,
    /// The verdict.
    #[serde(flatten, with = "logged_verdict")]
    pub verdict: Verdict,
}

/// The fields of a verdict that are in the log, in their order.
mod logged_verdict {
    use super::{Deserialize, Serialize, Verdict};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Fields {
        score: f32,
        p_value: Option<f64>,
        anomalous: Option<bool>,
    }

    pub fn serialize<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
        let Verdict { score, p_value, anomalous, .. } = *verdict;
        Fields { score, p_value, anomalous }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
        let Fields { score, p_value, anomalous } = Fields::deserialize(deserializer)?;
        Ok(Verdict { score, p_value, anomalous, ..Verdict::default() })
    }
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
    /// Path in the folder of rejects, as [`PhotoFile::path`].
    pub to: String,
    /// Its bytes, as [`PhotoFile::path_hex`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_hex: Option<String>,
}

/// Photos that will not be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many.
    pub frames: u64,
    /// Why.
    pub reason: String,
}

/// Why a source is out of reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Why.
    pub reason: String,
}

/// Names a [`PhotoFile`] in 16 bytes: two different ones have the same key with a probability of
/// 2⁻¹²⁸.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl Key {
    /// The first 16 bytes of a sum.
    pub(crate) fn of(sum: Sha256) -> Self {
        let digest: [u8; 32] = sum.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(u128::from_le_bytes(key))
    }

    /// From its 32 hexadecimal digits.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok()).flatten().map(Self)
    }

    /// Its 32 hexadecimal digits.
    pub fn digits(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl PhotoFile {
    /// A file at a path below a folder; parts of the path that could lead out of it are left out.
    pub fn new(below: &Path, bytes: u64, modified: Timestamp) -> Self {
        let (path, path_hex) = as_logged(below);
        Self { path, path_hex, bytes, modified }
    }

    /// The path below the folder, as the system knows it. Where paths are no bytes (Windows), one
    /// that is no text has lost what is `�`.
    pub fn to_path(&self) -> PathBuf {
        let path = self.path_hex.as_deref().and_then(path_from_hex);
        normal_parts(path.as_deref().unwrap_or(Path::new(&self.path)))
    }

    /// Its key.
    pub fn key(&self) -> Key {
        let mut sum = Sha256::new();
        sum.update(self.bytes.to_le_bytes());
        sum.update(self.modified.as_nanosecond().to_le_bytes());
        sum.update(self.path_hex.as_ref().unwrap_or(&self.path));
        sum.update([u8::from(self.path_hex.is_some())]);
        Key::of(sum)
    }
}

/// A path without what could lead out of the folder that it is joined to.
fn normal_parts(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// How the log writes a path: with `/` between its parts on every system, and its bytes in
/// hexadecimal digits if it is no UTF-8.
pub(crate) fn as_logged(path: &Path) -> (String, Option<String>) {
    let path = normal_parts(path);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let hex = path.to_str().is_none().then(|| {
        let mut hex = String::new();
        for byte in path.as_os_str().as_encoded_bytes() {
            // Writing to a string can't fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    });
    (parts.join("/"), hex)
}

#[cfg(unix)]
fn path_from_hex(hex: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;

    let digits = hex.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    Some(std::ffi::OsString::from_vec(bytes.collect::<Option<_>>()?).into())
}

#[cfg(not(unix))]
fn path_from_hex(_hex: &str) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo() -> PhotoFile {
        PhotoFile {
            path: "a/1.png".to_owned(),
            path_hex: None,
            bytes: 12,
            modified: "2026-11-24T11:00:00.000000001Z".parse().unwrap(),
        }
    }

    #[test]
    fn lines_return_as_they_were() {
        let time = "2026-11-24T11:00:01.5Z".parse().unwrap();
        let verdict = Verdict {
            score: 0.1,
            p_value: Some(0.25),
            anomalous: Some(false),
            ..Verdict::default()
        };
        let line = Line { time, entry: Entry::Judged(JudgedPhoto { photo: photo(), verdict }) };
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
    fn fields_of_later_versions_are_ignored() {
        let started = r#"{"time":"2026-11-24T11:00:01.5Z","event":"started","program_version":"2","model":"0","engine":{"name":"cpu","device":"avx2","precision":"f32"},"new":1,"threshold":null,"drift":null}"#;
        let line: Line = serde_json::from_str(started).unwrap();
        assert!(matches!(line.entry, Entry::Started(session) if session.program_version == "2"));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_kept() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let names: [&[u8]; 3] = [b"a/\xff.png", b"a/\xfe.png", "a/\u{fffd}.png".as_bytes()];
        let photos = names.map(|name| {
            let path = Path::new(OsStr::from_bytes(name));
            let photo = PhotoFile::new(path, 12, Timestamp::UNIX_EPOCH);
            let text = serde_json::to_string(&photo).unwrap();
            assert_eq!(serde_json::from_str::<PhotoFile>(&text).unwrap(), photo);
            assert_eq!(photo.to_path(), path);
            assert_eq!(photo.path, "a/\u{fffd}.png");
            photo
        });
        assert_eq!(photos[0].path_hex.as_deref(), Some("612fff2e706e67"));
        assert_eq!(photos[2].path_hex, None);
        let keys = photos.each_ref().map(PhotoFile::key);
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let photo = PhotoFile { path: "../../etc/1.png".to_owned(), ..photo() };
        assert_eq!(photo.to_path(), Path::new("etc/1.png"));
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
