//! `efficientad pretrain`.

mod events;
mod plan;

use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use efficientad::{Distiller, InspectionEngine, RSquared};
use efficientad_pretraining::{Activity, MIN_PHOTO_SIDE, TargetSamples, Targets};
use indicatif::HumanDuration;

use crate::args::PretrainArgs;
use crate::interrupt::Interrupt;
use crate::output::{self, Status};
use crate::progress::{Means, Progress, StepMeter, Style};
use crate::resuming::resume_command;
use crate::schedule::Schedule;
use events::{Event, Events};
use plan::Plan;

/// Times that the teacher is measured on the photos held back while it is trained, but not more
/// often than every 100 steps.
const VALIDATIONS: u64 = 20;
/// Time between two events about targets.
const TARGETS_INTERVAL: Duration = Duration::from_secs(20);

/// Distils a teacher.
pub fn run(args: PretrainArgs) -> Result<Status> {
    let started = Instant::now();
    let interrupt =
        Interrupt::listen("\nstopping after this step; once more to stop without saving")?;
    let plan = Plan::new(args, started)?;
    let events = Events { json: plan.json };
    let mut progress = Progress::new(Style::choose(plan.quiet, plan.json));
    let threads = plan.cpu.threads().count();
    let targets = Arc::new(Targets::open(plan.settings.clone(), threads, &mut |done, total| {
        progress.count(Activity::ReadingPhotos, done, total);
        ControlFlow::Continue(())
    })?);
    for error in targets.unreadable() {
        progress.note(format_args!("skipped: {error}"));
    }
    if targets.too_small() > 0 {
        progress.note(format_args!(
            "{} photos with a side below {MIN_PHOTO_SIDE} pixels are left out",
            targets.too_small()
        ));
    }
    interrupt.hold();
    let Some(samples) = fill(&plan, &targets, &interrupt, &mut progress)? else {
        progress.note(format_args!(
            "stopped while filling the cache; go on with:\n{}",
            resume_command()
        ));
        events.send(&Event::Stopped { step: 0, checkpoint: None });
        return Ok(Status::Interrupted);
    };
    let [train, held_back] = targets.samples(samples)?;
    let distiller = plan.distiller(targets.description(samples), Arc::new(train))?;
    let (step, steps) = (distiller.steps_done(), distiller.recipe().steps);
    let cache = targets.cache_folder();
    events.send(&Event::Training { samples, steps, steps_done: step, cache });
    progress.note(format_args!(
        "{samples} samples in {}; {steps} steps of {}",
        cache.display(),
        distiller.recipe().batch
    ));
    let mut pretraining = Pretraining {
        meter: StepMeter::new(step, steps),
        schedule: Schedule::new(plan.checkpoint_every, step),
        events,
        plan: &plan,
        targets: &targets,
        held_back,
        distiller,
        progress,
    };
    if !pretraining.run(&interrupt)? {
        return Ok(pretraining.stopped());
    }
    pretraining.finish(started)
}

/// Fills the cache; the number of samples to train on, or none if the user stops it.
fn fill(
    plan: &Plan,
    targets: &Targets,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Option<usize>> {
    let wanted = plan.samples(targets)?;
    let mut reported = Instant::now();
    let there =
        targets.fill(wanted, plan.cpu.threads().count(), &mut |activity, done, total| {
            progress.count(activity, done, total);
            if done == total || reported.elapsed() >= TARGETS_INTERVAL {
                reported = Instant::now();
                let seconds_left = progress.seconds_left(done, total);
                Events { json: plan.json }.send(&Event::Targets { done, total, seconds_left });
            }
            let enough = activity == Activity::Targets && plan.is_filled(done);
            if enough || interrupt.is_requested() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
    Ok((!interrupt.is_requested()).then_some(there))
}

/// The mean squared difference from the targets.
#[derive(Default)]
struct Loss(f64);

impl Means for Loss {
    type Losses = f64;

    fn add(&mut self, loss: &f64) {
        self.0 += loss;
    }

    fn over(self, steps: f64) -> Self {
        Self(self.0 / steps)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.0)
    }
}

/// A pretraining under way.
struct Pretraining<'a> {
    plan: &'a Plan,
    targets: &'a Targets,
    held_back: TargetSamples,
    distiller: Distiller,
    progress: Progress,
    meter: StepMeter<Loss>,
    schedule: Schedule,
    events: Events,
}

impl Pretraining<'_> {
    /// Does the steps; whether all are done and the teacher is wanted now.
    fn run(&mut self, interrupt: &Interrupt) -> Result<bool> {
        let steps = self.distiller.recipe().steps;
        let validate_every = (steps / VALIDATIONS).max(100);
        while self.distiller.steps_done() < steps {
            if interrupt.is_requested() {
                self.distiller
                    .save_checkpoint(&self.plan.checkpoint)
                    .map_err(|error| anyhow!("{error}\n{}", self.kept()))?;
                return Ok(false);
            }
            self.step()?;
            let step = self.distiller.steps_done();
            if step < steps && step.is_multiple_of(validate_every) {
                self.validate(step)?;
            }
        }
        self.try_checkpoint();
        Ok(!interrupt.release())
    }

    fn step(&mut self) -> Result<()> {
        let loss = self.distiller.step().map_err(|error| anyhow!("{error}\n{}", self.kept()))?;
        let step = self.distiller.steps_done();
        if let Some(report) = self.meter.add(step, &loss, self.progress.step_interval()) {
            let rate = report.steps_per_second * self.distiller.recipe().batch as f64;
            self.progress.step(&report, &format!("{rate:.1} photos/s"));
            self.events.send(&Event::Step {
                step,
                steps: report.steps,
                loss: report.losses.0,
                photos_per_second: rate,
                seconds_left: report.seconds_left,
            });
        }
        if self.schedule.is_due(step) {
            self.try_checkpoint();
            self.schedule.restart(step);
        }
        Ok(())
    }

    fn validate(&mut self, step: u64) -> Result<()> {
        let r_squared: RSquared = self.distiller.validate(&self.held_back)?;
        self.progress.note(format_args!("step {step}: {r_squared} on photos held back"));
        self.events.send(&Event::Validation { step, r_squared });
        Ok(())
    }

    /// Writes a checkpoint; if that fails the training is still worth going on with.
    fn try_checkpoint(&self) {
        if let Err(error) = self.distiller.save_checkpoint(&self.plan.checkpoint) {
            self.progress.note(format_args!("no checkpoint, but training goes on: {error}"));
        }
    }

    fn kept(&self) -> String {
        format!("the last checkpoint is kept in {}", self.plan.checkpoint.display())
    }

    /// Says how to go on.
    fn stopped(self) -> Status {
        let (step, steps) = (self.distiller.steps_done(), self.distiller.recipe().steps);
        self.progress.note(format_args!(
            "stopped after step {step} of {steps}; go on with:\n{}",
            resume_command()
        ));
        self.events.send(&Event::Stopped { step, checkpoint: Some(&self.plan.checkpoint) });
        Status::Interrupted
    }

    /// Measures and saves the teacher, and removes the checkpoint.
    fn finish(self, started: Instant) -> Result<Status> {
        let hint = format!("{}; go on from it with --resume", self.kept());
        let Self { plan, targets, distiller, held_back, progress, events, .. } = self;
        let with_hint = |error: efficientad::Error| anyhow!("{error}\n{hint}");
        let teacher = distiller.finish(&held_back).map_err(with_hint)?;
        teacher.save(&plan.out).map_err(with_hint)?;
        if let Err(error) = fs::remove_file(&plan.checkpoint) {
            progress.note(format_args!("{}: not removed ({error})", plan.checkpoint.display()));
        }
        drop(progress);
        let (skipped, recomputed) = (targets.unreadable().len(), targets.recomputed());
        if recomputed > 0 {
            output::note(format_args!("{recomputed} damaged samples of the cache were recomputed"));
        }
        if skipped > 0 {
            output::note(format_args!("{skipped} unreadable photos were skipped"));
        }
        if let Some(distillation) = teacher.distillation() {
            let (teacher, seconds) = (plan.out.as_path(), started.elapsed().as_secs_f64());
            events.send(&Event::Done { teacher, distillation, skipped, recomputed, seconds });
            if !plan.json {
                output::print(format_args!(
                    "{}: {} teacher, {} steps, {} on photos held back, {}",
                    teacher.display(),
                    distillation.recipe.size,
                    distillation.recipe.steps,
                    distillation.r_squared,
                    HumanDuration(started.elapsed()),
                ))?;
            }
        }
        Ok(Status::from_failures(skipped))
    }
}
