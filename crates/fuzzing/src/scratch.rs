//! Files for parsers that read from paths, in memory where the system has a place for that.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where Linux keeps files in memory.
const IN_MEMORY: &str = "/dev/shm";

thread_local! {
    static FOLDER: TempDir = folder();
}

/// A folder that is removed when it is dropped.
///
/// # Panics
/// When none can be made.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(IN_MEMORY).or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// What `use_path` makes of a file of this name and content.
///
/// # Panics
/// When the file can't be written.
pub(crate) fn with_file<R>(name: &str, bytes: &[u8], use_path: impl FnOnce(&Path) -> R) -> R {
    let path: PathBuf = FOLDER.with(|folder| folder.path().join(name));
    fs::write(&path, bytes).expect("room for a temporary file");
    use_path(&path)
}
