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
//! `map` is what [`efficientad::Detector`] resizes to a photo's size: padded, 4 cells on every side
//! ([`efficientad::MAP_BORDER`]), by what [`efficientad::MapBorder`] says. `score` is
//! the detector's for a photo of H×W. For one of another size, resize `map` to that size, bilinearly
//! with half-pixel centres, and take the largest value: that is the detector's score, which the
//! threshold belongs to.
//!
//! The graph is one input of the networks. A model that sees photos in tiles or padded, or that has
//! a region, needs the steps around it that `docs/views.md` describes.
//!
//! Maps of a single value, as the autoencoder has of 256×256 pixels in its middle, are resized by
//! `Expand`, all others by `Resize`: the values are the same, and OpenCV 5.0 computes them, too.
//!
//! The file's metadata hold the model's document (`document`, as `efficientad info --json` prints
//! it), how it sees photos (`view`, as JSON: `"stretch"`, `"letterbox"`, or
//! `{"tiles":{"size":…,"overlap":…}}` in pixels) and, if it has one, its threshold (`threshold`).
//!
//! That is what [`to_bytes`] makes of a model (a feature of this crate, `export`, on by default).
//! For an engine, [`networks_to_bytes`] and [`teacher_to_bytes`] make graphs of networks alone, to the
//! difference maps or the teacher's features.
//!
//! The format is that of the ONNX project's `onnx.proto3`.
#![forbid(unsafe_code)]

mod graph;
#[cfg(feature = "export")]
mod inspection;
mod networks;
#[cfg(all(test, feature = "export"))]
mod tests;

#[cfg(feature = "export")]
pub use inspection::{ExportError, InputKind, save, to_bytes};
pub use networks::{
    FEATURES, IMAGE, IMAGES, STUDENT_AUTOENCODER, STUDENT_TEACHER, networks_to_bytes,
    teacher_to_bytes,
};

/// Version of ONNX's operators that a graph uses: that of ONNX 1.8, from 2020.
pub const OPSET: i64 = 13;
