//! What a training learns from: read once, split, and described.

mod old;

pub use old::OldPaths;
use old::OldPhotos;
pub(crate) use old::was_trained_on;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad::{DataDescription, OldImages, PhotoFolder, PhotoSource, Samples, TrainingData};
use efficientad_datasets::photos::Photos;
use efficientad_datasets::{
    Dataset, DatasetSource, Fingerprint, Purpose, Split, Taken, fingerprint, fingerprints,
};
use efficientad_images::DecodeOptions;

use crate::error::JobError;
use crate::event::{Event, Notifier, Observer};
use crate::good_parts::refuse_other_parts;
use crate::images::Images;
use crate::meter::MeanLosses;
use crate::penalty_photos::{PenaltyPhotos, PhotosFrom};
use crate::readable::Readable;

/// Where the images of a training lie.
#[derive(Debug, Clone)]
pub struct DataPaths {
    /// The data set: anything that [`Dataset::open`] recognises, or folders of a stated meaning.
    pub dataset: DatasetSource,
    /// Folder of images to hold back, if it is another one.
    pub validation: Option<PathBuf>,
    /// Natural photos for the penalty.
    pub photos: PhotosFrom,
    /// How they are all decoded. Penalty photos have bits of their own.
    pub decode: DecodeOptions,
    /// Whether to find out by the training images how many of 16 bits they use, unless `decode` says
    /// it.
    pub recognise_bits: bool,
    /// Images that a model was trained on before, if they take part.
    pub old: Option<OldPaths>,
}

impl DataPaths {
    /// A data set, part of it to be held back, with procedural photos, as stored, the bits that are
    /// used recognised.
    pub fn new(dataset: impl Into<DatasetSource>) -> Self {
        Self {
            dataset: dataset.into(),
            validation: None,
            photos: PhotosFrom::default(),
            decode: DecodeOptions::default(),
            recognise_bits: true,
            old: None,
        }
    }
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
    /// Lists the images, decodes each once on `threads` threads, names those that can't be read, and
    /// holds some back, drawn by `seed`.
    ///
    /// # Errors
    /// When there are too few, a folder is none, or the old images are not those of the model;
    /// [`JobError::Cancelled`] if the observer breaks.
    pub fn open(
        paths: &DataPaths,
        seed: u64,
        threads: usize,
        observe: &mut Observer<'_>,
    ) -> Result<Self, JobError> {
        Self::open_telling(paths, seed, threads, &mut Notifier::new(observe))
    }

    pub(crate) fn open_telling(
        paths: &DataPaths,
        seed: u64,
        threads: usize,
        notify: &mut Notifier<'_, '_, MeanLosses>,
    ) -> Result<Self, JobError> {
        let mut decode = paths.decode;
        let (mut dataset, photos) = list(paths, seed, notify)?;
        let old = paths.old.as_ref();
        let old = old.map(|old| OldPhotos::open(old, &decode, threads, notify)).transpose()?;
        if let Some(old) = &old {
            leave_out_known(&mut dataset, old, notify)?;
        }
        let folders = folders(&dataset);
        let left_out = dataset.left_out.below(&dataset.root).to_string();
        let readable = Readable::take(&mut dataset, &decode, threads, notify)?;
        let (samples, bits) = match paths.recognise_bits {
            true => readable.samples(&decode),
            false => (Samples::stated(&decode), decode.bits),
        };
        decode = samples.apply(decode);
        readable.tell_depth(bits, notify)?;
        let mut skipped = dataset.left_out.not_listed() + readable.skipped;
        let mut split = dataset.split(seed)?;
        let images = describe(&split, paths, &dataset.root, photos.as_deref())?;
        let description = DataDescription { folders, left_out, samples, ..images };
        let old = old.map(|old| {
            skipped += old.skipped;
            split.train.splice(0..0, old.split.train);
            split.validation.splice(0..0, old.split.validation);
            old.description
        });
        let images = |files| Arc::new(Images { files, decode });
        let (train, validation) = (images(split.train), images(split.validation));
        notify.tell(Event::DataOpened(&description))?;
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

/// The images and the penalty's photos; what else the folders hold is told.
fn list(
    paths: &DataPaths,
    seed: u64,
    notify: &mut Notifier<'_, '_, MeanLosses>,
) -> Result<(Dataset, Option<Arc<PenaltyPhotos>>), JobError> {
    let mut dataset = paths.dataset.open(Purpose::Training)?.trainable()?;
    if let Some(folder) = &paths.validation {
        refuse_other_parts(folder)?;
        let photos = Photos::folder(folder)?;
        dataset.left_out.extend(photos.left_out());
        dataset.validation = photos.files().to_vec();
        dataset.leave_out_copies();
    }
    // They are not of the parts' camera: their bits are their own.
    let decode = DecodeOptions { bits: None, ..paths.decode };
    let photos = PenaltyPhotos::open(&paths.photos, seed, decode)?.map(Arc::new);
    let mut left_out = dataset.left_out.clone();
    photos.iter().for_each(|photos| left_out.extend(photos.left_out()));
    notify.tell_left_out(&left_out)?;
    notify.tell(Event::Taking { layout: Some(dataset.layout), taken: &dataset.taken() })?;
    Ok((dataset, photos))
}

/// A folder that grows holds old photos beside the new ones.
fn leave_out_known(
    dataset: &mut Dataset,
    old: &OldPhotos,
    notify: &mut Notifier<'_, '_, MeanLosses>,
) -> Result<(), JobError> {
    let mut photos = 0;
    for files in [&mut dataset.train, &mut dataset.validation] {
        photos += old.take_known(files)?;
    }
    if dataset.train.is_empty() {
        return Err(JobError::NothingNew { root: dataset.root.clone() });
    }
    if photos > 0 {
        notify.tell(Event::AlreadyKnown { dataset: &dataset.root, photos })?;
    }
    Ok(())
}

fn describe(
    split: &Split,
    paths: &DataPaths,
    root: &Path,
    photos: Option<&PenaltyPhotos>,
) -> Result<DataDescription, JobError> {
    let validation_root = paths.validation.as_deref().unwrap_or(root);
    let (fingerprint, of_each) = split_fingerprints(split, root, validation_root)?;
    let mut train_files: Vec<String> = of_each.iter().map(Fingerprint::short).collect();
    // In an order that tells nothing of the files'.
    train_files.sort_unstable();
    Ok(DataDescription {
        fingerprint,
        train_images: split.train.len(),
        validation_images: split.validation.len(),
        photos: photos.map_or_else(|| "none".to_owned(), PenaltyPhotos::description),
        orientation: paths.decode.orientation,
        train_files,
        ..DataDescription::default()
    })
}

/// What is taken from which folder, as the model keeps it.
fn folders(dataset: &Dataset) -> Vec<PhotoFolder> {
    let folder = |taken: Taken| PhotoFolder {
        folder: taken.folder,
        taken_as: taken.taken_as.to_string(),
        files: taken.files,
    };
    dataset.taken().into_iter().map(folder).collect()
}

/// The fingerprint has two parts, for the training images and for those held back: the same images
/// split otherwise are other data. Beside it, those of the training images' files.
///
/// # Errors
/// When a file can't be read.
fn split_fingerprints(
    split: &Split,
    root: &Path,
    validation_root: &Path,
) -> Result<(String, Vec<Fingerprint>), JobError> {
    let (train, of_each) = fingerprints(root, &split.train)?;
    let validation = fingerprint(validation_root, &split.validation)?;
    Ok((format!("{train}-{validation}"), of_each))
}
