//! What a distilled teacher's file says about itself.

use super::quality::RSquared;
use super::recipe::DistillationRecipe;
use serde::{Deserialize, Serialize};

/// What a teacher is distilled from. Two distillations of equal data and recipe give equal teachers
/// (on CPUs with the same instruction set).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillationData {
    /// Name of the backbone's file.
    pub backbone: String,
    /// SHA-256 of the backbone's file, in hexadecimal.
    pub backbone_sha256: String,
    /// What ran the backbone; `None` if the program that made the teacher did not say: it had rten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The backbone's tensors that targets are made of: stride 8, stride 16.
    pub layers: [String; 2],
    /// How pixels become the backbone's input, in words.
    pub preprocessing: String,
    /// Photos that samples are drawn from.
    pub photos: usize,
    /// Photos held back to measure R² on.
    pub held_back: usize,
    /// Names all photos and their content.
    pub photos_fingerprint: String,
    /// How samples are made from photos.
    pub augmentation: String,
    /// Seed of the samples.
    pub sample_seed: u64,
    /// Different samples.
    pub samples: usize,
    /// The teacher that it began with; `None` if it began with random weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<InitialTeacher>,
}

/// A teacher that a distillation began with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitialTeacher {
    /// Name of its file.
    pub file: String,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// How it came about, if the file says so.
    pub distillation: Option<Box<Distillation>>,
}

impl DistillationData {
    fn runtime(&self) -> &str {
        self.runtime.as_deref().unwrap_or("rten")
    }

    fn initial_sha256(&self) -> &str {
        self.initial.as_ref().map_or("none", |initial| &initial.sha256)
    }

    /// The first field in which `other` differs: its name, the value here and there.
    pub(super) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let fields = |data: &Self| {
            [
                ("backbone", data.backbone_sha256.clone()),
                ("backbone's runtime", data.runtime().to_owned()),
                ("layers", data.layers.join(",")),
                ("preprocessing", data.preprocessing.clone()),
                ("set of photos", data.photos_fingerprint.clone()),
                ("number of photos held back", data.held_back.to_string()),
                ("augmentation", data.augmentation.clone()),
                ("seed", data.sample_seed.to_string()),
                ("number of samples", data.samples.to_string()),
                ("initial teacher", data.initial_sha256().to_owned()),
            ]
        };
        let pairs = fields(self).into_iter().zip(fields(other));
        pairs
            .map(|((name, here), (_, there))| (name, here, there))
            .find(|(_, here, there)| here != there)
    }
}

/// How a teacher came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distillation {
    /// What it was distilled from.
    pub data: DistillationData,
    /// How.
    pub recipe: DistillationRecipe,
    /// Samples that it was trained on, each as often as it was seen.
    pub samples_seen: u64,
    /// How much of the targets it explains on photos that it was not trained on.
    pub r_squared: RSquared,
    /// Version of the program.
    pub program_version: String,
}
