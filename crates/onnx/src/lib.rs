//! A trained model as one ONNX graph: from images to anomaly maps and scores, for ONNX Runtime,
//! OpenVINO, TensorRT and others.
//!
//! The graph has operators of version 13 (IR version 7), weights in single precision, and these
//! values, with H×W the model's input size and N any number of images:
//!
//! | value | type | shape | what |
//! |---|---|---|---|
//! | `image` | float32 or uint8 | N×3×H×W | input: photos resized to H×W, RGB, see [`InputKind`] |
//! | `map` | float32 | N×1×H/4×W/4 | the combined, normalised anomaly map |
//! | `score` | float32 | N | the largest value of `map`, resized bilinearly to H×W |
//!
//! `map` is what [`efficientad::Detector`] resizes to a photo's size: padded by zeros, 4 cells on
//! every side ([`efficientad::MAP_BORDER`]). `score` is the detector's for a photo of H×W. For
//! one of another size, resize `map` to that size, bilinearly with half-pixel centres, and take the
//! largest value: that is the detector's score, which the threshold belongs to.
//!
//! The graph is one input of the networks. A model that sees photos in tiles or padded, or that has
//! a region, needs the steps around it that `docs/views.md` describes.
//!
//! The file's metadata hold the model's document (`document`, as `efficientad info --json` prints
//! it), how it sees photos (`view`, as JSON: `"stretch"`, `"letterbox"`, or
//! `{"tiles":{"size":…,"overlap":…}}` in pixels) and, if it has one, its threshold (`threshold`).
//!
//! The format is that of the ONNX project's `onnx.proto3`.
#![forbid(unsafe_code)]

mod graph;
mod inspection;
#[cfg(test)]
mod tests;

use efficientad::Model;
use efficientad_onnx_format::Message;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Version of ONNX's operators that a graph uses: that of ONNX 1.8, from 2020.
pub const OPSET: i64 = 13;

/// What a graph's `image` holds, N×3×H×W: photos resized to the model's input size, channels red,
/// green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// float32, scaled to [0, 1], less [`efficientad::INPUT_MEAN`], divided by
    /// [`efficientad::INPUT_STD`].
    Normalized,
    /// uint8 from 0 to 255, as decoded and resized; the graph normalises it.
    U8,
}

/// Why a model could not be written as ONNX.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The model's document is no JSON.
    #[error("the model's document cannot be written as JSON ({0}); train or import it again")]
    Document(#[from] serde_json::Error),
    /// The file could not be written; an earlier one of that name is untouched.
    #[error("{}: cannot be written ({source}); check its folder, or choose another path", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The bytes of the ONNX file: the same for the same model and kind of input.
///
/// # Errors
/// [`ExportError::Document`].
pub fn to_bytes(model: &Model, input: InputKind) -> Result<Vec<u8>, ExportError> {
    Ok(inspection::model_proto(model, input)?.encode_to_vec())
}

/// Writes the ONNX file, whole or not at all.
///
/// # Errors
/// [`ExportError::Document`], and [`ExportError::Write`] when the file can't be written.
pub fn save(model: &Model, input: InputKind, path: &Path) -> Result<(), ExportError> {
    let bytes = to_bytes(model, input)?;
    efficientad_files::write_atomically(path, |file| file.write_all(&bytes))
        .map_err(|source| ExportError::Write { path: path.to_owned(), source })
}
