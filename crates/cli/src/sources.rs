//! Image files as the trainer takes them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use efficientad::{ImageSource, InputSize, PhotoSource, RgbImage, SourceError, penalty_crop};
use efficientad_datasets::photos::{Photo, Photos, procedural_photo};
use efficientad_images::{DecodeOptions, ImageError, load};

/// Image files by number.
#[derive(Debug)]
pub struct Images {
    /// The files.
    pub files: Vec<PathBuf>,
    /// How they are decoded.
    pub decode: DecodeOptions,
}

impl ImageSource for Images {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn name(&self, index: usize) -> String {
        self.files[index].display().to_string()
    }

    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(load(&self.files[index], &self.decode)?)
    }
}

/// Decodes every file once, on several threads: what can't be read is taken out of `files` and
/// returned with the reason, in order. `progress` is told how many are done.
pub fn take_unreadable(
    files: &mut Vec<PathBuf>,
    decode: &DecodeOptions,
    threads: usize,
    mut progress: impl FnMut(usize),
) -> Vec<ImageError> {
    let next = AtomicUsize::new(0);
    let all: &[PathBuf] = files;
    let mut errors: Vec<(usize, ImageError)> = Vec::new();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads.min(all.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                let mut index = next.fetch_add(1, Ordering::Relaxed);
                while let Some(file) = all.get(index) {
                    // The receiver lives as long as the threads.
                    let _ = sender.send((index, load(file, decode).err()));
                    index = next.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        drop(sender);
        for (done, (index, error)) in receiver.iter().enumerate() {
            errors.extend(error.map(|error| (index, error)));
            progress(done + 1);
        }
    });
    errors.sort_by_key(|&(index, _)| index);
    for (index, _) in errors.iter().rev() {
        files.remove(*index);
    }
    errors.into_iter().map(|(_, error)| error).collect()
}

/// Natural photos for the penalty term.
#[derive(Debug)]
pub struct PenaltyPhotos {
    photos: Photos,
    seed: u64,
    decode: DecodeOptions,
    unreadable: Mutex<Vec<(PathBuf, Option<ImageError>)>>,
}

/// Photos tried for one step before the training gives up.
const ATTEMPTS: u64 = 20;

impl PenaltyPhotos {
    /// Photos drawn by `seed`.
    pub fn new(photos: Photos, seed: u64, decode: DecodeOptions) -> Self {
        Self { photos, seed, decode, unreadable: Mutex::default() }
    }

    /// What a model file says about them.
    pub fn description(&self) -> String {
        match self.photos.files().len() {
            0 => "procedural".to_owned(),
            n => format!("folder: {n} photos"),
        }
    }

    /// The errors of photos that could not be read since the last call, each photo once.
    pub fn take_errors(&self) -> Vec<ImageError> {
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        unreadable.iter_mut().filter_map(|(_, error)| error.take()).collect()
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
        Err(format!("none of {ATTEMPTS} photos drawn from the folder of --photos can be read")
            .into())
    }
}
