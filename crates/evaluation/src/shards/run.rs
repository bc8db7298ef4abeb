//! What the shards of a run have in common, and the lines of a file.

use efficientad::{Detector, EngineId, Inspection};
use efficientad_datasets::Fingerprint;
use efficientad_images::DecodeOptions;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{InspectError, Judged, Photo, Verdict};

/// What a run judges, by what: shards that differ in it can't be put together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// SHA-256 of the model's file.
    model: String,
    engine: EngineId,
    threshold: Option<f32>,
    /// How photos are read.
    reading: String,
    photos: usize,
    /// SHA-256 of the photos' names below the folder that they have in common.
    names: String,
    /// Whether maps are kept, to measure pixels.
    maps: bool,
}

impl Run {
    /// A run that judges `photos` by the model of this SHA-256.
    pub fn new(
        model: impl ToString,
        detector: &Detector,
        decode: &DecodeOptions,
        photos: &[Photo],
        maps: bool,
    ) -> Self {
        let mut names = Sha256::new();
        for photo in photos {
            let name = photo.relative.as_os_str().as_encoded_bytes();
            names.update((name.len() as u64).to_le_bytes());
            names.update(name);
        }
        Self {
            model: model.to_string(),
            engine: detector.engine(),
            threshold: detector.threshold(),
            reading: format!("{decode:?}"),
            photos: photos.len(),
            names: Fingerprint(names.finalize().into()).to_string(),
            maps,
        }
    }

    /// In what another run differs, if it does.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let Self { model, engine, threshold, reading, photos, names, maps } = self;
        [
            (*model != other.model, "the model"),
            (*engine != other.engine, "the arithmetic (engine, processor or precision)"),
            (*threshold != other.threshold, "the threshold"),
            (*reading != other.reading, "the way that photos are read"),
            (*photos != other.photos || *names != other.names, "the list of photos"),
            (*maps != other.maps, "the command (predict or eval)"),
        ]
        .into_iter()
        .find_map(|(differs, what)| differs.then_some(what))
    }

    pub(super) fn has_maps(&self) -> bool {
        self.maps
    }
}

/// What a shard found out about a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Its verdict.
    Judged {
        /// The verdict.
        verdict: Verdict,
        /// How many of 16 bits its samples use.
        used_bits: Option<u8>,
    },
    /// Why there is none.
    Failed(String),
}

impl From<&Result<Judged, InspectError>> for Stored {
    fn from(judged: &Result<Judged, InspectError>) -> Self {
        match judged {
            Ok(Judged { inspection, used_bits, .. }) => {
                Self::Judged { verdict: Verdict::from(inspection), used_bits: *used_bits }
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// A verdict as the detector gave it, with its map.
pub(super) fn inspection(verdict: Verdict, map: efficientad::AnomalyMap) -> Inspection {
    let Verdict { score, anomalous, p_value, region_count, regions } = verdict;
    let regions =
        region_count.zip(regions).map(|(count, listed)| efficientad::Regions { listed, count });
    Inspection { score, anomalous, p_value, regions, map }
}

/// The lines of a shard's file: one that says what it is, one for each photo, and one that says how many
/// there are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Shard { version: u32, index: usize, count: usize, run: Run },
    Photo(Stored),
    End { photos: usize },
}

/// Version of the files.
pub(super) const VERSION: u32 = 1;
