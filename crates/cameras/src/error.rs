//! Why a camera can't be opened.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a camera can't be what its configuration says. What a camera that is away does is no error,
/// but a notice of the source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CameraError {
    /// This program was built without the kind of camera.
    #[error(
        "kind = \"{kind}\": this program was built without it; build it on Linux with \
         --features {kind}, which needs {needs}"
    )]
    NotBuilt {
        /// The kind, which is also the name of the feature.
        kind: &'static str,
        /// What of the system the feature needs.
        needs: &'static str,
    },
    /// A field can't have this value.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file that the configuration names can't be read.
    #[error("{field}: {}: cannot be read ({source})", path.display())]
    File {
        /// The field that names it.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The camera's thread can't be started.
    #[error("the camera's thread cannot be started ({0})")]
    Thread(#[source] io::Error),
}

impl CameraError {
    pub(crate) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { field, reason: reason.into() }
    }
}
