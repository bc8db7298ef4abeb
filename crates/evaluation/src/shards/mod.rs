//! A list of photos judged by several processes, on one machine or many, and put together again.
//!
//! Process I of N judges every Nth photo of the list, from the Ith on, and writes what it finds to a file of its
//! own in a folder that all share. A process that is started again goes on where it was; one whose file is
//! finished has nothing to do. Merging reads the N files side by side, in the order of the list.
//!
//! | module | what it does |
//! |---|---|
//! | `run` | what the shards of a run have in common, and the lines of a file |
//! | `judge` | judges the photos of a shard that have no results yet |
//! | `write` | the file of one shard |
//! | `read` | all files, put together |

mod error;
mod judge;
mod read;
mod run;
mod write;

pub use error::ShardError;
pub use judge::{ShardDone, judge_shard};
pub use read::Merged;
pub use run::{Run, Stored};
pub use write::{Begun, ShardFile};

use std::path::{Path, PathBuf};

/// Most shards of a run: merging has so many files open.
pub const MAX_SHARDS: usize = 500;

/// One of several parts of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Part `index`, from 0, of `count`.
    ///
    /// # Errors
    /// [`ShardError::Number`] if there is no such part, or there are more than [`MAX_SHARDS`].
    pub fn new(index: usize, count: usize) -> Result<Self, ShardError> {
        if index >= count || count > MAX_SHARDS {
            return Err(ShardError::Number { index, count });
        }
        Ok(Self { index, count })
    }

    /// The part of a list that is this shard's, in order.
    pub fn of<T: Clone>(self, list: &[T]) -> Vec<T> {
        list.iter().skip(self.index).step_by(self.count).cloned().collect()
    }

    fn file(self, folder: &Path) -> PathBuf {
        folder.join(format!("shard-{}-of-{}.jsonl", self.index, self.count))
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests;
