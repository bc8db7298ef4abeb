//! Files that appear whole or not at all.
//!
//! A file is written under a temporary name beside its place, forced to the disk, and renamed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file under a temporary name in the same folder, then renames it to `path`.
///
/// Whoever opens `path`, also after a crash or a power cut, sees the old file or the new one, never
/// a part. The bytes and the new name are flushed to the disk before this returns. When `write` or
/// anything else fails the temporary file is removed and an older file at `path` stays as it was;
/// what a killed process left is removed when the same file is written again (on Linux).
/// The folder must exist. A file that was there is replaced, and a symbolic link too.
///
/// # Errors
/// Whatever `write` returns, and the operating system's own errors.
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let (temporary, file) = Temporary::create_beside(path)?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    drop(writer);
    temporary.rename_to(path)?;
    Ok(())
}

/// A temporary path, removed when dropped unless it was renamed.
struct Temporary {
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn create_beside(path: &Path) -> io::Result<(Self, File)> {
        let name = path.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name")
        })?;
        remove_leftovers(path, name);
        loop {
            let path = path.with_file_name(temporary_name(name));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Self { path, renamed: false }, file)),
                // Left by a crash of a process with the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.renamed = true;
        sync_folder_of(path);
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

/// `.NAME.PROCESS-NUMBER.tmp`
fn temporary_name(name: &OsStr) -> OsString {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut temporary = prefix(name);
    temporary.push(format!("{}-{number}.tmp", std::process::id()));
    temporary
}

fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Removes temporary files that a killed process left while it wrote this very file. What can't be
/// listed or removed is left alone: it is in nobody's way.
fn remove_leftovers(path: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    let prefix = prefix(name);
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        let process = rest.and_then(|rest| std::str::from_utf8(rest).ok()).and_then(process_of);
        if process.is_some_and(has_ended) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The process of `PROCESS-NUMBER.tmp`.
fn process_of(rest: &str) -> Option<u32> {
    let (process, number) = rest.strip_suffix(".tmp")?.split_once('-')?;
    number.parse::<u64>().ok()?;
    process.parse().ok()
}

/// Whether there is certainly no process of this number any more.
fn has_ended(process: u32) -> bool {
    cfg!(target_os = "linux")
        && Path::new("/proc/self").exists()
        && !Path::new(&format!("/proc/{process}")).exists()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Flushes the folder of a file that was made, renamed or moved: on Unix its new name is only sure
/// to outlive a power cut after that. Elsewhere this does nothing.
#[cfg(unix)]
pub fn sync_folder_of(path: &Path) {
    // The file is complete under its name already, and some file systems refuse this call: a
    // failure is no failure to write.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
}

/// Flushes the folder of a file that was made, renamed or moved: on Unix its new name is only sure
/// to outlive a power cut after that. Elsewhere this does nothing.
#[cfg(not(unix))]
pub fn sync_folder_of(_path: &Path) {}
