//! Natural photos for the penalty term (paper, section 3.2).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use efficientad::{InputSize, PhotoSource, RgbImage, SourceError, penalty_crop};
use efficientad_datasets::LeftOut;
use efficientad_datasets::photos::{Photo, Photos, procedural_photo};
use efficientad_images::{DecodeOptions, ImageError, load};
use efficientad_pretraining::Unreadable;

use crate::error::JobError;

/// Photos tried for one step before the training gives up.
const ATTEMPTS: u64 = 20;

/// Where natural photos come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PhotosFrom {
    /// Painted with the statistics of natural ones.
    #[default]
    Procedural,
    /// From the files in a folder and below it.
    Folder(PathBuf),
    /// Nowhere: training goes without the penalty.
    Nowhere,
}

/// Natural photos for the penalty term.
#[derive(Debug)]
pub struct PenaltyPhotos {
    photos: Photos,
    seed: u64,
    decode: DecodeOptions,
    unreadable: Mutex<Vec<(PathBuf, Option<ImageError>)>>,
}

/// None of the photos drawn for a step could be read.
#[derive(Debug, thiserror::Error)]
#[error("none of {ATTEMPTS} photos drawn from the folder of natural photos can be read")]
pub struct NoReadablePhoto;

impl PenaltyPhotos {
    /// Photos drawn by `seed`.
    pub fn new(photos: Photos, seed: u64, decode: DecodeOptions) -> Self {
        Self { photos, seed, decode, unreadable: Mutex::default() }
    }

    /// Lists the photos, drawn by `seed`; `None` if there are to be none.
    ///
    /// # Errors
    /// When the folder can't be listed or holds no images.
    pub fn open(
        from: &PhotosFrom,
        seed: u64,
        decode: DecodeOptions,
    ) -> Result<Option<Self>, JobError> {
        let photos = match from {
            PhotosFrom::Nowhere => return Ok(None),
            PhotosFrom::Folder(folder) => Photos::folder(folder)?,
            PhotosFrom::Procedural => Photos::procedural(),
        };
        Ok(Some(Self::new(photos, seed, decode)))
    }

    /// Files of their folder that are not taken for photos.
    pub fn left_out(&self) -> &LeftOut {
        self.photos.left_out()
    }

    /// What a model file says about them.
    pub fn description(&self) -> String {
        match self.photos.files().len() {
            0 => "procedural".to_owned(),
            n => format!("folder: {n} photos"),
        }
    }

    /// The photos that could not be read since the last call, each photo once.
    pub fn take_unreadable(&self) -> Vec<Unreadable> {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = unreadable.iter_mut().filter_map(|(path, error)| {
            error.take().map(|error| Unreadable { path: path.clone(), error })
        });
        fresh.collect()
    }

    fn remember(&self, path: &Path, error: ImageError) {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if !unreadable.iter().any(|(known, _)| known == path) {
            unreadable.push((path.to_owned(), Some(error)));
        }
    }
}

impl PhotoSource for PenaltyPhotos {
    /// A photo that can't be read is replaced by another draw, which depends on the step alone.
    fn photo(&self, step: u64, size: InputSize) -> Result<RgbImage, SourceError> {
        for attempt in 0..ATTEMPTS {
            match self.photos.at_step(self.seed.wrapping_add(attempt), step) {
                Photo::Procedural(seed) => {
                    return Ok(procedural_photo(seed, size.width() as u32, size.height() as u32));
                }
                Photo::File(path) => match load(path, &self.decode) {
                    Ok(photo) => return Ok(penalty_crop(&photo, size)),
                    Err(error) => self.remember(path, error),
                },
            }
        }
        Err(NoReadablePhoto.into())
    }
}
