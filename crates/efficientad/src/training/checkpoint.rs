//! A training that can go on: weights, optimizer state, and what they belong to, in one file.

use crate::continuation::{Continuation, OldImages};
use crate::error::Error;
use crate::inspection::NetworkWeights;
use crate::model::{DataDescription, Provenance, program_version};
use crate::recipe::Recipe;
use crate::view::Framing;
use efficientad_engine::{
    EngineId, Layer, LearnerState, NetworkState, STUDENT_CHANNELS, Weights, autoencoder_layers,
    pdn_layers,
};
use efficientad_weights::{Cause, Contents, Tensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Kind of a checkpoint's file.
const KIND: &str = "efficientad-checkpoint";
/// Kind of the file of a checkpoint whose training began with a finished model. Programs that know of
/// no such trainings refuse it.
const CONTINUATION_KIND: &str = "efficientad-continuation";

/// A training between two steps.
pub(crate) struct Checkpoint {
    pub progress: TrainingProgress,
    pub networks: NetworkWeights,
    /// Student and autoencoder with their optimizers' means.
    pub state: LearnerState,
}

/// The document of a checkpoint.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TrainingProgress {
    pub recipe: Recipe,
    pub data: DataDescription,
    /// Where the networks come from if training began with a finished model; this training is then
    /// the last of its continuations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<Provenance>,
    /// Steps done.
    pub steps_done: u64,
    /// The arithmetic of the steps; programs that knew of one engine alone did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineId>,
    pub program_version: String,
}

impl TrainingProgress {
    pub(crate) fn new(recipe: Recipe, data: DataDescription, engine: EngineId) -> Self {
        let (engine, program_version) = (Some(engine), program_version());
        Self { recipe, data, continued: None, steps_done: 0, engine, program_version }
    }

    /// The continuation in progress, if it is one.
    pub(crate) fn continuation(&self) -> Option<&Continuation> {
        self.continued.as_ref().and_then(|provenance| provenance.continuations.last())
    }

    /// Images of earlier trainings that take part.
    pub(crate) fn old_images(&self) -> Option<&OldImages> {
        self.continuation().and_then(|continuation| continuation.old.as_ref())
    }

    /// Where the trained networks will have come from.
    pub(crate) fn provenance(&self) -> Provenance {
        self.continued.clone().unwrap_or_else(|| Provenance {
            recipe: Some(self.recipe.clone()),
            data: Some(self.data.clone()),
            continuations: Vec::new(),
        })
    }

    fn kind(&self) -> &'static str {
        if self.continued.is_some() { CONTINUATION_KIND } else { KIND }
    }
}

impl Checkpoint {
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::new();
        self.write(&mut tensors).map_err(|cause| cause.in_file(path))?;
        Ok(efficientad_weights::save(path, self.progress.kind(), &self.progress, &tensors)?)
    }

    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        self.networks.write(tensors)?;
        let student_layers = pdn_layers(self.progress.recipe.size, STUDENT_CHANNELS);
        write_moments(&self.state.student, &student_layers, tensors, "student")?;
        write_moments(&self.state.autoencoder, &autoencoder_layers(), tensors, "autoencoder")
    }

    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let Contents { document, tensors } =
            efficientad_weights::load_any::<TrainingProgress>(path, &[KIND, CONTINUATION_KIND])?;
        let framing = document.recipe.framing()?;
        Ok(Self::read(document, framing, &tensors).map_err(|cause| cause.in_file(path))?)
    }

    fn read(
        progress: TrainingProgress,
        framing: Framing,
        tensors: &Tensors,
    ) -> Result<Self, Cause> {
        let student_layers = pdn_layers(progress.recipe.size, STUDENT_CHANNELS);
        let networks = NetworkWeights::read(progress.recipe.size, framing, tensors)?;
        let state = LearnerState {
            student: read_state(networks.student.clone(), &student_layers, tensors, "student")?,
            autoencoder: read_state(
                networks.autoencoder.clone(),
                &autoencoder_layers(),
                tensors,
                "autoencoder",
            )?,
        };
        Ok(Self { progress, networks, state })
    }
}

pub(super) fn write_moments(
    state: &NetworkState,
    layers: &[Layer],
    tensors: &mut Tensors,
    network: &str,
) -> Result<(), Cause> {
    state.first_moments.write(layers, tensors, &format!("adam.first.{network}"))?;
    state.second_moments.write(layers, tensors, &format!("adam.second.{network}"))
}

/// The optimizer's means, beside weights that were read already.
pub(super) fn read_state(
    weights: Weights,
    layers: &[Layer],
    tensors: &Tensors,
    network: &str,
) -> Result<NetworkState, Cause> {
    Ok(NetworkState {
        weights,
        first_moments: Weights::read(layers, tensors, &format!("adam.first.{network}"))?,
        second_moments: Weights::read(layers, tensors, &format!("adam.second.{network}"))?,
    })
}
