//! What can go wrong when an engine is made.

use crate::OLDEST_VERSION;
use crate::provider::Provider;
use efficientad_engine::{Precision, ThreadsError};
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxRuntimeError {
    /// There is no such file, or no library in a folder.
    #[error("{}: no library of ONNX Runtime is here; {}", .path.display(), .provider.remedy())]
    NoSuchFile {
        /// What was named.
        path: PathBuf,
        /// What it was wanted for.
        provider: Provider,
    },
    /// No library was named, and none found.
    #[error(
        "ONNX Runtime was not found, neither beside the program nor by the system; {}",
        .provider.remedy()
    )]
    NotFound {
        /// What it was wanted for.
        provider: Provider,
    },
    /// A file can't be loaded as a library, or is another one.
    #[error("{}: cannot be loaded as ONNX Runtime ({reason}); {}", .path.display(), .provider.remedy())]
    NotLoaded {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
        /// What it was wanted for.
        provider: Provider,
    },
    /// The library is of an earlier version than this program needs.
    #[error(
        "{}: this is ONNX Runtime {version}, but it takes {OLDEST_VERSION} or later; {}",
        .path.display(), .provider.remedy()
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
        /// What it was wanted for.
        provider: Provider,
    },
    /// A program can load one library only.
    #[error(
        "{}: another library of ONNX Runtime, {}, is in use already; a program can load one",
        .wanted.display(), .loaded.display()
    )]
    OtherLibrary {
        /// What was named.
        wanted: PathBuf,
        /// What is loaded.
        loaded: PathBuf,
    },
    /// The library was built without the provider.
    #[error("{}: this build of ONNX Runtime {version} has no {provider}; {}", .library.display(),
        .provider.remedy())]
    NoProvider {
        /// What is missing.
        provider: Provider,
        /// The file.
        library: PathBuf,
        /// Its version.
        version: String,
    },
    /// The provider could not begin its work.
    #[error("ONNX Runtime cannot use {provider} ({reason}); {}", .provider.needs())]
    Provider {
        /// The provider.
        provider: Provider,
        /// What the library says.
        reason: String,
    },
    /// The provider does not compute so.
    #[error(
        "{provider} does not compute in {precision} here; it does in {}", list(.available)
    )]
    Precision {
        /// The provider.
        provider: Provider,
        /// What was wished for.
        precision: Precision,
        /// What there is.
        available: Vec<Precision>,
    },
    /// The provider's devices have no numbers.
    #[error("{provider} is one device without a number: leave the number out")]
    Device {
        /// The provider.
        provider: Provider,
    },
    /// There is no place for what TensorRT builds.
    #[error("no folder for TensorRT's engines ({reason}); name one that can be written to")]
    Cache {
        /// What is wrong.
        reason: String,
    },
    /// Threads can't be started.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

fn list(precisions: &[Precision]) -> String {
    precisions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
