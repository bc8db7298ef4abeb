//! What is recorded.

use efficientad::{EngineId, MAX_REGIONS};
use efficientad_datasets::Fingerprint;
use efficientad_evaluation::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::RecordError;

/// Longest text of a field, in bytes.
pub const MAX_TEXT: usize = 4096;

/// A verdict, and all that it rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// When the photo was judged, UTC. Milliseconds are kept.
    pub time: Timestamp,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model's file.
    #[serde(serialize_with = "as_text")]
    pub model_sha256: Fingerprint,
    /// The photo's path, or another name of it.
    pub path: String,
    /// What is said about it, with fields as `efficientad predict --json` has them.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The arithmetic of the score.
    pub engine: EngineId,
    /// The score from which on the photo was anomalous; `None` without threshold.
    pub threshold: Option<f32>,
    /// Who asked.
    pub client: String,
    /// From the question to the verdict, in milliseconds.
    pub elapsed_ms: f64,
}

/// The photo of a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Photo<'a> {
    pub(crate) sha256: Fingerprint,
    pub(crate) bytes: Option<&'a [u8]>,
}

impl<'a> Photo<'a> {
    /// A photo that is kept if the policy asks for it: a whole file's bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { sha256: Fingerprint(Sha256::digest(bytes).into()), bytes: Some(bytes) }
    }

    /// A photo that is not kept, whatever the policy: its SHA-256 alone.
    pub fn named(sha256: Fingerprint) -> Self {
        Self { sha256, bytes: None }
    }

    /// Its SHA-256.
    pub fn sha256(&self) -> Fingerprint {
        self.sha256
    }
}

/// An [`Entry`] as the record has it; a line of the export as JSON Lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    /// Its number: later entries have higher ones.
    pub id: i64,
    /// The verdict.
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 of the photo.
    #[serde(serialize_with = "as_text")]
    pub photo_sha256: Fingerprint,
    /// Whether the photo itself is there.
    pub photo_kept: bool,
    /// What people say of it: the last mark.
    pub mark: Option<Mark>,
}

/// What a person says of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// The part is good.
    Good,
    /// The part has a defect.
    Defect,
}

impl Mark {
    /// Its name in the file and in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Defect => "defect",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Good, Self::Defect].into_iter().find(|mark| mark.name() == name)
    }
}

/// A [`Mark`] that was made. An entry may have many; the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkMade {
    /// When, UTC.
    pub time: Timestamp,
    /// What was said.
    pub mark: Mark,
    /// Who said it.
    pub who: String,
}

/// A change of what verdicts depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When, UTC. Milliseconds are kept.
    pub time: Timestamp,
    /// Who did it.
    pub who: String,
    /// The model's name.
    pub model: String,
    /// What was changed.
    pub what: ChangeKind,
    /// Why, in the words of who did it.
    pub why: String,
    /// What it was, as text: a number, the model file's SHA-256; `None` if there was none.
    pub before: Option<String>,
    /// What it is now; `None` if there is none any more.
    pub after: Option<String>,
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// A threshold.
    Threshold,
    /// A model's file.
    Model,
}

impl ChangeKind {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Model => "model",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Threshold, Self::Model].into_iter().find(|kind| kind.name() == name)
    }
}

/// A [`Change`] as the record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedChange {
    /// Its number: later changes have higher ones.
    pub id: i64,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

impl Entry {
    /// What no record could return as it was is refused.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        let Self { model, path, client, engine, verdict, threshold, elapsed_ms, .. } = self;
        check_text("model", model)?;
        check_text("path", path)?;
        check_text("client", client)?;
        check_text("engine", &engine.name)?;
        check_text("engine", &engine.device)?;
        check_number("score", Some(f64::from(verdict.score)))?;
        check_number("p_value", verdict.p_value)?;
        check_number("threshold", threshold.map(f64::from))?;
        check_number("elapsed_ms", Some(*elapsed_ms))?;
        let regions = verdict.regions.as_deref().unwrap_or_default();
        let numbers = |centroid: efficientad::Centroid| [centroid.x, centroid.y];
        for region in regions {
            check_number("regions", Some(f64::from(region.peak.value)))?;
            for number in numbers(region.centroid) {
                check_number("regions", Some(number))?;
            }
        }
        if regions.len() > MAX_REGIONS {
            let reason = format!("has {} regions, of {MAX_REGIONS} at most", regions.len());
            return Err(RecordError::Invalid { field: "regions", reason });
        }
        Ok(())
    }
}

impl Change {
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        check_text("who", &self.who)?;
        check_text("model", &self.model)?;
        check_text("why", &self.why)?;
        check_text("before", self.before.as_deref().unwrap_or_default())?;
        check_text("after", self.after.as_deref().unwrap_or_default())
    }
}

/// Refuses a text that is longer than [`MAX_TEXT`], or holds the character that ends texts in C.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<(), RecordError> {
    let reason = if text.len() > MAX_TEXT {
        format!("has {} bytes, of {MAX_TEXT} at most", text.len())
    } else if text.contains('\0') {
        "holds the character U+0000".to_owned()
    } else {
        return Ok(());
    };
    Err(RecordError::Invalid { field, reason })
}

fn check_number(field: &'static str, number: Option<f64>) -> Result<(), RecordError> {
    if number.is_none_or(f64::is_finite) {
        return Ok(());
    }
    Err(RecordError::Invalid { field, reason: "is not finite".to_owned() })
}

fn as_text<S: Serializer>(sum: &Fingerprint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(sum)
}
