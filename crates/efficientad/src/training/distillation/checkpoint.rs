//! A distillation that can go on, in one file.

use super::provenance::DistillationData;
use super::recipe::DistillationRecipe;
use crate::error::Error;
use crate::training::checkpoint::{read_state, write_moments};
use efficientad_engine::{EngineId, NetworkState, TEACHER_CHANNELS, Weights, pdn_layers};
use efficientad_weights::{Cause, Contents, Tensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Kind of a checkpoint's file.
const KIND: &str = "efficientad-distillation";
/// The network's name in it.
const NETWORK: &str = "teacher";

/// The document of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    pub recipe: DistillationRecipe,
    pub data: DistillationData,
    /// Steps done.
    pub steps_done: u64,
    /// The arithmetic of the steps; programs that knew of one engine alone did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineId>,
    pub program_version: String,
}

/// A distillation between two steps.
pub(super) struct Checkpoint {
    pub progress: Progress,
    pub state: NetworkState,
}

impl Checkpoint {
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::new();
        self.write(&mut tensors).map_err(|cause| cause.in_file(path))?;
        Ok(efficientad_weights::save(path, KIND, &self.progress, &tensors)?)
    }

    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let layers = pdn_layers(self.progress.recipe.size, TEACHER_CHANNELS);
        self.state.weights.write(&layers, tensors, NETWORK)?;
        write_moments(&self.state, &layers, tensors, NETWORK)
    }

    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let Contents { document, tensors } = efficientad_weights::load::<Progress>(path, KIND)?;
        Ok(Self::read(document, &tensors).map_err(|cause| cause.in_file(path))?)
    }

    fn read(progress: Progress, tensors: &Tensors) -> Result<Self, Cause> {
        let layers = pdn_layers(progress.recipe.size, TEACHER_CHANNELS);
        let weights = Weights::read(&layers, tensors, NETWORK)?;
        Ok(Self { state: read_state(weights, &layers, tensors, NETWORK)?, progress })
    }
}
