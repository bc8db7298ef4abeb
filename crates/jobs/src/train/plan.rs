//! What a training needs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use efficientad::{
    BegunTraining, ContinuationRecipe, FalseRejectRate, ImageSource, Model, Recipe,
    RegionOfInterest, Teacher, TrainOptions, Trainer, TrainingEngine,
};
use efficientad_images::MarkedArea;

use super::parent::{Parent, refuse_other_beginning};
use crate::data::{Data, DataPaths};
use crate::error::JobError;
use crate::event::Notifier;
use crate::files::{check_replaceable, check_writable, checkpoint_of, refuse_checkpoint};
use crate::interval::Interval;
use crate::meter::MeanLosses;

/// A training to be done.
pub struct TrainPlan {
    /// Where the images lie.
    pub data: DataPaths,
    /// The model's file. The checkpoint lies beside it ([`checkpoint_of`]).
    pub out: PathBuf,
    /// Where the training begins.
    pub start: Start,
    /// Which part of photos is inspected; all if there are no files. A continuation keeps the
    /// model's region.
    pub region: RegionFiles,
    /// Share of good images that the threshold may reject; the lowest that the images can show, but 1 % at
    /// least and 5 % at most, if it is `None`.
    pub false_reject: Option<FalseRejectRate>,
    /// How often to write a checkpoint.
    pub checkpoint_every: Interval,
    /// How often to send [`Event::Step`](crate::Event::Step).
    pub report_every: Duration,
    /// Memory to use; results don't depend on it.
    pub memory: TrainOptions,
    /// What to compute with.
    pub engine: Arc<dyn TrainingEngine>,
}

/// Where a training begins.
pub enum Start {
    /// At step 0, with a teacher of the recipe's size. The recipe's region is taken from
    /// [`TrainPlan::region`].
    New {
        /// The teacher.
        teacher: Box<Teacher>,
        /// How to train.
        recipe: Box<Recipe>,
    },
    /// At step 0, with a finished model.
    Continue {
        /// The model.
        parent: Box<Parent>,
        /// How to train.
        recipe: ContinuationRecipe,
    },
    /// Where the checkpoint is; see [`Start::resume`].
    Resume(Resume),
}

/// A checkpoint to go on from, and the model that its training began with.
pub struct Resume {
    begun: BegunTraining,
    parent: Option<Box<Parent>>,
}

impl Start {
    /// A new training with the built-in teacher of the recipe's size.
    ///
    /// # Errors
    /// When the built-in teacher can't be read.
    pub fn new(recipe: Recipe) -> Result<Self, JobError> {
        let teacher = Box::new(Teacher::embedded(recipe.size)?);
        Ok(Self::New { teacher, recipe: Box::new(recipe) })
    }

    /// Goes on from the checkpoint beside `out`; `parent` is the model that its training began with,
    /// if it began with one.
    ///
    /// # Errors
    /// When there is no checkpoint, or it can't be read or began otherwise.
    pub fn resume(out: &Path, parent: Option<Parent>) -> Result<Self, JobError> {
        let checkpoint = checkpoint_of(out);
        if !checkpoint.exists() {
            return Err(JobError::NoCheckpoint { checkpoint, finished: out.exists() });
        }
        let begun = Trainer::begun(&checkpoint)?;
        refuse_other_beginning(&begun, parent.as_ref(), &checkpoint)?;
        Ok(Self::Resume(Resume { begun, parent: parent.map(Box::new) }))
    }

    /// How to train, but for the region of a new training.
    pub fn recipe(&self) -> Cow<'_, Recipe> {
        match self {
            Self::New { recipe, .. } => Cow::Borrowed(recipe),
            Self::Continue { parent, recipe } => Cow::Owned(recipe.on(parent.model().info())),
            Self::Resume(Resume { begun, .. }) => Cow::Borrowed(&begun.recipe),
        }
    }

    /// The model to go on from, if training does not begin anew.
    pub fn parent(&self) -> Option<&Parent> {
        match self {
            Self::New { .. } => None,
            Self::Continue { parent, .. } => Some(parent),
            Self::Resume(Resume { parent, .. }) => parent.as_deref(),
        }
    }
}

impl TrainPlan {
    /// Trains `out` on a data set, with defaults for all else: a threshold for the share of good images that was
    /// wished for the model that is continued, if one was; a checkpoint a minute, and a report every ten
    /// seconds.
    pub fn new(
        data: DataPaths,
        out: impl Into<PathBuf>,
        start: Start,
        engine: Arc<dyn TrainingEngine>,
    ) -> Self {
        let false_reject = start.parent().and_then(|parent| parent.model().wished_rate());
        Self {
            data,
            out: out.into(),
            start,
            region: RegionFiles::default(),
            false_reject,
            checkpoint_every: Interval::default(),
            report_every: Duration::from_secs(10),
            memory: TrainOptions::default(),
            engine,
        }
    }

    /// The checkpoint's file.
    pub fn checkpoint(&self) -> PathBuf {
        checkpoint_of(&self.out)
    }

    /// Finds out what can be before images are read. A job does this first.
    ///
    /// # Errors
    /// When the model or its checkpoint could not be written, or a checkpoint is in the way.
    pub fn check(&self) -> Result<(), JobError> {
        check_replaceable(&self.out, Model::is_file)?;
        check_writable(&self.checkpoint())?;
        match self.start {
            Start::Resume(_) => Ok(()),
            Start::New { .. } | Start::Continue { .. } => refuse_checkpoint(&self.checkpoint()),
        }
    }

    /// Prepares the trainer; there is a checkpoint from now on.
    pub(super) fn trainer(
        &self,
        data: &Data,
        notify: &mut Notifier<'_, '_, MeanLosses>,
    ) -> Result<Trainer, JobError> {
        let (engine, images, memory) = (Arc::clone(&self.engine), data.for_trainer(), self.memory);
        let region = self.region.on_photos_of(data)?;
        let mut trainer = match &self.start {
            Start::New { teacher, recipe } => {
                let recipe = Recipe { region, ..recipe.as_ref().clone() };
                let teacher = teacher.as_ref().clone();
                Trainer::new(engine, teacher, recipe, images, memory, &mut |at| notify.method(at))?
            }
            Start::Continue { parent, recipe } => {
                Trainer::continue_from(engine, parent.model(), recipe.clone(), images, memory)?
            }
            Start::Resume(Resume { begun, .. }) => {
                if region.is_some() && region != begun.recipe.region {
                    return Err(JobError::OtherRegion);
                }
                notify.resumed(begun.engine.as_ref(), &engine.learning_id());
                return Ok(Trainer::resume(engine, &self.checkpoint(), images, memory)?);
            }
        };
        if notify.is_stopping() {
            return Err(JobError::Cancelled);
        }
        // A disk that is too small is better found now than after hours.
        trainer.save_checkpoint(&self.checkpoint())?;
        Ok(trainer)
    }
}

/// Files that say which part of photos is inspected.
#[derive(Debug, Clone, Default)]
pub struct RegionFiles {
    /// Only this part is.
    pub include: Option<MarkedArea>,
    /// This part is not.
    pub exclude: Option<MarkedArea>,
}

impl RegionFiles {
    /// Reads masks or polygons.
    ///
    /// # Errors
    /// When a file can't be read or holds neither.
    pub fn open(include: Option<&Path>, exclude: Option<&Path>) -> Result<Self, JobError> {
        let open = |path: Option<&Path>| path.map(MarkedArea::open).transpose();
        Ok(Self { include: open(include)?, exclude: open(exclude)? })
    }

    /// The region on photos of the first one's size.
    fn on_photos_of(&self, data: &Data) -> Result<Option<RegionOfInterest>, JobError> {
        let (include, exclude) = (self.include.as_ref(), self.exclude.as_ref());
        if include.or(exclude).is_none() {
            return Ok(None);
        }
        let photo = data.train.load(0).map_err(JobError::Image)?;
        Ok(Some(RegionOfInterest::between(include, exclude, photo.dimensions())?))
    }
}
