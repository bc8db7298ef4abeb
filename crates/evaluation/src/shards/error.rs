//! What can go wrong with shards.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::MAX_SHARDS;
use crate::OutputError;

/// Why a shard can't be judged, or shards can't be put together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShardError {
    /// There is no such shard.
    #[error(
        "there is no shard {index} of {count}: of N shards, {MAX_SHARDS} at most, the first is 0/N and the \
         last N-1/N"
    )]
    Number {
        /// Its number.
        index: usize,
        /// Of how many.
        count: usize,
    },
    /// A file or folder can't be read or written.
    #[error("{}: {source}; check the folder's space and permissions", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process judges this shard.
    #[error("{}: another process judges this shard; wait for it", .0.display())]
    InUse(PathBuf),
    /// A file was written by another run.
    #[error(
        "{}: this shard is of another run: {what} differs. Choose another folder for the results, or remove \
         the old ones", .path.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// In what.
        what: &'static str,
    },
    /// A file is none of a shard, or damaged.
    #[error("{}: line {line}: this is no shard's file, or a damaged one; remove it and judge the shard anew", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The folder has no results.
    #[error("{}: there are no results of shards here; judge some with --shard I/N first", .0.display())]
    NoShards(PathBuf),
    /// The folder has results of runs with different numbers of shards.
    #[error("{}: there are results of {} shards and of {} shards; keep those of one run", .folder.display(), .counts[0], .counts[1])]
    Counts {
        /// The folder.
        folder: PathBuf,
        /// Two numbers of shards.
        counts: [usize; 2],
    },
    /// Shards are not finished.
    #[error("{}: of {count} shards {missing} have no finished results, such as {example}/{count}: judge them first", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// How many.
        missing: usize,
        /// One of them.
        example: usize,
        /// Of how many.
        count: usize,
    },
    /// Maps could not be written.
    #[error(transparent)]
    Output(Box<OutputError>),
}

impl From<OutputError> for ShardError {
    fn from(error: OutputError) -> Self {
        Self::Output(Box::new(error))
    }
}

impl ShardError {
    /// Of a file that the operating system gives no access to.
    pub(super) fn of_file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
