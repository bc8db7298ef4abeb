//! What a training learns from: read once, split, and described.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use efficientad::{DataDescription, OldImages, PhotoSource, TrainingData};
use efficientad_datasets::photos::Photos;
use efficientad_datasets::{DEFAULT_FRACTION, Dataset, Split, fingerprint};
use efficientad_images::DecodeOptions;

use crate::args::PhotosArg;
use crate::old_photos::{OldPaths, OldPhotos};
use crate::progress::Progress;
use crate::sources::{Images, PenaltyPhotos, take_unreadable};

/// Where the images lie.
#[derive(Debug)]
pub struct DataPaths {
    /// Folder of the data set.
    pub dataset: PathBuf,
    /// Folder of images to hold back, if it is another one.
    pub validation: Option<PathBuf>,
    /// Natural photos; painted ones if nothing is said.
    pub photos: Option<PhotosArg>,
    /// How they are all decoded.
    pub decode: DecodeOptions,
    /// Images that a model was trained on before, if they take part.
    pub old: Option<OldPaths>,
}

/// Images that can be read, and photos.
#[derive(Debug)]
pub struct Data {
    /// Images to learn from, the old ones first.
    pub train: Arc<Images>,
    /// Images held back, likewise.
    pub validation: Arc<Images>,
    /// Photos for the penalty.
    pub photos: Option<Arc<PenaltyPhotos>>,
    /// What a model file says about them.
    pub description: DataDescription,
    /// The old images among them.
    pub old: Option<OldImages>,
    /// Number of images that could not be read.
    pub skipped: usize,
}

impl Data {
    /// Lists the images, decodes each once, names those that can't be read, and holds some back.
    ///
    /// # Errors
    /// When there are too few, a folder is none, or the old images are not those of the model.
    pub fn open(
        paths: &DataPaths,
        seed: u64,
        threads: usize,
        progress: &mut Progress,
    ) -> Result<Self> {
        let mut dataset = Dataset::open(&paths.dataset)?;
        if let Some(folder) = &paths.validation {
            dataset.validation = images_below(folder)?;
        }
        let photos = paths.photos(seed)?;
        let old = paths.old.as_ref();
        let old = old.map(|old| OldPhotos::open(old, &paths.decode, threads, progress));
        let old = old.transpose()?;
        if let Some(old) = &old {
            leave_out_known(&mut dataset, old, progress)?;
        }
        let mut skipped = skip_unreadable(&mut dataset, &paths.decode, threads, progress)?;
        let mut split = dataset.split(DEFAULT_FRACTION, seed)?;
        let description = describe(&split, paths, &dataset.root, photos.as_deref())?;
        let old = old.map(|old| {
            skipped += old.skipped;
            split.train.splice(0..0, old.split.train);
            split.validation.splice(0..0, old.split.validation);
            old.description
        });
        let images = |files| Arc::new(Images { files, decode: paths.decode });
        let (train, validation) = (images(split.train), images(split.validation));
        Ok(Self { train, validation, photos, description, old, skipped })
    }

    /// As the trainer takes it.
    pub fn for_trainer(&self) -> TrainingData {
        TrainingData {
            train: self.train.clone(),
            validation: self.validation.clone(),
            photos: self.photos.clone().map(|photos| photos as Arc<dyn PhotoSource>),
            description: self.description.clone(),
            old: self.old.clone(),
        }
    }
}

impl DataPaths {
    fn photos(&self, seed: u64) -> Result<Option<Arc<PenaltyPhotos>>> {
        let photos = match &self.photos {
            Some(PhotosArg::None) => return Ok(None),
            Some(PhotosArg::Folder(folder)) => Photos::folder(folder)?,
            None => Photos::procedural(),
        };
        Ok(Some(Arc::new(PenaltyPhotos::new(photos, seed, self.decode))))
    }
}

/// A folder that grows holds old photos beside the new ones.
fn leave_out_known(dataset: &mut Dataset, old: &OldPhotos, progress: &Progress) -> Result<()> {
    let mut known = 0;
    for files in [&mut dataset.train, &mut dataset.validation] {
        known += old.take_known(files)?;
    }
    let root = dataset.root.display();
    if dataset.train.is_empty() {
        bail!("{root}: all photos are among those of --old; there is nothing new to learn");
    }
    if known > 0 {
        progress.note(format_args!("{root}: {known} photos are among those of --old, not new"));
    }
    Ok(())
}

/// All images in a folder and below it, whatever they show.
fn images_below(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(Photos::folder(folder)?.files().to_vec())
}

/// Decodes all training and validation images; those that can't be read are named and taken out of
/// the data set. Their number.
///
/// # Errors
/// When too few are left.
pub fn skip_unreadable(
    dataset: &mut Dataset,
    decode: &DecodeOptions,
    threads: usize,
    progress: &mut Progress,
) -> Result<usize> {
    let found = dataset.train.len();
    let mut skipped = 0;
    for files in [&mut dataset.train, &mut dataset.validation] {
        let total = files.len();
        let mut count = |done| progress.count("reading images", done, total);
        let errors = take_unreadable(files, decode, threads, &mut count);
        skipped += errors.len();
        for error in errors {
            progress.note(format_args!("skipped: {error}"));
        }
    }
    refuse_too_few(dataset, found)?;
    Ok(skipped)
}

fn refuse_too_few(dataset: &Dataset, found: usize) -> Result<()> {
    let needed = if dataset.validation.is_empty() { 2 } else { 1 };
    let readable = dataset.train.len();
    if readable < needed {
        let root = dataset.root.display();
        bail!(
            "{root}: {readable} of {found} images of good parts can be read; at least {needed} \
             are needed, replace the damaged ones"
        );
    }
    Ok(())
}

fn describe(
    split: &Split,
    paths: &DataPaths,
    root: &Path,
    photos: Option<&PenaltyPhotos>,
) -> Result<DataDescription> {
    let validation_root = paths.validation.as_deref().unwrap_or(root);
    Ok(DataDescription {
        fingerprint: split_fingerprint(split, root, validation_root)?,
        train_images: split.train.len(),
        validation_images: split.validation.len(),
        photos: photos.map_or_else(|| "none".to_owned(), PenaltyPhotos::description),
        orientation: paths.decode.orientation,
    })
}

/// The fingerprint has two parts, for the training images and for those held back: the same images
/// split otherwise are other data.
///
/// # Errors
/// When a file can't be read.
pub fn split_fingerprint(split: &Split, root: &Path, validation_root: &Path) -> Result<String> {
    let train = fingerprint(root, &split.train)?;
    let validation = fingerprint(validation_root, &split.validation)?;
    Ok(format!("{train}-{validation}"))
}
