//! What a path leads to. Opening a pipe waits until somebody writes to it, a device may have no end,
//! and a file in the place of either is no device any more.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Links that are followed from one to the next, as Linux does.
const MAX_LINKS: usize = 40;

/// What a path leads to where a file is needed; in an [`io::Error`], see [`NotRegular::of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRegular {
    /// A folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// A device, a pipe or a socket.
    #[error("it is a device, a pipe or a socket, not a file")]
    Special,
}

impl NotRegular {
    /// What an error of this crate is about, if it is about that.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }

    fn check(metadata: &Metadata) -> io::Result<()> {
        match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => Ok(()),
            (_, true) => Err(io::Error::new(io::ErrorKind::IsADirectory, Self::Folder)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, Self::Special)),
        }
    }
}

/// Opens a file to be read, and never waits for it to be written.
///
/// # Errors
/// The operating system's own, and [`NotRegular`] of what is no file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    NotRegular::check(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    NotRegular::check(&file.metadata()?)?;
    Ok(file)
}

/// Reads a whole file, unless it is longer than it may be.
///
/// # Errors
/// As [`open_regular`], and [`io::ErrorKind::FileTooLarge`] of more than `at_most` bytes.
pub fn read_limited(path: &Path, at_most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(at_most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > at_most {
        let reason = format!("it is longer than {at_most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

/// Finds out whether a path leads to a file or to nothing yet, before it is opened to be written.
///
/// # Errors
/// The operating system's own, and [`NotRegular`] of what is no file.
pub fn check_regular(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        metadata => NotRegular::check(&metadata?),
    }
}

/// Where a file of this path is written: at the end of all links, where there is a file or nothing.
pub(crate) fn place_of(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&place) {
            Ok(there) if there.is_symlink() => {
                place = folder_of(&place).join(fs::read_link(&place)?);
            }
            Ok(there) => return NotRegular::check(&there).map(|()| place),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
