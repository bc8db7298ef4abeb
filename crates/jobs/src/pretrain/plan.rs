//! What a pretraining needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use efficientad::{
    DistillationData, DistillationRecipe, DistillationSource, Distiller, EngineId, InitialTeacher,
    PdnSize, Teacher, TrainingEngine,
};
use efficientad_datasets::file_fingerprint;
use efficientad_pretraining::{BackboneRuntime, Settings, Targets, seconds_per_step};

use crate::error::JobError;
use crate::event::Notifier;
use crate::files::{check_replaceable, check_writable, checkpoint_of, refuse_checkpoint};
use crate::interval::Interval;
use crate::meter::MeanLoss;

/// Share of the time given that the cache is filled in, at most.
const FILLING_SHARE: f64 = 0.5;
/// Share of the rest that is kept for validations and checkpoints.
const SPARE_SHARE: f64 = 0.05;

/// A pretraining to be done.
pub struct PretrainPlan {
    /// What targets are made from; the seed is the recipe's, whatever is said here.
    pub settings: Settings,
    /// What runs the backbone.
    pub runtime: Box<dyn BackboneRuntime>,
    /// The teacher's file. The checkpoint lies beside it ([`checkpoint_of`]).
    pub out: PathBuf,
    /// Where the training begins.
    pub start: PretrainStart,
    /// What to begin with instead of random weights; also when going on from a checkpoint.
    pub initial: Option<InitialWeights>,
    /// When to be ready, instead of after the recipe's steps.
    pub time_limit: Option<TimeLimit>,
    /// Bytes that the cache may reach.
    pub cache_bytes: u64,
    /// How often to write a checkpoint.
    pub checkpoint_every: Interval,
    /// How often to send [`Event::Step`](crate::Event::Step).
    pub report_every: Duration,
    /// What to compute with.
    pub engine: Arc<dyn TrainingEngine>,
}

/// Where a pretraining begins.
pub enum PretrainStart {
    /// At step 0.
    New(DistillationRecipe),
    /// Where the checkpoint is; see [`PretrainStart::resume`].
    Resume {
        /// How it is trained.
        recipe: DistillationRecipe,
        /// What it is trained on.
        data: Box<DistillationData>,
        /// The arithmetic of its steps so far, if it is known.
        engine: Option<EngineId>,
    },
}

impl PretrainStart {
    /// Goes on from the checkpoint beside `out`; `None` if there is none, as when a run was ended
    /// while it filled the cache.
    ///
    /// # Errors
    /// When the teacher is finished, or the checkpoint can't be read.
    pub fn resume(out: &Path) -> Result<Option<Self>, JobError> {
        let checkpoint = checkpoint_of(out);
        if !checkpoint.exists() {
            return match out.exists() {
                true => Err(JobError::TeacherFinished { teacher: out.to_owned() }),
                false => Ok(None),
            };
        }
        let (recipe, data, engine) = Distiller::in_checkpoint(&checkpoint)?;
        Ok(Some(Self::Resume { recipe, data: Box::new(data), engine }))
    }

    /// How the teacher is trained; the steps are those of a time limit only in a checkpoint.
    pub fn recipe(&self) -> &DistillationRecipe {
        match self {
            Self::New(recipe) | Self::Resume { recipe, .. } => recipe,
        }
    }
}

/// A limit of time, to be spread over filling the cache and training.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit {
    /// Since when time counts.
    pub started: Instant,
    /// How much there is.
    pub time: Duration,
}

/// A teacher to begin with.
pub struct InitialWeights {
    teacher: Teacher,
    told: InitialTeacher,
}

impl InitialWeights {
    /// Reads a teacher's file to begin a teacher of `size` with, or of its own size.
    ///
    /// # Errors
    /// When it can't be read, or is medium where a small one is needed.
    pub fn open(path: &Path, size: Option<PdnSize>) -> Result<Self, JobError> {
        let teacher = Teacher::open(path)?;
        let sha256 = file_fingerprint(path)?.to_string();
        if (teacher.size(), size) == (PdnSize::Medium, Some(PdnSize::Small)) {
            return Err(JobError::InitialTooLarge { teacher: path.to_owned() });
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let distillation = teacher.distillation().cloned().map(Box::new);
        Ok(Self { teacher, told: InitialTeacher { file, sha256, distillation } })
    }

    /// The teacher's size.
    pub fn size(&self) -> PdnSize {
        self.teacher.size()
    }
}

impl PretrainPlan {
    /// The checkpoint's file.
    pub fn checkpoint(&self) -> PathBuf {
        checkpoint_of(&self.out)
    }

    /// Finds out what can be before photos are read. A job does this first.
    ///
    /// # Errors
    /// When the teacher or its checkpoint could not be written, or a checkpoint is in the way.
    pub fn check(&self) -> Result<(), JobError> {
        check_replaceable(&self.out, Teacher::is_file)?;
        check_writable(&self.checkpoint())?;
        match self.start {
            PretrainStart::New(_) => refuse_checkpoint(&self.checkpoint()),
            PretrainStart::Resume { .. } => Ok(()),
        }
    }

    /// How many samples there are to be: those of the checkpoint, or as many as the cache may hold
    /// and the training can see.
    pub(super) fn samples(&self, targets: &Targets) -> Result<usize, JobError> {
        let recipe = match &self.start {
            PretrainStart::Resume { data, .. } => return Ok(data.samples),
            PretrainStart::New(recipe) => recipe,
        };
        let room = targets.samples_within(self.cache_bytes);
        if room == 0 {
            return Err(JobError::CacheTooSmall);
        }
        let seen = match self.time_limit {
            Some(_) => usize::MAX,
            None => {
                let seen = recipe.steps.saturating_mul(recipe.batch as u64);
                usize::try_from(seen).unwrap_or(usize::MAX)
            }
        };
        Ok(room.min(seen))
    }

    /// Whether it is time to stop filling the cache and begin to train on `samples`.
    pub(super) fn is_filled(&self, samples: usize) -> bool {
        let is_spent =
            |limit: TimeLimit| limit.started.elapsed() > limit.time.mul_f64(FILLING_SHARE);
        match &self.start {
            PretrainStart::Resume { .. } => false,
            PretrainStart::New(recipe) => {
                samples >= recipe.batch && self.time_limit.is_some_and(is_spent)
            }
        }
    }

    /// Begins to train, or goes on; there is a checkpoint from now on.
    pub(super) fn distiller(
        &self,
        data: DistillationData,
        source: Arc<dyn DistillationSource>,
        notify: &mut Notifier<'_, '_, MeanLoss>,
    ) -> Result<Distiller, JobError> {
        let engine = || Arc::clone(&self.engine);
        let initial = self.initial.as_ref().map(|initial| initial.told.clone());
        let data = DistillationData { initial, ..data };
        let mut recipe = match &self.start {
            PretrainStart::Resume { engine: begun, .. } => {
                notify.resumed(begun.as_ref(), &self.engine.learning_id());
                return Ok(Distiller::resume(engine(), &self.checkpoint(), &data, source)?);
            }
            PretrainStart::New(recipe) => recipe.clone(),
        };
        if let Some(TimeLimit { started, time }) = self.time_limit {
            let seconds = seconds_per_step(engine(), &recipe, &data, Arc::clone(&source))?;
            let left = time.saturating_sub(started.elapsed()).as_secs_f64();
            recipe.steps = ((left * (1.0 - SPARE_SHARE) / seconds) as u64).max(1);
        }
        let teacher = self.initial.as_ref().map(|initial| &initial.teacher);
        let mut distiller = Distiller::new(engine(), recipe, data, teacher, source)?;
        // A disk that is too small is better found now than after hours.
        distiller.save_checkpoint(&self.checkpoint())?;
        Ok(distiller)
    }
}
