//! A training that can go on: weights, optimizer state, and what they belong to, in one file.

use super::conv::{ConvMoments, TrainableConv};
use crate::continuation::{Continuation, OldImages};
use crate::error::Error;
use crate::inspection::NetworkWeights;
use crate::model::{DataDescription, Provenance, program_version};
use crate::network::{ConvWeights, Layer, Weights, autoencoder_layers, pdn_layers};
use crate::recipe::Recipe;
use crate::training::STUDENT_CHANNELS;
use crate::view::Framing;
use efficientad_kernels::Moments;
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
    pub student_moments: Vec<ConvMoments>,
    pub autoencoder_moments: Vec<ConvMoments>,
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
    pub program_version: String,
}

impl TrainingProgress {
    pub(crate) fn new(recipe: Recipe, data: DataDescription) -> Self {
        let program_version = program_version();
        Self { recipe, data, continued: None, steps_done: 0, program_version }
    }

    /// The continuation at work, if it is one.
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

/// The moments of a network's layers.
pub(crate) fn moments(convs: &[TrainableConv]) -> Vec<ConvMoments> {
    convs.iter().map(|conv| conv.moments.clone()).collect()
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
        write_moments(&self.student_moments, &student_layers, tensors, "student")?;
        write_moments(&self.autoencoder_moments, &autoencoder_layers(), tensors, "autoencoder")
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
        Ok(Self {
            networks: NetworkWeights::read(framing, tensors)?,
            student_moments: read_moments(&student_layers, tensors, "student")?,
            autoencoder_moments: read_moments(&autoencoder_layers(), tensors, "autoencoder")?,
            progress,
        })
    }
}

pub(super) fn write_moments(
    moments: &[ConvMoments],
    layers: &[Layer],
    tensors: &mut Tensors,
    network: &str,
) -> Result<(), Cause> {
    let pick = |of: fn(&Moments) -> &Vec<f32>| {
        let pair = |m: &ConvMoments| ConvWeights {
            weight: of(&m.weight).clone(),
            bias: of(&m.bias).clone(),
        };
        Weights(moments.iter().map(pair).collect())
    };
    pick(|m| &m.first).write(layers, tensors, &format!("adam.first.{network}"))?;
    pick(|m| &m.second).write(layers, tensors, &format!("adam.second.{network}"))
}

pub(super) fn read_moments(
    layers: &[Layer],
    tensors: &Tensors,
    network: &str,
) -> Result<Vec<ConvMoments>, Cause> {
    let first = Weights::read(layers, tensors, &format!("adam.first.{network}"))?;
    let second = Weights::read(layers, tensors, &format!("adam.second.{network}"))?;
    let pairs = first.0.into_iter().zip(second.0);
    Ok(pairs
        .map(|(first, second)| ConvMoments {
            weight: Moments { first: first.weight, second: second.weight },
            bias: Moments { first: first.bias, second: second.bias },
        })
        .collect())
}
