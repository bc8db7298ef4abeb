//! What can go wrong, one variant per cause.

use std::io;
use std::path::{Path, PathBuf};

use efficientad::SourceError;
use efficientad_datasets::DatasetError;
use efficientad_evaluation::EvaluationError;
use efficientad_evaluation::shards::ShardError;
use efficientad_images::RegionError;
use efficientad_pretraining::PretrainingError;
use efficientad_report::ReportError;

/// Why a job could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The observer ended the job before there was anything to go on from.
    #[error("the job was cancelled")]
    Cancelled,
    /// The method itself failed.
    #[error(transparent)]
    Method(efficientad::Error),
    /// Images can't be listed or read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// An image that could be read before can't be read any more.
    #[error(transparent)]
    Image(SourceError),
    /// The region of interest can't be read or does not fit the images.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The targets of a pretraining can't be had.
    #[error(transparent)]
    Pretraining(PretrainingError),
    /// A model can't be calibrated or evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A shard can't be judged, or shards can't be put together.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A page of results can't be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// An image held back can't be judged.
    #[error("{name}: {source}")]
    Judging {
        /// The image.
        name: String,
        /// What went wrong.
        source: efficientad::Error,
    },
    /// Too few images of a data set can be read.
    #[error(
        "{}: {readable} of {found} images of good parts can be read; at least {needed} are needed, \
         replace the damaged ones", .root.display()
    )]
    TooFewReadable {
        /// The data set's folder.
        root: PathBuf,
        /// Training images that can be read.
        readable: usize,
        /// Training images found.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// All images to continue on are among the old ones.
    #[error("{}: all photos are among the old ones; there is nothing new to learn", .root.display())]
    NothingNew {
        /// The data set's folder.
        root: PathBuf,
    },
    /// An old data set is given twice.
    #[error("{}: this data set is given twice among the old ones", .folder.display())]
    OldTwice {
        /// Its folder.
        folder: PathBuf,
    },
    /// A model that was imported does not tell what it was trained on.
    #[error(
        "{}: the model was imported and does not say what it was trained on, so that its photos \
         can't be told apart; continue it without old photos", .root.display()
    )]
    OldUnknown {
        /// The old data set's folder.
        root: PathBuf,
    },
    /// An old data set is not one that the model was trained on, as it was then.
    #[error(
        "{}: the model was not trained on these photos as they are now; photos that it learned from \
         would calibrate it. Give the folder as it was at the training (no photo added, removed, \
         renamed or changed, and none held back from another folder), or no old photos",
        .root.display()
    )]
    OldChanged {
        /// The old data set's folder.
        root: PathBuf,
    },
    /// The result is to be written where there is a folder.
    #[error("{}: this is a folder; give the name of a file to write", .path.display())]
    OutIsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The result could not be written.
    #[error("{}: {problem} ({source}); choose another path to write to", .path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// Where the result is to be written there is a file of another kind.
    #[error(
        "{}: there is a file of another kind, which is left as it is; choose another path to write to, or delete it",
        .path.display()
    )]
    OtherFile {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint is in the way of a training that is to begin anew.
    #[error(
        "{}: an earlier training was stopped here; go on from it, or delete it to begin anew",
        .checkpoint.display()
    )]
    CheckpointExists {
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// There is no checkpoint to go on from.
    #[error(
        "{}: there is no checkpoint to go on from; {}train anew", .checkpoint.display(),
        if *.finished { "the model is finished; " } else { "" }
    )]
    NoCheckpoint {
        /// Where it was looked for.
        checkpoint: PathBuf,
        /// Whether the model is there.
        finished: bool,
    },
    /// A pretraining is to go on that is finished.
    #[error("{}: the teacher is finished; begin anew", .teacher.display())]
    TeacherFinished {
        /// The teacher's file.
        teacher: PathBuf,
    },
    /// A continuation is to go on, but the checkpoint's training began without a model.
    #[error(
        "{}: the training that was stopped here began anew, not with a model; go on without one, or \
         delete the checkpoint", .checkpoint.display()
    )]
    BeganAnew {
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// A training is to go on without the model that it began with.
    #[error(
        "{}: the training that was stopped here began with a model; give that model, or delete the \
         checkpoint", .checkpoint.display()
    )]
    BeganWithModel {
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// A continuation is to go on with what came of it.
    #[error(
        "{}: the training that was stopped here is finished, and {} is what came of it; delete the \
         checkpoint", .checkpoint.display(), .model.display()
    )]
    AlreadyFinished {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// The model's file.
        model: PathBuf,
    },
    /// A continuation is to go on with another model than it began with.
    #[error(
        "{}: the training that was stopped here began with another model (SHA-256 {begun}) than {} \
         ({fingerprint}); give that one, or delete the checkpoint",
        .checkpoint.display(), .model.display()
    )]
    OtherModel {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// Fingerprint of the model that it began with.
        begun: String,
        /// The model's file that is given.
        model: PathBuf,
        /// Its fingerprint.
        fingerprint: String,
    },
    /// A training is to go on with another region of interest than it began with.
    #[error(
        "the training to go on with began with another region; give none, or delete the checkpoint \
         to begin anew"
    )]
    OtherRegion,
    /// A small teacher is to begin with a medium one.
    #[error(
        "{}: this teacher is medium, and can't become a small one; make a medium one, or give a \
         small one", .teacher.display()
    )]
    InitialTooLarge {
        /// The file of the teacher to begin with.
        teacher: PathBuf,
    },
    /// A cache is so small that it can't hold one sample.
    #[error("a cache of this size holds no sample; allow a larger one")]
    CacheTooSmall,
    /// A step failed; an earlier checkpoint can be gone on from.
    #[error("{source}\nthe last checkpoint is kept in {}", .checkpoint.display())]
    Step {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What went wrong.
        source: Box<JobError>,
    },
    /// All steps are done, but the result could not be made or saved; the checkpoint can be gone on
    /// from.
    #[error(
        "{source}\nthe last checkpoint is kept in {}; go on from it", .checkpoint.display()
    )]
    Finish {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// What went wrong.
        source: Box<JobError>,
    },
    /// Photos are given to import a teacher.
    #[error("a teacher alone needs no photos: import it without them")]
    PhotosForTeacher,
    /// Networks are to be imported that need photos.
    #[error(
        "these files lack the statistics of the teacher and the scale of the maps; give the photos \
         of good parts that the networks were trained on"
    )]
    PhotosNeeded,
    /// A data set is given where photos of good parts are wanted that a model has not seen.
    #[error(
        "{}: this is a data set: the model was trained on its good parts, and its test photos are to \
         measure it. Give photos of good parts that are neither{}", .folder.display(),
        .validation.as_ref().map_or_else(String::new, |it| format!(", such as {}", it.display()))
    )]
    IsDataset {
        /// The data set's folder.
        folder: PathBuf,
        /// Its own photos for that, if it has some.
        validation: Option<PathBuf>,
    },
    /// A model would be calibrated on photos that it was trained on.
    #[error(
        "{}: the model was trained on this photo ({photos} of {total} photos are such). It knows them \
         too well: a threshold taken from them would reject good parts. Give photos of other good parts",
        .example.display()
    )]
    TrainedOn {
        /// One of the photos.
        example: PathBuf,
        /// How many are such.
        photos: usize,
        /// Of how many.
        total: usize,
    },
    /// A model that is to be replaced can't be copied first.
    #[error("{}: the model could not be kept beside itself, so it is not replaced: {source}", .path.display())]
    NoBackup {
        /// The model's file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is nothing to calibrate with.
    #[error("there are no photos of good parts to calibrate with")]
    NothingToCalibrateWith,
}

impl From<efficientad::Error> for JobError {
    fn from(error: efficientad::Error) -> Self {
        match error {
            efficientad::Error::Cancelled => Self::Cancelled,
            error => Self::Method(error),
        }
    }
}

impl From<PretrainingError> for JobError {
    fn from(error: PretrainingError) -> Self {
        match error {
            PretrainingError::Cancelled => Self::Cancelled,
            error => Self::Pretraining(error),
        }
    }
}

impl JobError {
    /// The same of a step.
    pub(crate) fn in_step(self, checkpoint: &Path) -> Self {
        Self::Step { checkpoint: checkpoint.to_owned(), source: Box::new(self) }
    }

    /// The same after the last step.
    pub(crate) fn in_finish(self, checkpoint: &Path) -> Self {
        Self::Finish { checkpoint: checkpoint.to_owned(), source: Box::new(self) }
    }
}
