//! Listing folders.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::{DatasetError, LeftOut, is_image};

/// The most bytes that a data set's table or description may have: ten times VisA's table.
const MAX_TEXT: u64 = 16 << 20;

/// The text of a data set's table or description.
///
/// # Errors
/// The file can't be read, is no regular file, is larger than [`MAX_TEXT`], or no UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, DatasetError> {
    let metadata = fs::metadata(path).map_err(DatasetError::io(path))?;
    if !metadata.is_file() {
        return Err(DatasetError::malformed(path, "it is no file".to_owned()));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(DatasetError::io(path))?;
    file.take(MAX_TEXT + 1).read_to_string(&mut text).map_err(DatasetError::io(path))?;
    if text.len() as u64 > MAX_TEXT {
        let reason =
            format!("it is larger than {} MiB, so that it is no table of photos", MAX_TEXT >> 20);
        return Err(DatasetError::malformed(path, reason));
    }
    Ok(text)
}

/// A folder's visible content, each list sorted by the bytes of the names.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub images: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
    /// The other files.
    pub left_out: LeftOut,
}

impl Listing {
    /// Reads one folder, not what is below it.
    pub fn read(folder: &Path) -> Result<Self, DatasetError> {
        if !folder.is_dir() {
            return Err(DatasetError::MissingFolder(folder.to_owned()));
        }
        let mut listing = Self::default();
        for entry in fs::read_dir(folder).map_err(DatasetError::io(folder))? {
            let path = entry.map_err(DatasetError::io(folder))?.path();
            if is_hidden(&path) {
                continue;
            }
            if path.is_dir() {
                listing.folders.push(path);
            } else if is_image(&path) && !is_endless(&path) {
                listing.images.push(path);
            } else {
                listing.left_out.add(&path);
            }
        }
        listing.images.sort_unstable_by(|a, b| name_bytes(a).cmp(name_bytes(b)));
        listing.folders.sort_unstable_by(|a, b| name_bytes(a).cmp(name_bytes(b)));
        Ok(listing)
    }

    /// As [`read`](Self::read), but a folder that is not there is an empty one.
    pub fn read_optional(folder: &Path) -> Result<Self, DatasetError> {
        if folder.exists() { Self::read(folder) } else { Ok(Self::default()) }
    }
}

/// The images of a folder, which must hold at least one, and what else it holds.
pub(crate) fn images_in(folder: &Path) -> Result<(Vec<PathBuf>, LeftOut), DatasetError> {
    let Listing { images, left_out, .. } = Listing::read(folder)?;
    if images.is_empty() {
        return Err(DatasetError::NoImages(folder.to_owned()));
    }
    Ok((images, left_out))
}

/// All images in the folders below `folder`, sorted by the bytes of their paths, and what else they hold. Links to folders are
/// not followed, so that a circle of links ends.
pub(crate) fn images_below(folder: &Path) -> Result<(Vec<PathBuf>, LeftOut), DatasetError> {
    let FoundImages { images, left_out, not_listed } = find_images(folder)?;
    not_listed.into_iter().next().map_or(Ok((images, left_out)), Err)
}

/// What [`find_images`] finds.
#[derive(Debug, Default)]
pub struct FoundImages {
    /// The images, sorted by the bytes of their paths.
    pub images: Vec<PathBuf>,
    /// The other visible files.
    pub left_out: LeftOut,
    /// Why folders below could not be listed.
    pub not_listed: Vec<DatasetError>,
}

/// All images in a folder and those below it, as far as these can be listed. Links to folders are not followed, so that a
/// circle of links ends.
///
/// # Errors
/// The folder itself is missing or can't be listed.
pub fn find_images(folder: &Path) -> Result<FoundImages, DatasetError> {
    let mut found = FoundImages::default();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        match Listing::read(&next) {
            Ok(listing) => {
                found.images.extend(listing.images);
                found.left_out.extend(&listing.left_out);
                open.extend(listing.folders.into_iter().filter(|folder| !folder.is_symlink()));
            }
            Err(error) if next == folder => return Err(error),
            Err(error) => found.not_listed.push(error),
        }
    }
    found.images.sort_by_cached_key(|path| relative_name(folder, path).into_bytes());
    Ok(found)
}

/// Files by the stem of their names; of equal stems the first file wins.
pub(crate) fn by_stem(files: Vec<PathBuf>) -> BTreeMap<String, PathBuf> {
    let mut stems = BTreeMap::new();
    for file in files {
        stems.entry(stem(&file)).or_insert(file);
    }
    stems
}

/// A file's name without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file or folder's name.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A path below `root` with `/` between its parts on every system; the whole path if it is not below `root`.
pub(crate) fn relative_name(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(OsStr::to_string_lossy).collect();
    parts.join("/")
}

/// Whether a path leads to a device, a pipe or a socket, which has no end or waits to be opened. What leads nowhere is
/// not that: reading it says so.
fn is_endless(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn is_hidden(path: &Path) -> bool {
    name_bytes(path).first() == Some(&b'.')
}

fn name_bytes(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_encoded_bytes()
}
