//! The file that is written in another one's place.
//!
//! Its writer holds a lock on it, which ends with the process, however that ends. What nobody holds
//! was left by a process that was killed; numbers of processes would not tell, for containers that
//! share a folder count their own.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::regular::{folder_of, open_regular};
use crate::sync_folder_of;

/// Every file system takes names of so many bytes.
const SURE_LENGTH: usize = 128;
/// Bytes that a temporary name has besides the file's own: `.`, `.`, two numbers, `-` and `.tmp`.
const ADDED_LENGTH: usize = 40;

/// A temporary path, removed when dropped unless it was renamed.
pub(crate) struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    /// Makes a temporary file in the folder of `place`, where it is to go, and removes what killed
    /// processes left of such. A private one is for the eyes of its owner alone.
    pub(crate) fn create_beside(place: &Path, private: bool) -> io::Result<(Self, File)> {
        let name = place.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name")
        })?;
        let prefix = prefix(name);
        remove_leftovers(folder_of(place), &prefix);
        loop {
            let path = place.with_file_name(temporary_name(&prefix));
            match create(&path, private) {
                Ok(file) if is_ours(&path, &file) => {
                    return Ok((Self { path, renamed: false }, file));
                }
                // Another process took it for a leftover in the moment before it was locked.
                Ok(_) => {}
                // Left by a crash of a process with the same number, or one of another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn rename_to(mut self, place: &Path) -> io::Result<()> {
        fs::rename(&self.path, place)?;
        self.renamed = true;
        sync_folder_of(place);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // Already on the way out with the error that matters.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new file to be written and read.
fn create(path: &Path, private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)
}

/// Locks a new file, and tells whether it still has its name. Where files can't be locked nobody can
/// take it for a leftover.
fn is_ours(path: &Path, file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && is_named(file, path)
}

/// `.NAME.`; a long name is cut, so that the temporary name is no longer than names may be.
fn prefix(name: &OsStr) -> String {
    let room = name.len().max(SURE_LENGTH) - ADDED_LENGTH;
    let name = name.to_string_lossy();
    format!(".{}.", &name[..name.floor_char_boundary(room)])
}

/// `.NAME.PROCESS-NUMBER.tmp`
fn temporary_name(prefix: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}{}-{number}.tmp", std::process::id())
}

/// Removes temporary files that a killed process left while it wrote this very file. What can't be
/// listed, opened, locked or removed is left alone: it is in nobody's way.
fn remove_leftovers(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if rest.is_some_and(is_numbered)
            && let Ok(file) = open_regular(&entry.path())
            && file.try_lock().is_ok()
            && is_named(&file, &entry.path())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a name ends in `PROCESS-NUMBER.tmp`.
fn is_numbered(rest: &str) -> bool {
    let numbers = rest.strip_suffix(".tmp").and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(process, number)| {
        process.parse::<u32>().is_ok() && number.parse::<u64>().is_ok()
    })
}

/// Whether an open file is the one that has this path now.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(named)) => (file.dev(), file.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Whether a path has a file; no other process gives it this name.
#[cfg(not(unix))]
fn is_named(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_no_longer_than_names_may_be() {
        for length in [1, 88, 89, 128, 200, 255] {
            let name = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let longest = format!("{}{}-{}.tmp", prefix(OsStr::new(&name)), u32::MAX, u64::MAX);
            assert!(longest.len() <= length.max(SURE_LENGTH), "{longest}");
        }
        assert_eq!(prefix(OsStr::new("part.model")), ".part.model.");
    }
}
