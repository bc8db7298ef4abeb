//! Why there is no report.

use std::io;
use std::path::{Path, PathBuf};

use efficientad_datasets::DatasetError;
use efficientad_images::PictureError;
use thiserror::Error;

/// Why there is no report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The operating system could not write the page or make its folder.
    #[error("{}: cannot be written ({source}); check the folder, its permissions and the space left", path.display())]
    Write {
        /// The page's path, or its folder's.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A picture could not be made.
    #[error("the report's pictures cannot be made: {0}")]
    Picture(#[from] PictureError),
    /// A file whose fingerprint belongs into the report can't be read.
    #[error(transparent)]
    Data(#[from] DatasetError),
}

impl ReportError {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
