//! The first half of the file of EfficientAD's built-in teacher of size M (`docs/teacher.md`).
//!
//! The teacher is 16 MB of half-precision weights, which no compression makes smaller, and Rust's
//! registry takes 10 MiB a crate: so two crates hold it, and a program that is built from the registry
//! alone has it without a download.
#![no_std]

/// The bytes.
pub const BYTES: &[u8] = include_bytes!("../part.bin");
