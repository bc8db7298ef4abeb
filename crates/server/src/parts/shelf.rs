//! Photos of a part by what they are for, and how they get there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use efficientad_datasets::Fingerprint;
use efficientad_evaluation::InspectError;
use efficientad_files::write_atomically;
use efficientad_images::{DecodeOptions, decode, is_image_extension};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Part;
use crate::refusal::Refusal;

/// Photos of one use at most.
const MOST_PHOTOS: usize = 20_000;
/// Most characters of a photo's name before what tells its content.
const LONGEST_STEM: usize = 60;
/// Digits of a photo's SHA-256 in its file's name.
const DIGITS: usize = 12;

/// What photos are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shelf {
    /// Good parts to train on.
    Train,
    /// Marked as good.
    Good,
    /// Marked as defective.
    Defect,
}

/// A photo that was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    /// The name of its file.
    pub name: String,
    /// Where it is for.
    pub shelf: Shelf,
    pub width: u32,
    pub height: u32,
    /// Whether the same photo was there already.
    pub known: bool,
}

impl Shelf {
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Good => "marks/good",
            Self::Defect => "marks/defect",
        }
    }

    /// What a photo can't be at the same time.
    fn opposite(self) -> Option<Self> {
        match self {
            Self::Train => None,
            Self::Good => Some(Self::Defect),
            Self::Defect => Some(Self::Good),
        }
    }
}

impl Part {
    /// The photos of a use, sorted by name.
    pub(crate) fn photos(&self, shelf: Shelf) -> Vec<PathBuf> {
        photos_in(&self.folder.join(shelf.folder()))
    }

    /// Takes a photo, which must be one. A photo is kept once: the same under another name is known,
    /// and one that was marked otherwise is moved.
    pub(crate) fn keep(
        &self,
        shelf: Shelf,
        name: &str,
        bytes: &[u8],
        options: &DecodeOptions,
    ) -> Result<Kept, Refusal> {
        let photo = decode(bytes, name, options)
            .map_err(|error| Refusal::of_photo(&InspectError::Image(error)))?;
        let (width, height) = photo.dimensions();
        drop(photo);
        let sum = Fingerprint(Sha256::digest(bytes).into()).to_string();
        let kept = |name: String, known| Kept { name, shelf, width, height, known };
        let folder = self.folder.join(shelf.folder());
        let photos = photos_in(&folder);
        if let Some(known) = find(&photos, &sum) {
            return Ok(kept(known, true));
        }
        self.check_room(photos.len())?;
        fs::create_dir_all(&folder).map_err(|error| not_kept(&folder, &error))?;
        let other = shelf.opposite().map(|other| self.folder.join(other.folder()));
        if let Some((other, known)) =
            other.and_then(|it| find(&photos_in(&it), &sum).map(|name| (it, name)))
        {
            let place = folder.join(&known);
            fs::rename(other.join(&known), &place).map_err(|error| not_kept(&place, &error))?;
            return Ok(kept(known, false));
        }
        let name = file_name(name, &sum)?;
        let place = folder.join(&name);
        write_atomically::<io::Error>(&place, |file| file.write_all(bytes))
            .map_err(|error| not_kept(&place, &error))?;
        Ok(kept(name, false))
    }

    /// Removes a photo that was taken.
    pub(crate) fn remove(&self, shelf: Shelf, name: &str) -> Result<(), Refusal> {
        let found =
            self.photos(shelf).into_iter().find(|path| path.file_name() == Some(name.as_ref()));
        let path = found.ok_or_else(|| {
            let message = format!("{name:?}: there is no such photo of {}", self.name);
            Refusal::new(StatusCode::NOT_FOUND, "no_such_photo", message)
        })?;
        fs::remove_file(&path).map_err(|error| not_kept(&path, &error))
    }

    fn check_room(&self, photos: usize) -> Result<(), Refusal> {
        if photos < MOST_PHOTOS {
            return Ok(());
        }
        let message = format!(
            "{}: there are {MOST_PHOTOS} photos already: remove some, or train on a folder of the server",
            self.name
        );
        Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_photos", message))
    }
}

/// The images in a folder, sorted; none if it is not there.
pub(crate) fn photos_in(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut photos: Vec<PathBuf> = paths.filter(|path| is_photo(path)).collect();
    photos.sort_unstable();
    photos
}

fn is_photo(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    is_image_extension(path) && !is_hidden && path.is_file()
}

/// What a photo's content is called in file names, from a name that [`file_name`] made.
pub(crate) fn content_of(path: &Path) -> Option<&str> {
    let (_, content) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    Some(content)
}

/// The name of the one of these files that has this content.
fn find(photos: &[PathBuf], sum: &str) -> Option<String> {
    let found = photos.iter().find(|path| content_of(path) == Some(&sum[..DIGITS]))?;
    found.file_name()?.to_str().map(str::to_owned)
}

/// A name that is one on every system, and tells the content.
fn file_name(name: &str, sum: &str) -> Result<String, Refusal> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if !is_image_extension(Path::new(name)) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "photo_format",
            format!("{name:?}: a photo's name ends in .png, .jpg, .bmp, .tif or .webp: name it so"),
        ));
    }
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' };
    let stem: String = stem.chars().map(plain).take(LONGEST_STEM).collect();
    Ok(format!("{stem}-{}.{}", &sum[..DIGITS], extension.to_ascii_lowercase()))
}

pub(crate) fn not_kept(path: &Path, error: &io::Error) -> Refusal {
    Refusal::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "not_written",
        format!(
            "{}: cannot be written ({error}); make room, or check the permissions of the server's \
             folder of data",
            path.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::Parts;
    use super::*;

    fn png(level: u8) -> Vec<u8> {
        let photo = efficientad_images::RgbImage::from_pixel(8, 6, [level; 3].into());
        efficientad_images::picture::encode_png(&photo).unwrap()
    }

    #[test]
    fn a_photo_is_kept_once_and_under_one_mark() {
        let folder = tempfile::tempdir().unwrap();
        let part = Parts::open(folder.path()).unwrap().part("bolt").unwrap();
        let options = DecodeOptions::default();
        let keep =
            |shelf, name: &str, level| part.keep(shelf, name, &png(level), &options).unwrap();
        let first = keep(Shelf::Good, "../../etc/a ü.PNG", 1);
        assert!(first.name.starts_with("a__-") && first.name.ends_with(".png"), "{first:?}");
        assert_eq!((first.width, first.height, first.known), (8, 6, false));
        assert!(keep(Shelf::Good, "other.png", 1).known);
        assert!(!keep(Shelf::Good, "other.png", 2).known);
        assert!(!keep(Shelf::Defect, "again.png", 1).known);
        assert_eq!((part.photos(Shelf::Good).len(), part.photos(Shelf::Defect).len()), (1, 1));
        part.remove(Shelf::Defect, &first.name).unwrap();
        assert!(part.remove(Shelf::Defect, "../good/x.png").is_err());
        assert!(part.photos(Shelf::Defect).is_empty());
    }

    #[test]
    fn what_is_no_photo_is_refused_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let part = Parts::open(folder.path()).unwrap().part("bolt").unwrap();
        let options = DecodeOptions::default();
        let refused = |name: &str, bytes: &[u8]| {
            part.keep(Shelf::Train, name, bytes, &options).unwrap_err().status.as_u16()
        };
        assert_eq!(refused("a.png", b"<html>"), 415);
        assert_eq!(refused("a.png", &png(1)[..40]), 422);
        assert_eq!(refused("a.exe", &png(1)), 415);
        assert!(part.photos(Shelf::Train).is_empty());
    }
}
