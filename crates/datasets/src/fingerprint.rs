//! Naming the exact data a model was made from.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::DatasetError;
use crate::files::{open_file, relative_name};

/// A SHA-256 over files; displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Its first 16 digits: enough to tell the files of one data set apart.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The [`fingerprint_named`] of files, each under its path below `root` (parts joined by `/`).
///
/// # Errors
/// A file can't be read.
pub fn fingerprint<'a>(
    root: &Path,
    files: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<Fingerprint, DatasetError> {
    fingerprint_named(files.into_iter().map(|path| (relative_name(root, path), path.as_path())))
}

/// The SHA-256 over, for each file in the bytewise order of its name: the name's length in bytes as
/// a little-endian u64, the name, and the SHA-256 of the file's content.
///
/// Order and location of the files don't matter; renaming or changing one does.
///
/// # Errors
/// A file can't be read.
pub fn fingerprint_named<'a>(
    files: impl IntoIterator<Item = (String, &'a Path)>,
) -> Result<Fingerprint, DatasetError> {
    let read = |(name, path)| Ok((name, path, file_fingerprint(path)?));
    Ok(of_contents(files.into_iter().map(read).collect::<Result<_, DatasetError>>()?))
}

/// The [`fingerprint`] of files, and the [`file_fingerprint`] of each, in their order: each is read once.
///
/// # Errors
/// A file can't be read.
pub fn fingerprints(
    root: &Path,
    files: &[PathBuf],
) -> Result<(Fingerprint, Vec<Fingerprint>), DatasetError> {
    let of_each = files.iter().map(|path| file_fingerprint(path)).collect::<Result<Vec<_>, _>>()?;
    let named = files.iter().zip(&of_each);
    let named = named.map(|(path, &content)| (relative_name(root, path), path.as_path(), content));
    Ok((of_contents(named.collect()), of_each))
}

/// Of files, each with its name, its path and the fingerprint of its content.
fn of_contents(mut files: Vec<(String, &Path, Fingerprint)>) -> Fingerprint {
    files.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut sum = Sha256::new();
    for (name, _, Fingerprint(content)) in files {
        sum.update((name.len() as u64).to_le_bytes());
        sum.update(name.as_bytes());
        sum.update(content);
    }
    Fingerprint(sum.finalize().into())
}

/// The SHA-256 of one file's content, as `sha256sum` prints it.
///
/// # Errors
/// The file can't be read.
pub fn file_fingerprint(path: &Path) -> Result<Fingerprint, DatasetError> {
    let mut file = open_file(path)?;
    let mut sum = Sha256::new();
    io::copy(&mut file, &mut sum).map_err(DatasetError::io(path))?;
    Ok(Fingerprint(sum.finalize().into()))
}
