//! Runs backbones in ONNX up to two of their layers, by [rten](https://github.com/robertknight/rten),
//! and refuses those that take too much memory or time.
//!
//! | module | what it does |
//! |---|---|
//! | `runtime` | loads and runs a network, as [`efficientad_pretraining`] asks for |
//! | `network` | an ONNX file's graph, and parts of it |
//! | `extent` | what the tensors of a network measure, before it runs |
#![forbid(unsafe_code)]

mod extent;
mod network;
mod runtime;

pub use runtime::Rten;
