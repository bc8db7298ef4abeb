//! Why a stream can't go on.

use std::io;
use std::path::PathBuf;

use efficientad_datasets::DatasetError;
use thiserror::Error;

/// Why judging can't begin or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A source can't go on.
    #[error("{name}: {source}")]
    Source {
        /// What the source calls itself.
        name: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The folder can't be listed.
    #[error("{}: cannot be listed ({source}); name a folder that photos arrive in", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The model's file can't be read.
    #[error("the model cannot be read: {0}")]
    Model(#[source] DatasetError),
    /// The log can't be opened, read or written.
    #[error("{}: the log cannot be {action} ({source})", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file that is to be the log holds something else; it is left as it is.
    #[error(
        "{}: this file exists and is not such a log; it is left as it is: name another file for \
         the log, or none",
        .0.display()
    )]
    NotALog(PathBuf),
    /// The log's name is one of a photo.
    #[error("{}: a log of this name would be taken for a photo; name another file for the log", .0.display())]
    LogLikePhoto(PathBuf),
    /// Another watcher writes the log.
    #[error("{}: another efficientad writes this log; stop it, or choose another --log", .0.display())]
    InUse(PathBuf),
    /// A whole line of the log is none that this program writes.
    #[error(
        "{}: line {line} is not a line of such a log ({reason}); it is left as it is: repair the \
         line, or choose another --log",
        path.display()
    )]
    Damaged {
        /// The log.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The folder of rejects can't be one.
    #[error(
        "{}: rejects can't go to the watched folder or to one that it lies in; choose another \
         --rejects, which may lie in the watched folder",
        .0.display()
    )]
    RejectsAroundPhotos(PathBuf),
    /// The folder of rejects can't be made.
    #[error("{}: the folder of rejects cannot be made ({source})", path.display())]
    RejectsFolder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There are no rejects without a threshold.
    #[error("the model has no threshold, so that nothing is rejected: give --threshold")]
    NoThreshold,
}
