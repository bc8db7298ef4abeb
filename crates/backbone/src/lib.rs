//! Runs backbones in ONNX up to two of their layers, and refuses those that take too much memory or time.
//!
//! | module | what it does |
//! |---|---|
//! | `rten`, `onnxruntime` | run a network, as [`efficientad_pretraining`] asks for; the latter with the feature of that name |
//! | `part` | the part of a file's network that computes two layers |
//! | `network` | an ONNX file's graph, and parts of it |
//! | `extent` | what the tensors of a network measure, before it runs |
#![forbid(unsafe_code)]

mod extent;
mod network;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
mod part;
mod rten;

#[cfg(feature = "onnxruntime")]
pub use onnxruntime::OnnxRuntime;
pub use rten::Rten;
