//! The part of a file's network that computes two layers, the same for whatever runs it.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use efficientad_onnx_format::Bytes;
use efficientad_pretraining::{BACKBONE_SIDE, LAYER_SIDES, PretrainingError};

use crate::network::Network;

/// Most names of layers in an error.
const MAX_NAMES: usize = 40;
/// What the network sees: photos, channels, rows, columns.
pub(crate) const INPUT_SHAPE: [usize; 4] = [1, 3, BACKBONE_SIDE as usize, BACKBONE_SIDE as usize];

/// The part of a network up to two of its layers, whose memory and time are known to be bounded.
pub(crate) struct Part {
    path: PathBuf,
    pub layers: [String; 2],
    network: Network,
}

/// A layer as it came out.
pub(crate) struct Layer {
    pub shape: Vec<usize>,
    /// What its numbers are, if not of single precision.
    pub other_numbers: Option<String>,
}

impl Part {
    /// Finds the layers in a file of `bytes`.
    pub(crate) fn read(
        path: &Path,
        bytes: Vec<u8>,
        layers: &[String; 2],
    ) -> Result<Self, PretrainingError> {
        let refuse = |reason: String| cannot_run(path, &reason);
        let network = Network::read(Bytes::from(bytes)).map_err(refuse)?;
        let tensors = network.tensors();
        if let Some(layer) = layers.iter().find(|layer| !tensors.contains(&layer.as_str())) {
            return Err(PretrainingError::NoLayer {
                path: path.to_owned(),
                layer: layer.clone(),
                names: names(&network),
            });
        }
        network.check(INPUT_SHAPE, &[&layers[0], &layers[1]]).map_err(refuse)?;
        Ok(Self { path: path.to_owned(), layers: layers.clone(), network })
    }

    /// An ONNX file of nothing but what the layers need; they are its outputs, as runtimes keep those
    /// where they may optimise other tensors away.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.network.cut(INPUT_SHAPE, &[&self.layers[0], &self.layers[1]])
    }

    /// How many channels the layers have, if they are 1×C×64×64 and 1×C×32×32.
    pub(crate) fn channels(&self, found: [Layer; 2]) -> Result<[usize; 2], PretrainingError> {
        let mut channels = [0; 2];
        for (i, Layer { shape, other_numbers }) in found.into_iter().enumerate() {
            channels[i] = match (&shape[..], &other_numbers) {
                (&[1, channels, height, width], None) if [height, width] == [LAYER_SIDES[i]; 2] => {
                    channels
                }
                _ => {
                    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
                    let shape = lengths.join("×");
                    return Err(PretrainingError::LayerShape {
                        path: self.path.clone(),
                        layer: self.layers[i].clone(),
                        found: match other_numbers {
                            None => shape,
                            Some(numbers) => format!("{shape} ({numbers})"),
                        },
                        side: LAYER_SIDES[i],
                        stride: BACKBONE_SIDE as usize / LAYER_SIDES[i],
                        names: names(&self.network),
                    });
                }
            };
        }
        Ok(channels)
    }

    /// The error of a network that can't be run.
    pub(crate) fn refuse(&self, reason: &str) -> PretrainingError {
        cannot_run(&self.path, reason)
    }
}

/// What `load` gives; an error if it panics, as what a file is made to look like by malice or mistake
/// must not end the program.
pub(crate) fn fenced<T>(
    path: &Path,
    load: impl FnOnce() -> Result<T, PretrainingError>,
) -> Result<T, PretrainingError> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| {
        Err(cannot_run(path, "the runtime gave up on it, as the message above says"))
    })
}

/// What a network is run on for the first time.
pub(crate) fn zeros() -> Vec<f32> {
    vec![0.0; INPUT_SHAPE.iter().product()]
}

/// The layers that would fit, as far as their shapes are known.
fn names(network: &Network) -> String {
    let extents = network.extents(INPUT_SHAPE);
    let lists = LAYER_SIDES.map(|side| {
        let fits = |name: &&str| {
            let shape = extents.tensors.get(*name).map(|tensor| tensor.shape.as_slice());
            matches!(shape, Some(&[1, _, height, width]) if [height, width] == [side as u64; 2])
        };
        let names: BTreeSet<&str> = network.tensors().into_iter().filter(fits).collect();
        let shown: Vec<&str> = names.iter().take(MAX_NAMES).copied().collect();
        match (names.len(), names.len().saturating_sub(MAX_NAMES)) {
            (0, _) => format!("none of {side}×{side} is known"),
            (_, 0) => format!("those of {side}×{side} are {}", shown.join(", ")),
            (_, more) => format!("those of {side}×{side} are {} and {more} more", shown.join(", ")),
        }
    });
    lists.join("; ")
}

pub(crate) fn cannot_run(path: &Path, reason: &str) -> PretrainingError {
    PretrainingError::Backbone { path: path.to_owned(), reason: reason.to_owned() }
}
