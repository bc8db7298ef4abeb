//! Named tensors on disk: the model container, and import of foreign weights.
//!
//! This crate knows names, shapes and bytes; which tensors a network needs is its caller's business, who asks with
//! [`Tensors::expect`].
//!
//! * [`save`] and [`load`] (and [`to_bytes`], [`from_bytes`] for embedded files) move [`Tensors`] and one JSON
//!   document through the container that `docs/model-file.md` specifies: a safetensors file, the same bytes for the
//!   same content, with a checksum over every byte.
//! * [`foreign::read`] reads the weights people already have from PyTorch and anomalib, without running anything
//!   that such a file asks for.
//!
//! Functions that work on a file return a [`WeightsError`], which names the file, the [`Cause`] and what to do.
#![forbid(unsafe_code)]

mod container;
mod elements;
mod error;
mod files;
pub mod foreign;
mod header;
mod tensor;

pub use container::{
    Contents, FORMAT_VERSION, Precision, from_bytes, is_of_kind, load, load_any, read, save,
    save_checked, to_bytes,
};
pub use error::{Cause, WeightsError};
pub use files::MAX_FILE_SIZE;
pub use header::MAX_HEADER_SIZE;
pub use tensor::{Tensor, Tensors};
