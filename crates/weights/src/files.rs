//! Whole files in, whole files out: a file that is being written never stands under its final name.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use efficientad_files::write_atomically;

use crate::Cause;

/// The most bytes a file may have to be read or written, 1 GiB: five times a checkpoint of EfficientAD-M.
pub const MAX_FILE_SIZE: u64 = 1 << 30;

/// # Errors
/// [`Cause::FileTooLarge`] above [`MAX_FILE_SIZE`].
pub(crate) fn check_size(size: u64) -> Result<(), Cause> {
    if size > MAX_FILE_SIZE {
        Err(Cause::FileTooLarge { size, limit: MAX_FILE_SIZE })
    } else {
        Ok(())
    }
}

/// The bytes of a file.
///
/// # Errors
/// [`Cause::Missing`], [`Cause::NotAFile`], [`Cause::FileTooLarge`], [`Cause::Read`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    let metadata = fs::metadata(path).map_err(explain_read)?;
    if !metadata.is_file() {
        return Err(Cause::NotAFile);
    }
    check_size(metadata.len())?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    let file = File::open(path).map_err(explain_read)?;
    file.take(MAX_FILE_SIZE).read_to_end(&mut bytes).map_err(explain_read)?;
    Ok(bytes)
}

fn explain_read(error: io::Error) -> Cause {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Cause::Missing,
        _ => Cause::Read(error),
    }
}

/// Writes a file so that, whatever happens, `path` holds either its earlier content or all of `bytes`.
///
/// # Errors
/// [`Cause::NotAFile`], [`Cause::FolderMissing`], [`Cause::NotWritable`], [`Cause::DiskFull`], [`Cause::Write`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Cause> {
    if path.is_dir() {
        return Err(Cause::NotAFile);
    }
    write_atomically(path, |file| file.write_all(bytes)).map_err(explain_write)
}

fn explain_write(error: io::Error) -> Cause {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Cause::FolderMissing(error),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Cause::NotWritable(error),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Cause::DiskFull(error),
        _ => Cause::Write(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_earlier_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write(&path, b"first").unwrap();
        let full = write_atomically(&path, |_| {
            File::options().write(true).open("/dev/full")?.write_all(b"second")
        });
        let cause = full.map_err(explain_write).unwrap_err();
        assert!(matches!(cause, Cause::DiskFull(_)), "{cause}");
        assert_eq!(read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["model"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_takes_no_files_is_named_as_such() {
        let cause = write(Path::new("/sys/model"), b"x").unwrap_err();
        assert!(matches!(cause, Cause::NotWritable(_)), "{cause}");
    }

    #[test]
    fn a_missing_folder_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        for parent in ["none", "file"] {
            let path = folder.path().join(parent).join("model");
            assert!(matches!(write(&path, b"x"), Err(Cause::FolderMissing(_))), "{parent}");
            assert!(matches!(read(&path), Err(Cause::Missing)), "{parent}");
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(Cause::NotAFile)));
        assert!(matches!(write(folder.path(), b"x"), Err(Cause::NotAFile)));
    }

    #[test]
    fn a_huge_file_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        File::create(&path).unwrap().set_len(MAX_FILE_SIZE + 1).unwrap();
        assert!(
            matches!(read(&path), Err(Cause::FileTooLarge { size, .. }) if size == MAX_FILE_SIZE + 1)
        );
    }
}
