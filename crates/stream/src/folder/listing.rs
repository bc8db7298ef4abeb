//! Which photos lie in the watched folder.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use efficientad_datasets::{LeftOut, is_image, is_system_folder};
use jiff::Timestamp;
use walkdir::{DirEntry, WalkDir};

use crate::entry::PhotoFile;

/// A photo as it lies in the folder now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub photo: PhotoFile,
}

/// Whether the file at a path still is what it was.
pub fn is_unchanged(path: &Path, photo: &PhotoFile) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| {
        metadata.is_file() && metadata.len() == photo.bytes && modified(&metadata) == photo.modified
    })
}

/// What a look into the folder gave.
#[derive(Debug, Default)]
pub struct Listing {
    /// The photos, those in subfolders too.
    pub photos: Vec<Found>,
    /// What could not be looked at.
    pub problems: Vec<String>,
    /// Symbolic links to folders, which are not followed.
    pub linked_folders: Vec<PathBuf>,
    /// Pictures by their names, of formats that are not read.
    pub unread_pictures: LeftOut,
}

/// Lists the image files in and below `folder`, but for those in `rejects`, in folders of the
/// system, hidden files and folders (names that begin with a dot), and symbolic links.
///
/// # Errors
/// The folder itself can't be listed.
pub fn list(folder: &Path, rejects: Option<&Path>) -> io::Result<Listing> {
    // WalkDir takes a file for a folder that holds itself.
    fs::read_dir(folder)?;
    let (mut listing, mut left_out) = (Listing::default(), LeftOut::default());
    let is_wanted = |entry: &DirEntry| {
        let is_hidden = entry.file_name().as_encoded_bytes().first() == Some(&b'.');
        entry.depth() == 0 || !is_hidden && rejects != Some(entry.path()) && !is_of_system(entry)
    };
    for entry in WalkDir::new(folder).into_iter().filter_entry(is_wanted) {
        let found = entry.and_then(|entry| {
            if entry.path_is_symlink() && entry.depth() > 0 && entry.path().is_dir() {
                listing.linked_folders.push(entry.path().to_owned());
            }
            let (is_file, is_image) = (entry.file_type().is_file(), is_image(entry.path()));
            if is_file && !is_image {
                left_out.add(entry.path());
            }
            let is_photo = is_file && is_image;
            is_photo.then(|| found(folder, &entry)).transpose()
        });
        match found {
            Ok(found) => listing.photos.extend(found),
            Err(error) if error.depth() == 0 => return Err(error.into()),
            Err(error) if is_gone(&error) => {}
            Err(error) => listing.problems.push(error.to_string()),
        }
    }
    listing.unread_pictures = left_out.pictures();
    Ok(listing)
}

fn is_of_system(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && is_system_folder(entry.file_name())
}

/// Whether a file or folder was taken away while the folder was listed.
fn is_gone(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn found(folder: &Path, entry: &DirEntry) -> walkdir::Result<Found> {
    let metadata = entry.metadata()?;
    let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
    let photo = PhotoFile::new(below, metadata.len(), modified(&metadata));
    Ok(Found { path: entry.path().to_owned(), photo })
}

/// The time of the last change; the beginning of 1970 on file systems that have none.
pub fn modified(metadata: &Metadata) -> Timestamp {
    metadata.modified().ok().and_then(|time| time.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_listed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("line");
        let files = [
            "1.png",
            "a/b/2.JPG",
            "a/3.tiff",
            "photo.png.part",
            "4.png.tmp",
            ".5.png",
            ".hidden/6.png",
            "notes.txt",
            "rejects/7.png",
            "log.jsonl",
            "a/rejects/8.png",
            "@eaDir/1.png/thumb.jpg",
            "a/.thumbnails/9.png",
            "a/__macosx/10.png",
            "$Recycle.Bin/11.png",
            "System Volume Information/12.png",
        ];
        for file in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"12345").unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.join("1.png"), folder.join("link.png")).unwrap();
            std::os::unix::fs::symlink(&folder, folder.join("circle")).unwrap();
        }
        let listing = list(&folder, Some(&folder.join("rejects"))).unwrap();
        let mut names: Vec<_> =
            listing.photos.iter().map(|found| found.photo.path.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["1.png", "a/3.tiff", "a/b/2.JPG", "a/rejects/8.png"]);
        assert!(listing.problems.is_empty());
        #[cfg(unix)]
        assert_eq!(listing.linked_folders, [folder.join("circle")]);
        let is_same = |found: &Found| is_unchanged(&found.path, &found.photo);
        assert!(listing.photos.iter().all(|found| found.photo.bytes == 5 && is_same(found)));
        let first = listing.photos.iter().find(|found| found.photo.path == "1.png").unwrap();
        fs::write(folder.join("1.png"), b"123456").unwrap();
        assert!(!is_same(first));
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let error = list(&root.path().join("none"), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let file = root.path().join("1.png");
        fs::write(&file, b"").unwrap();
        assert_eq!(list(&file, None).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}
