//! The photos in folders, and which of them are held back.

use std::path::{Path, PathBuf};

use efficientad_datasets::{DatasetError, LeftOut, Wanted, draw, find_images, fingerprint_named};
use efficientad_images::{DecodeOptions, ImageError, Limits, RgbImage, load};

use crate::error::PretrainingError;
use crate::parallel::{self, Progress};
use crate::samples::MIN_PHOTO_SIDE;

/// Most photos that are held back.
const MAX_HELD_BACK: usize = 64;
/// One photo in so many is held back.
const HELD_BACK_EVERY: usize = 20;

/// A photo that can be used.
#[derive(Clone, Debug)]
pub(crate) struct Photo {
    pub path: PathBuf,
    /// Columns, rows.
    pub size: (u32, u32),
}

impl Photo {
    pub(crate) fn load(&self, limits: &Limits) -> Result<RgbImage, ImageError> {
        load(&self.path, &within(limits))
    }
}

/// A photo that can't be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it; the text names the file.
    pub error: ImageError,
}

/// Photos to learn from, and photos to measure on.
pub(crate) struct PhotoSet {
    pub train: Vec<Photo>,
    pub held_back: Vec<Photo>,
    /// Names all of them and their content.
    pub fingerprint: String,
    /// The photos that can't be read.
    pub unreadable: Vec<Unreadable>,
    /// Why folders below those given could not be listed.
    pub not_listed: Vec<DatasetError>,
    /// Photos that are left out because a side is below [`MIN_PHOTO_SIDE`].
    pub too_small: usize,
    /// The other visible files in the folders.
    pub left_out: LeftOut,
}

impl PhotoSet {
    /// Decodes every photo in the folders and below them once.
    pub(crate) fn open(
        folders: &[PathBuf],
        limits: &Limits,
        seed: u64,
        threads: usize,
        progress: &mut Progress<'_>,
    ) -> Result<Self, PretrainingError> {
        let (mut named, mut not_listed) = (Vec::new(), Vec::new());
        let mut left_out = LeftOut::default();
        for (i, folder) in folders.iter().enumerate() {
            let found = find_images(folder, Wanted::NoMasks)?;
            if found.images.is_empty() && found.not_listed.is_empty() {
                return Err(DatasetError::NoImages(folder.clone()).into());
            }
            not_listed.extend(found.not_listed);
            left_out.extend(&found.left_out);
            named.extend(found.images.into_iter().map(|path| (name(i, folder, &path), path)));
        }
        let mut cancelled = false;
        let mut remember = |done, total| {
            let flow = progress(done, total);
            cancelled |= flow.is_break();
            flow
        };
        let measured = parallel::each(threads, named.len(), &mut remember, |number| {
            measure(&named[number].1, limits)
        });
        if cancelled {
            return Err(PretrainingError::Cancelled);
        }
        let (mut usable, mut unreadable, mut too_small) = (Vec::new(), Vec::new(), 0);
        for ((name, path), size) in named.into_iter().zip(measured) {
            match size {
                Ok((width, height)) if width.min(height) < MIN_PHOTO_SIDE => too_small += 1,
                Ok(size) => usable.push((name, Photo { path, size })),
                Err(error) => unreadable.push(Unreadable { path, error }),
            }
        }
        if usable.len() < 2 {
            return Err(PretrainingError::TooFewPhotos { usable: usable.len() });
        }
        let names = usable.iter().map(|(name, photo)| (name.clone(), photo.path.as_path()));
        let fingerprint = fingerprint_named(names)?.to_string();
        let photos = usable.into_iter().map(|(_, photo)| photo).collect();
        let (train, held_back) = split(photos, seed);
        Ok(Self { train, held_back, fingerprint, unreadable, not_listed, too_small, left_out })
    }
}

/// A photo's name, the same wherever its folder lies.
fn name(folder_number: usize, folder: &Path, path: &Path) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    format!("{folder_number}/{}", parts.join("/"))
}

fn within(limits: &Limits) -> DecodeOptions {
    DecodeOptions { limits: *limits, ..DecodeOptions::default() }
}

fn measure(path: &Path, limits: &Limits) -> Result<(u32, u32), ImageError> {
    Ok(load(path, &within(limits))?.dimensions())
}

/// Holds back one in twenty, but at least one and at most 64, drawn by `seed`.
fn split(photos: Vec<Photo>, seed: u64) -> (Vec<Photo>, Vec<Photo>) {
    let count = (photos.len() / HELD_BACK_EVERY).clamp(1, MAX_HELD_BACK);
    let drawn = draw(photos.len(), count, seed);
    let (mut train, mut held_back) = (Vec::new(), Vec::new());
    for (photo, drawn) in photos.into_iter().zip(drawn) {
        if drawn { held_back.push(photo) } else { train.push(photo) }
    }
    (train, held_back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    #[test]
    fn photos_that_were_not_all_read_are_no_set() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..3 {
            RgbImage::new(130, 130).save(folder.path().join(format!("{number}.png"))).unwrap();
        }
        let folders = [folder.path().to_owned()];
        let mut never = |_, _| ControlFlow::Continue(());
        assert!(PhotoSet::open(&folders, &Limits::default(), 0, 1, &mut never).is_ok());
        let mut at_once = |_, _| ControlFlow::Break(());
        let cancelled = PhotoSet::open(&folders, &Limits::default(), 0, 1, &mut at_once);
        assert!(matches!(cancelled, Err(PretrainingError::Cancelled)));
    }

    #[test]
    fn one_in_twenty_is_held_back() {
        let photos = |n: usize| -> Vec<Photo> {
            (0..n).map(|i| Photo { path: i.to_string().into(), size: (256, 256) }).collect()
        };
        for (n, expected) in [(2, 1), (39, 1), (40, 2), (10_000, 64)] {
            let (train, held_back) = split(photos(n), 5);
            assert_eq!((train.len(), held_back.len()), (n - expected, expected));
        }
        let names = |seed| {
            let (_, held_back) = split(photos(100), seed);
            held_back.into_iter().map(|photo| photo.path).collect::<Vec<_>>()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }
}
