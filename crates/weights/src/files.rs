//! Whole files in, whole files out: a file that is being written never stands under its final name.

use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::Path;

use efficientad_files::{NotRegular, open_regular, write_atomically};

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
    let file = open_regular(path).map_err(explain_read)?;
    let size = file.metadata().map_err(explain_read)?.len();
    check_size(size)?;
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(MAX_FILE_SIZE).read_to_end(&mut bytes).map_err(explain_read)?;
    Ok(bytes)
}

fn explain_read(error: io::Error) -> Cause {
    match error.kind() {
        _ if NotRegular::of(&error).is_some() => Cause::NotAFile,
        ErrorKind::NotFound | ErrorKind::NotADirectory => Cause::Missing,
        _ => Cause::Read(error),
    }
}

/// Writes a file so that, whatever happens, `path` holds either its earlier content or all of `bytes`.
///
/// # Errors
/// [`Cause::NotAFile`], [`Cause::FolderMissing`], [`Cause::NotWritable`], [`Cause::DiskFull`], [`Cause::Write`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Cause> {
    write_atomically(path, |file| file.write_all(bytes)).map_err(explain_write)
}

/// The same, but an earlier file is only replaced if `check` is content with what can be read back.
///
/// # Errors
/// As [`write`], and that of `check`.
pub(crate) fn write_checked(
    path: &Path,
    bytes: &[u8],
    check: impl FnOnce(&[u8]) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let written = write_atomically(path, |file| {
        file.write_all(bytes)?;
        file.rewind()?;
        let mut read = Vec::with_capacity(bytes.len());
        file.get_mut().read_to_end(&mut read)?;
        check(&read).map_err(Failed::Check)
    });
    written.map_err(|failed| match failed {
        Failed::System(error) => explain_write(error),
        Failed::Check(cause) => cause,
    })
}

/// Why a file was not replaced.
enum Failed {
    System(io::Error),
    Check(Cause),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

fn explain_write(error: io::Error) -> Cause {
    match error.kind() {
        _ if NotRegular::of(&error).is_some() => Cause::NotAFile,
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
    use std::fs::{self, File};

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
    fn what_does_not_read_back_leaves_the_earlier_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write(&path, b"first").unwrap();
        let content = |read: &[u8]| {
            assert_eq!(read, b"second");
            Err(Cause::NotAContainer)
        };
        let cause = write_checked(&path, b"second", content).unwrap_err();
        assert!(matches!(cause, Cause::NotAContainer), "{cause}");
        assert_eq!(read(&path).unwrap(), b"first");
        write_checked(&path, b"third", |_| Ok(())).unwrap();
        assert_eq!(read(&path).unwrap(), b"third");
        assert_eq!(names(folder.path()), ["model"]);
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
