//! Distilling a teacher from a backbone, from photos to the teacher's file.

mod plan;

pub use plan::{InitialWeights, PretrainPlan, PretrainStart, TimeLimit};

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad::{Distiller, Error, Teacher};
use efficientad_pretraining::{Activity, Settings, TargetSamples, Targets};

use crate::error::JobError;
use crate::event::{Event, Notifier, Observer, Stage};
use crate::meter::MeanLoss;
use crate::steps::{Ended, Rhythm, StepLoop, Steps, Stopped};
use crate::train::remove_checkpoint;

/// Times that the teacher is measured on the photos held back while it is trained, but not more
/// often than every [`FEWEST_BETWEEN`] steps.
const VALIDATIONS: u64 = 20;
const FEWEST_BETWEEN: u64 = 100;

/// How a pretraining ended.
#[derive(Debug)]
pub enum PretrainOutcome {
    /// The observer stopped it. What is in the cache stays there, and if steps were begun there is a
    /// checkpoint.
    Stopped(Stopped),
    /// The teacher is saved.
    Done(Box<Pretrained>),
}

/// A finished pretraining.
pub struct Pretrained {
    /// The teacher's file.
    pub path: PathBuf,
    /// The teacher; [`Teacher::distillation`] tells how good it is.
    pub teacher: Teacher,
    /// Photos that could not be read.
    pub skipped: usize,
    /// Folders that could not be listed.
    pub not_listed: usize,
    /// Samples of the cache that were damaged and computed anew.
    pub recomputed: usize,
}

impl std::fmt::Debug for Pretrained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, teacher, skipped, not_listed, recomputed } = self;
        f.debug_struct("Pretrained")
            .field("path", path)
            .field("size", &teacher.size())
            .field("skipped", skipped)
            .field("not_listed", not_listed)
            .field("recomputed", recomputed)
            .finish()
    }
}

/// Distils a teacher by a plan: opens photos and backbone, fills the cache, does the steps with
/// checkpoints, measures and saves the teacher, and removes the checkpoint.
///
/// `observe` is told of everything that happens. When it breaks after [`Event::PhotosOpened`], what
/// is done is kept and the outcome is [`PretrainOutcome::Stopped`].
///
/// # Errors
/// When backbone, photos, cache or checkpoint can't be read or written, or don't fit each other;
/// [`JobError::Cancelled`] when `observe` breaks before [`Event::PhotosOpened`].
pub fn pretrain(
    plan: &PretrainPlan,
    observe: &mut Observer<'_, MeanLoss>,
) -> Result<PretrainOutcome, JobError> {
    plan.check()?;
    let mut notify = Notifier::new(observe);
    let targets = open_targets(plan, &mut notify)?;
    let Some(samples) = fill(plan, &targets, &mut notify)? else {
        let stopped = Stopped { step: 0, steps: None, checkpoint: None };
        return Ok(PretrainOutcome::Stopped(stopped));
    };
    let [train, held_back] = targets.samples(samples)?;
    let distiller = plan.distiller(targets.description(samples), Arc::new(train), &mut notify)?;
    let pretraining = Pretraining::new(distiller, held_back);
    let _ = notify.send(Event::SamplesReady {
        samples,
        batch: pretraining.distiller.recipe().batch,
        step: pretraining.steps_done(),
        steps: pretraining.steps(),
        cache: targets.cache_folder(),
    });
    pretraining.run(plan, &targets, &mut notify)
}

/// Reads backbone and photos, and names the photos that can't be used.
fn open_targets(
    plan: &PretrainPlan,
    notify: &mut Notifier<'_, '_, MeanLoss>,
) -> Result<Arc<Targets>, JobError> {
    let reading = Stage::Targets(Activity::ReadingPhotos);
    let mut progress = |done, total| notify.progress(reading, done, total);
    let settings = Settings { seed: plan.start.recipe().seed, ..plan.settings.clone() };
    let threads = plan.engine.threads().count();
    let targets = Targets::open(settings, &*plan.runtime, threads, &mut progress)?;
    notify.tell_left_out(targets.left_out())?;
    for it in targets.unreadable() {
        notify.tell(Event::Skipped { path: &it.path, reason: &it.error })?;
    }
    for error in targets.not_listed() {
        notify.tell(Event::NotListed(error))?;
    }
    if targets.too_small() > 0 {
        notify.tell(Event::TooSmall { photos: targets.too_small() })?;
    }
    notify.tell(Event::PhotosOpened)?;
    Ok(Arc::new(targets))
}

/// Fills the cache; the number of samples to train on, or `None` if the observer stops it.
fn fill(
    plan: &PretrainPlan,
    targets: &Targets,
    notify: &mut Notifier<'_, '_, MeanLoss>,
) -> Result<Option<usize>, JobError> {
    let wanted = plan.samples(targets)?;
    let mut progress = |activity, done, total| {
        notify.progress(Stage::Targets(activity), done, total)?;
        let enough = activity == Activity::Targets && plan.is_filled(done);
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let there = targets.fill(wanted, plan.engine.threads().count(), &mut progress)?;
    Ok((!notify.is_stopping()).then_some(there))
}

/// A pretraining under way.
struct Pretraining {
    distiller: Distiller,
    held_back: TargetSamples,
    validate_every: u64,
}

impl Pretraining {
    fn new(distiller: Distiller, held_back: TargetSamples) -> Self {
        let validate_every = (distiller.recipe().steps / VALIDATIONS).max(FEWEST_BETWEEN);
        Self { distiller, held_back, validate_every }
    }

    /// Does the steps, and finishes.
    fn run(
        mut self,
        plan: &PretrainPlan,
        targets: &Targets,
        notify: &mut Notifier<'_, '_, MeanLoss>,
    ) -> Result<PretrainOutcome, JobError> {
        let checkpoint = plan.checkpoint();
        let rhythm = Rhythm {
            checkpoint: &checkpoint,
            checkpoint_every: plan.checkpoint_every,
            report_every: plan.report_every,
        };
        if let Ended::Stopped(stopped) = StepLoop::new(&mut self, &rhythm).run(notify)? {
            return Ok(PretrainOutcome::Stopped(stopped));
        }
        let teacher = self.finish(plan).map_err(|error| error.in_finish(&checkpoint))?;
        remove_checkpoint(&checkpoint, notify);
        Ok(PretrainOutcome::Done(Box::new(Pretrained {
            path: plan.out.clone(),
            teacher,
            skipped: targets.unreadable().len(),
            not_listed: targets.not_listed().len(),
            recomputed: targets.recomputed(),
        })))
    }

    /// Measures and saves the teacher.
    fn finish(self, plan: &PretrainPlan) -> Result<Teacher, JobError> {
        let teacher = self.distiller.finish(&self.held_back)?;
        teacher.save(&plan.out)?;
        Ok(teacher)
    }
}

impl Steps for Pretraining {
    type Means = MeanLoss;

    fn steps_done(&self) -> u64 {
        self.distiller.steps_done()
    }

    fn steps(&self) -> u64 {
        self.distiller.recipe().steps
    }

    fn step(&mut self) -> Result<Vec<f64>, Error> {
        self.distiller.step()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.distiller.settle()
    }

    fn save_checkpoint(&mut self, path: &Path) -> Result<(), Error> {
        self.distiller.save_checkpoint(path)
    }

    /// Measures the teacher on photos held back now and then.
    fn after_step(&mut self, notify: &mut Notifier<'_, '_, MeanLoss>) -> Result<(), JobError> {
        let step = self.steps_done();
        if step < self.steps() && step.is_multiple_of(self.validate_every) {
            let r_squared = self.distiller.validate(&self.held_back)?;
            let _ = notify.send(Event::Validated { step, r_squared: &r_squared });
        }
        Ok(())
    }
}
