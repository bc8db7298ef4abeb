//! Training a model, from photos to its file.

mod effect;
mod parent;
mod plan;

pub use effect::{BeforeAfter, Effect, ScoreSummary};
pub use parent::Parent;
pub use plan::{RegionFiles, Resume, Start, TrainPlan};

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad::{Error, InspectionEngine, Losses, Model, Trainer};

use crate::data::Data;
use crate::error::JobError;
use crate::event::{Event, Notifier, Observer, Stage};
use crate::meter::MeanLosses;
use crate::penalty_photos::PenaltyPhotos;
use crate::steps::{Ended, Rhythm, StepLoop, Steps, Stopped};

/// How a training ended.
#[derive(Debug)]
pub enum TrainOutcome {
    /// The observer stopped it; there is a checkpoint to go on from ([`Start::resume`]).
    Stopped(Stopped),
    /// The model is saved.
    Done(Box<Trained>),
}

/// A finished training.
#[derive(Debug)]
pub struct Trained {
    /// The model's file.
    pub path: PathBuf,
    /// The model; [`Model::info`] has its threshold.
    pub model: Model,
    /// Steps of the whole training.
    pub steps: u64,
    /// What a continuation changed for the photos held back; `None` if training began anew.
    pub effect: Option<Effect>,
    /// Photos that could not be read.
    pub skipped: usize,
}

/// Trains a model by a plan: opens the data, does the steps with checkpoints, calibrates, saves the
/// model and removes the checkpoint.
///
/// `observe` is told of everything that happens. When it breaks, a checkpoint is written and the
/// outcome is [`TrainOutcome::Stopped`].
///
/// # Errors
/// When data, model or checkpoint can't be read or written, or don't fit each other;
/// [`JobError::Cancelled`] when `observe` breaks before [`Event::Begun`].
pub fn train(plan: TrainPlan, observe: &mut Observer<'_>) -> Result<TrainOutcome, JobError> {
    TrainJob::prepare(plan, observe)?.run(observe)
}

/// A training that is ready for its first step.
pub struct TrainJob {
    plan: TrainPlan,
    data: Data,
    trainer: Trainer,
}

impl TrainJob {
    /// Checks the plan, opens the data and prepares the trainer; there is a checkpoint from now on.
    ///
    /// # Errors
    /// As [`train`].
    pub fn prepare(plan: TrainPlan, observe: &mut Observer<'_>) -> Result<Self, JobError> {
        plan.check()?;
        let mut notify = Notifier::new(observe);
        let seed = plan.start.recipe().seed;
        let data =
            Data::open_telling(&plan.data, seed, plan.engine.threads().count(), &mut notify)?;
        let trainer = plan.trainer(&data, &mut notify)?;
        Ok(Self { plan, data, trainer })
    }

    /// What it learns from.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Trains, calibrates and saves the model.
    ///
    /// # Errors
    /// [`JobError::Step`] and [`JobError::Finish`]; both name the checkpoint that is kept.
    pub fn run(self, observe: &mut Observer<'_>) -> Result<TrainOutcome, JobError> {
        let mut notify = Notifier::new(observe);
        let Self { plan, data, trainer } = self;
        let checkpoint = plan.checkpoint();
        let (photos, skipped) = (data.photos.clone(), data.skipped);
        let mut training = Training { trainer, photos, skipped };
        let rhythm = Rhythm {
            checkpoint: &checkpoint,
            checkpoint_every: plan.checkpoint_every,
            report_every: plan.report_every,
        };
        let saved = match StepLoop::new(&mut training, &rhythm).run(&mut notify)? {
            Ended::Stopped(stopped) => return Ok(TrainOutcome::Stopped(stopped)),
            Ended::AllDone { saved } => saved,
        };
        let steps = training.steps();
        match training.finish(&plan, &data, &mut notify) {
            Ok(trained) => Ok(TrainOutcome::Done(Box::new(trained))),
            Err(JobError::Cancelled) => Ok(TrainOutcome::Stopped(Stopped {
                step: saved,
                steps: Some(steps),
                checkpoint: Some(checkpoint),
            })),
            Err(error) => Err(error.in_finish(&checkpoint)),
        }
    }
}

/// A training under way.
struct Training {
    trainer: Trainer,
    photos: Option<Arc<PenaltyPhotos>>,
    skipped: usize,
}

impl Steps for Training {
    type Means = MeanLosses;

    fn steps_done(&self) -> u64 {
        self.trainer.steps_done()
    }

    fn steps(&self) -> u64 {
        self.trainer.recipe().steps
    }

    fn step(&mut self) -> Result<Vec<Losses>, Error> {
        self.trainer.step()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.trainer.settle()
    }

    fn save_checkpoint(&mut self, path: &Path) -> Result<(), Error> {
        self.trainer.save_checkpoint(path)
    }

    fn after_step(&mut self, notify: &mut Notifier<'_, '_, MeanLosses>) -> Result<(), JobError> {
        for it in self.photos.iter().flat_map(|photos| photos.take_unreadable()) {
            self.skipped += 1;
            let _ = notify.send(Event::Skipped { path: &it.path, reason: &it.error });
        }
        Ok(())
    }
}

impl Training {
    /// Calibrates, saves the model, and removes the checkpoint.
    fn finish(
        self,
        plan: &TrainPlan,
        data: &Data,
        notify: &mut Notifier<'_, '_, MeanLosses>,
    ) -> Result<Trained, JobError> {
        let (steps, skipped) = (self.steps(), self.skipped);
        let mut model = self.trainer.finish(&mut |at| notify.method(at))?;
        if let Some(rate) = plan.false_reject {
            model.set_false_reject(rate)?;
        }
        let model = model.with_samples(data.description.samples);
        let effect = plan.start.parent().map(|parent| {
            let mut done = |done, total| notify.progress(Stage::Effect, done, total);
            let engine: Arc<dyn InspectionEngine> = Arc::clone(&plan.engine) as _;
            Effect::measure(parent.model(), &model, &engine, &data.for_trainer(), &mut done)
        });
        let effect = effect.transpose()?;
        model.save(&plan.out)?;
        remove_checkpoint(&plan.checkpoint(), notify);
        Ok(Trained { path: plan.out.clone(), model, steps, effect, skipped })
    }
}

/// Removes a checkpoint that is not needed any more. That it stays is no failure of the job.
pub(crate) fn remove_checkpoint<L>(checkpoint: &Path, notify: &mut Notifier<'_, '_, L>) {
    if let Err(reason) = fs::remove_file(checkpoint) {
        let _: ControlFlow<()> =
            notify.send(Event::CheckpointLeft { path: checkpoint, reason: &reason });
    }
}
