//! Files that appear whole or not at all, and are nothing but files.
//!
//! | module | what it does |
//! |---|---|
//! | `cache` | where files lie that can be made again |
//! | `lock` | files that one process has for itself |
//! | `regular` | what a path leads to: a file, or what must be neither read nor replaced |
//! | `temporary` | the file beside its place that is renamed once it is complete |
//!
//! A file is written under a temporary name beside its place, forced to the disk, and renamed.

mod cache;
mod lock;
mod regular;
mod temporary;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use regular::place_of;
use temporary::Temporary;

pub use cache::cache_folder;
pub use lock::lock_alone;
pub use regular::{NotRegular, check_regular, open_regular, read_limited};

/// Writes a file under a temporary name in the same folder, then renames it to `path`.
///
/// Whoever opens `path`, also after a crash or a power cut, sees the old file or the new one, never
/// a part. The bytes and the new name are flushed to the disk before this returns. When `write` or
/// anything else fails the temporary file is removed and an older file at `path` stays as it was;
/// what a killed process left is removed when the same file is written again. `write` may read back
/// what it wrote.
///
/// The folder must exist. A file that was there is replaced: the new one has its permissions and,
/// where the system allows it, its owner and group; further names of the old file (hard links) keep
/// the old content. A symbolic link stays, and the file it leads to is replaced.
///
/// # Errors
/// Whatever `write` returns, and the operating system's own errors. A folder, a device, a pipe or a
/// socket is never replaced: [`NotRegular`].
pub fn write_atomically<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let place = place_of(path)?;
    let old = fs::metadata(&place).ok();
    let (temporary, file) = Temporary::create_beside(&place, old.is_some())?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.flush()?;
    let file = writer.get_ref();
    if let Some(old) = old {
        take_over_permissions(file, &old)?;
    }
    file.sync_all()?;
    temporary.rename_to(&place)?;
    Ok(())
}

/// Finds out whether [`write_atomically`] could write a file, and leaves no trace.
///
/// # Errors
/// As [`write_atomically`].
pub fn check_writable(path: &Path) -> io::Result<()> {
    Temporary::create_beside(&place_of(path)?, true).map(drop)
}

/// Gives a new file the permissions of the old one, and its owner and group if that is allowed.
#[cfg(unix)]
fn take_over_permissions(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let mut mode = old.mode() & 0o7777;
    let has_group = fchown(file, None, Some(old.gid())).is_ok();
    // Only the administrator may give files away.
    let has_owner = fchown(file, Some(old.uid()), None).is_ok();
    if !has_group {
        // Another group gets no more than everybody.
        mode = mode & !0o2070 | (mode & 0o7) << 3;
    }
    if !has_owner {
        mode &= !0o4000;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Gives a new file the permissions of the old one.
#[cfg(not(unix))]
fn take_over_permissions(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Flushes the folder of a file that was made, renamed or moved: on Unix its new name is only sure
/// to outlive a power cut after that. Elsewhere this does nothing.
#[cfg(unix)]
pub fn sync_folder_of(path: &Path) {
    // The file is complete under its name already, and some file systems refuse this call: a
    // failure is no failure to write.
    if let Ok(folder) = File::open(regular::folder_of(path)) {
        let _ = folder.sync_all();
    }
}

/// Flushes the folder of a file that was made, renamed or moved: on Unix its new name is only sure
/// to outlive a power cut after that. Elsewhere this does nothing.
#[cfg(not(unix))]
pub fn sync_folder_of(_path: &Path) {}
