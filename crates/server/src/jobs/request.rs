//! What jobs can be asked for.

use efficientad::PdnSize;
use serde::{Deserialize, Serialize};

/// A job to be done. Of a part: its model has the same name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Trains a model anew.
    Train(Train),
    /// Has a model learn from photos that were marked as good.
    Continue(Continue),
    /// Goes on with a training that was stopped.
    Resume(OfPart),
    /// Takes a threshold from photos that were marked, or from a folder.
    Calibrate(Calibrate),
    /// Measures how well a model works.
    Evaluate(Evaluate),
    /// Judges the photos that were marked.
    Score(OfPart),
    /// Looks for what is strange among photos to train on.
    Look(Look),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfPart {
    pub part: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Train {
    pub part: String,
    /// A folder below the folder of data; the photos that were sent if there is none.
    pub folder: Option<String>,
    /// Whether the photos are of good parts, whatever they are called.
    #[serde(default)]
    pub surely_good: bool,
    pub steps: Option<u64>,
    #[serde(default)]
    pub size: PdnSize,
    /// The part of the photos that is inspected.
    pub region: Option<Region>,
    pub false_reject: Option<f64>,
    /// Whether a model of this name may be replaced.
    #[serde(default)]
    pub replace: bool,
    pub who: Option<String>,
    pub why: Option<String>,
}

/// Polygons, as `--region` takes them from a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Region {
    pub unit: Unit,
    pub polygons: Vec<Vec<[f64; 2]>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Fraction,
    Pixels,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Continue {
    pub part: String,
    pub steps: Option<u64>,
    /// Whether to learn without the photos of earlier trainings.
    #[serde(default)]
    pub forget: bool,
    pub who: Option<String>,
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibrate {
    pub part: String,
    /// A folder of photos of good parts below the folder of data; those that were marked if there is none.
    pub folder: Option<String>,
    #[serde(default)]
    pub surely_good: bool,
    pub false_reject: Option<f64>,
    pub who: Option<String>,
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evaluate {
    pub part: String,
    /// A data set below the folder of data; the photos that were marked if there is none.
    pub folder: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Look {
    pub part: String,
    pub folder: Option<String>,
    #[serde(default)]
    pub surely_good: bool,
}

impl Request {
    pub(crate) fn part(&self) -> &str {
        match self {
            Self::Train(Train { part, .. })
            | Self::Continue(Continue { part, .. })
            | Self::Resume(OfPart { part })
            | Self::Calibrate(Calibrate { part, .. })
            | Self::Evaluate(Evaluate { part, .. })
            | Self::Score(OfPart { part })
            | Self::Look(Look { part, .. }) => part,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Train(_) => "train",
            Self::Continue(_) => "continue",
            Self::Resume(_) => "resume",
            Self::Calibrate(_) => "calibrate",
            Self::Evaluate(_) => "evaluate",
            Self::Score(_) => "score",
            Self::Look(_) => "look",
        }
    }

    /// Whether it takes hours.
    pub(crate) fn is_training(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Continue(_) | Self::Resume(_))
    }

    /// Whether it writes the model's file.
    pub(crate) fn changes_model(&self) -> bool {
        self.is_training() || matches!(self, Self::Calibrate(_))
    }

    /// Who asks and why, where that is to be said.
    pub(crate) fn said(&self) -> Option<(Option<&str>, Option<&str>)> {
        match self {
            Self::Train(Train { who, why, .. })
            | Self::Continue(Continue { who, why, .. })
            | Self::Calibrate(Calibrate { who, why, .. }) => Some((who.as_deref(), why.as_deref())),
            _ => None,
        }
    }
}
