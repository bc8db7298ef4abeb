//! Why a station can't run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a station can't start. What happens to cameras and outputs later is told as an event.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StationError {
    /// The file can't be read.
    #[error("{}: cannot be read ({source})", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is no description of a station.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// What the file says can't work.
    #[error("{}: nothing was started:\n  {}", path.display(), problems.join("\n  "))]
    Problems {
        /// The file.
        path: PathBuf,
        /// All that was found, each with its place in the file.
        problems: Vec<String>,
    },
    /// A thread can't be started.
    #[error("no thread can be started ({0})")]
    Thread(#[source] io::Error),
}
