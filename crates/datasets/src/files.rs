//! Listing folders.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use efficientad_files::{NotRegular, open_regular};

use crate::{DatasetError, LeftOut, Reason, is_image, meaning};

/// The most bytes that a data set's table or description may have: ten times VisA's table.
const MAX_TEXT: u64 = 16 << 20;

/// The text of a data set's table or description.
///
/// # Errors
/// The file can't be read, is no regular file, is larger than [`MAX_TEXT`], or no UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, DatasetError> {
    let mut text = String::new();
    let file = open_file(path)?;
    file.take(MAX_TEXT + 1).read_to_string(&mut text).map_err(DatasetError::io(path))?;
    if text.len() as u64 > MAX_TEXT {
        let reason =
            format!("it is larger than {} MiB, so that it is no table of photos", MAX_TEXT >> 20);
        return Err(DatasetError::malformed(path, reason));
    }
    Ok(text)
}

/// Opens a file to be read; a pipe would be waited for without end.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub(crate) fn open_file(path: &Path) -> Result<File, DatasetError> {
    open_regular(path).map_err(|error| {
        if error.get_ref().is_some_and(|cause| cause.is::<NotRegular>()) {
            DatasetError::malformed(path, "it is no file")
        } else {
            DatasetError::io(path)(error)
        }
    })
}

/// The innermost folder that holds all of `folders`, which have neither links nor `..` in them.
pub fn common_folder<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> PathBuf {
    let mut folders = folders.into_iter();
    let first = folders.next().cloned().unwrap_or_default();
    folders.fold(first, |common, folder| {
        let shared = common.components().zip(folder.components()).take_while(|(a, b)| a == b);
        shared.map(|(component, _)| component).collect()
    })
}

/// Folders that systems and programs make by themselves: thumbnails, waste, what an archive says of its files.
const SYSTEM_FOLDERS: [&str; 7] = [
    "@eaDir",
    "#recycle",
    ".thumbnails",
    "__MACOSX",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// Whether a folder of this name, in any case, was made by a system or a program, for thumbnails or waste.
pub fn is_system_folder(name: &OsStr) -> bool {
    SYSTEM_FOLDERS.iter().any(|system| name.eq_ignore_ascii_case(system))
}

/// A folder's visible content, each list sorted by the bytes of the names.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub images: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
    /// Files that may be tables of photos; they are among the other files, too.
    pub tables: Vec<PathBuf>,
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
                if is_system_folder(path.file_name().unwrap_or_default()) {
                    listing.left_out.add_folder(&path, Reason::System);
                } else {
                    listing.folders.push(path);
                }
            } else if is_image(&path) && !is_endless(&path) {
                listing.images.push(path);
            } else {
                listing.left_out.add(&path);
                if has_extension(&path, "csv") && path.is_file() {
                    listing.tables.push(path);
                }
            }
        }
        listing.images.sort_unstable_by(|a, b| name_bytes(a).cmp(name_bytes(b)));
        listing.folders.sort_unstable_by(|a, b| name_bytes(a).cmp(name_bytes(b)));
        listing.tables.sort_unstable();
        Ok(listing)
    }

    /// Takes out the images that are masks by their names, such as `Part0_label.bmp` beside `Part0.jpg`: mask by the
    /// photo's stem in lower case.
    pub fn take_masks(&mut self) -> BTreeMap<String, PathBuf> {
        let stems: BTreeSet<String> = self.images.iter().map(|path| lower_stem(path)).collect();
        let mut masks = BTreeMap::new();
        self.images.retain(|path| match meaning::masked_photo_beside(&stem(path), &stems) {
            Some(photo) => {
                masks.insert(photo, path.clone());
                false
            }
            None => true,
        });
        masks
    }
}

/// Which of the images below a folder are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// Those that are no masks: they are not in folders called `mask` or `ground_truth`, nor like `a_mask.png` beside
    /// `a.jpg`.
    NoMasks,
}

/// The images in and below `folder`, sorted by the bytes of their paths, and what else there is, folders that can't be
/// listed too. Links to folders are not followed, so that a circle of links ends.
pub(crate) fn images_below(
    folder: &Path,
    wanted: Wanted,
) -> Result<(Vec<PathBuf>, LeftOut), DatasetError> {
    let FoundImages { images, mut left_out, not_listed } = find_images(folder, wanted)?;
    not_listed.iter().for_each(|error| left_out.add_not_listed(error));
    Ok((images, left_out))
}

/// Whether there is an image in or below a folder; one that can't be listed may hold some.
pub(crate) fn may_hold_images(folder: &Path) -> bool {
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        match Listing::read(&next) {
            Ok(listing) if !listing.images.is_empty() => return true,
            Ok(listing) => {
                open.extend(listing.folders.into_iter().filter(|folder| !folder.is_symlink()));
            }
            Err(_) if next == folder => return true,
            Err(_) => {}
        }
    }
    false
}

/// Notes that the images in and below a folder are not taken.
pub(crate) fn leave_out(folder: &Path, reason: Reason, left_out: &mut LeftOut) {
    match images_below(folder, Wanted::All) {
        Ok((images, _)) => left_out.add_photos(folder, images.len(), reason),
        Err(error) => left_out.add_not_listed(&error),
    }
}

/// What [`find_images`] finds.
#[derive(Debug, Default)]
pub struct FoundImages {
    /// The images, sorted by the bytes of their paths.
    pub images: Vec<PathBuf>,
    /// What else there is.
    pub left_out: LeftOut,
    /// Why folders below could not be listed.
    pub not_listed: Vec<DatasetError>,
}

/// The images in a folder and those below it, as far as these can be listed. Links to folders are not followed, so that a
/// circle of links ends.
///
/// # Errors
/// The folder itself is missing or can't be listed.
pub fn find_images(folder: &Path, wanted: Wanted) -> Result<FoundImages, DatasetError> {
    let mut found = FoundImages::default();
    let mut open = vec![(folder.to_owned(), false)];
    while let Some((next, of_masks)) = open.pop() {
        let mut listing = match Listing::read(&next) {
            Ok(listing) => listing,
            Err(error) if next == folder => return Err(error),
            Err(error) => {
                found.not_listed.push(error);
                continue;
            }
        };
        if wanted == Wanted::NoMasks {
            let masks = if of_masks {
                listing.images.drain(..).count()
            } else {
                listing.take_masks().len()
            };
            found.left_out.add_photos(&next, masks, Reason::Masks);
        }
        found.images.extend(listing.images);
        found.left_out.extend(&listing.left_out);
        for folder in listing.folders {
            if folder.is_symlink() {
                found.left_out.add_folder(&folder, Reason::Linked);
            } else {
                let of_masks = of_masks || meaning::of(&name(&folder)).masks;
                open.push((folder, of_masks));
            }
        }
    }
    found.images.sort_by_cached_key(|path| relative_name(folder, path).into_bytes());
    Ok(found)
}

/// Whether a file's name ends so, in any case.
pub(crate) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// A file's name without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file's name without its extension, in lower case.
pub(crate) fn lower_stem(path: &Path) -> String {
    stem(path).to_lowercase()
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
