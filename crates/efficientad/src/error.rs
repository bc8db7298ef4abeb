//! What can go wrong, one variant per cause.

use crate::threshold::FalseRejectRate;
use crate::view::{View, ViewError};
use efficientad_engine::{EngineError, EngineId, InputSizeError, Losses, PdnSize};
use efficientad_engine_cpu::CpuError;
use efficientad_images::RegionError;
use efficientad_weights::WeightsError;
use std::path::PathBuf;
use thiserror::Error;

/// The error of an image source, as it comes.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why the method could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of weights could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The networks cannot take inputs of this size.
    #[error(transparent)]
    InputSize(#[from] InputSizeError),
    /// Images cannot be shown to the networks so.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The region of interest does not fit an image.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The networks see nothing of the region of interest: it lies at the very border of an image.
    #[error(
        "the region lies so close to the border that the networks see nothing of it: enlarge it"
    )]
    UnseenRegion,
    /// A region of interest is not where a flipped photo shows it.
    #[error(
        "photos whose region is inspected can't be flipped, as it would show another part of them: leave out \
         flip-horizontal and flip-vertical"
    )]
    FlippedRegion,
    /// Judging a photo would take more memory than photos of its size may.
    #[error(
        "{}×{} pixels would take up to {} MiB to be judged as {view}, more than the {} MiB that a \
         photo of this size may: cut the photo into pieces, or train with larger tiles or a smaller \
         input", photo.0, photo.1, needed >> 20, limit >> 20
    )]
    TooMuchMemory {
        /// Width and height in pixels.
        photo: (u32, u32),
        /// How it is shown to the networks.
        view: View,
        /// Bytes that it would take at most.
        needed: u64,
        /// Bytes that it may take.
        limit: u64,
    },
    /// An engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A model's scores of good images are of a higher precision than the engine's.
    #[error(
        "the model was calibrated by {calibrated}; {engine} is less precise, so that its threshold \
         promises nothing here: calibrate the model on this engine, or give a threshold"
    )]
    LowerPrecision {
        /// What the model was calibrated with.
        calibrated: Box<EngineId>,
        /// What is to compute.
        engine: Box<EngineId>,
    },
    /// The CPU or its threads cannot be used.
    #[error(transparent)]
    Cpu(#[from] CpuError),
    /// An image could not be had from its source.
    #[error("{name}: {source}")]
    Image {
        /// The image's name.
        name: String,
        /// What the source says.
        source: SourceError,
    },
    /// There are too few images to train or to calibrate with.
    #[error("{found} {purpose} images are too few: at least {needed} must be good and readable")]
    TooFewImages {
        /// What they are for.
        purpose: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// There are more images to calibrate with than a model keeps scores of.
    #[error("{found} images to calibrate with are too many: give at most {limit}")]
    TooManyImages {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A model keeps no scores of good images.
    #[error(
        "the model keeps no scores of good images, so that no threshold can be taken from them: \
         calibrate it with photos of good parts"
    )]
    NoCalibration,
    /// The threshold for a false-reject rate would be infinite.
    #[error(
        "no number is a threshold for a false-reject rate of {rate}: the scores of good images lie too far \
         apart for so low a rate; allow a higher one, or calibrate with more images"
    )]
    EndlessThreshold {
        /// The rate.
        rate: FalseRejectRate,
    },
    /// A file holds networks, but not a teacher.
    #[error("{}: this is not a teacher: {found}; a teacher has 384 output channels", .path.display())]
    NotATeacher {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The teacher is of another size than the recipe.
    #[error(
        "the teacher is of size {teacher}, but training is to be of size {recipe}: choose size {teacher}"
    )]
    TeacherSize {
        /// Size of the teacher.
        teacher: PdnSize,
        /// Size asked for.
        recipe: PdnSize,
    },
    /// A channel of the teacher is the same everywhere, so that it can't be normalised.
    #[error(
        "channel {channel} of the teacher is the same on all training images: they show nothing, \
         or the teacher is broken"
    )]
    ConstantTeacher {
        /// The channel.
        channel: usize,
    },
    /// The losses are no numbers any more; the last checkpoint is from before.
    #[error(
        "training diverged at step {step}: the losses are {losses:?}; look for broken training \
         images, or train anew with a smaller learning rate"
    )]
    Diverged {
        /// The step, counted from 1.
        step: u64,
        /// Its losses.
        losses: Losses,
    },
    /// The loss of a distillation is no number any more; the last checkpoint is from before.
    #[error(
        "the distillation diverged at step {step}: its loss is {loss}; begin anew with a smaller \
         learning rate"
    )]
    DistillationDiverged {
        /// The step, counted from 1.
        step: u64,
        /// Its loss.
        loss: f64,
    },
    /// There is no sample to distil from, or a batch or training is to have none.
    #[error("a distillation needs at least one sample, a batch of at least one and a step")]
    EmptyDistillation,
    /// A sample has another size than the networks take.
    #[error("sample {sample} has an input or target of the wrong size")]
    SampleSize {
        /// The sample.
        sample: usize,
    },
    /// A checkpoint of a distillation was made from other samples.
    #[error(
        "{}: this checkpoint belongs to another distillation: its {field} is {checkpoint}, not \
         {now}; restore what it was begun with, or remove the checkpoint to begin anew",
        .path.display()
    )]
    OtherDistillation {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// What the checkpoint says.
        checkpoint: String,
        /// What is given.
        now: String,
    },
    /// A checkpoint was made from other images.
    #[error(
        "{}: this checkpoint belongs to other training images (fingerprint {checkpoint}, now \
         {now}): restore the images, or remove the checkpoint to train anew", .path.display()
    )]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
        /// Fingerprint of the images it was made from.
        checkpoint: String,
        /// Fingerprint of the images given.
        now: String,
    },
    /// Good images give no spread of anomaly values to normalise by.
    #[error(
        "calibration found no spread in the {map} map of the validation images (quantiles {low} \
         and {high}): they are identical, or training has not begun to work"
    )]
    NoSpread {
        /// Which of the two maps.
        map: &'static str,
        /// Its 0.9 quantile.
        low: f32,
        /// Its 0.995 quantile.
        high: f32,
    },
    /// An anomaly map holds values that are no numbers.
    #[error("the anomaly map is not finite: the model's weights are broken; train it again")]
    NotFinite,
    /// Whoever was told of the progress ended the work.
    #[error("the work was cancelled")]
    Cancelled,
    /// Files to be imported do not belong together.
    #[error("cannot import: {0}")]
    Import(String),
}

impl Error {
    /// The same of an image.
    pub(crate) fn of_image(self, name: String) -> Self {
        Self::Image { name, source: Box::new(self) }
    }
}
