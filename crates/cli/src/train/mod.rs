//! `efficientad train`.

mod effect;
mod events;
mod parent;
mod plan;

use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use efficientad::{Error, InspectionEngine, Model, Trainer};
use indicatif::HumanDuration;

use crate::args::TrainArgs;
use crate::interrupt::Interrupt;
use crate::output::{self, Status};
use crate::progress::{MeanLosses, Progress, StepMeter, Style};
use crate::resuming::resume_command;
use crate::schedule::Schedule;
use crate::training_data::Data;
use effect::Effect;
use events::{Event, Events};
use plan::Plan;

/// Trains a model.
pub fn run(args: TrainArgs) -> Result<Status> {
    let interrupt =
        Interrupt::listen("\nstopping after this step; once more to stop without saving")?;
    let started = Instant::now();
    let plan = Plan::new(args)?;
    let mut progress = Progress::new(Style::choose(plan.quiet, plan.json));
    let data = Data::open(&plan.data, plan.recipe.seed, plan.cpu.threads().count(), &mut progress)?;
    if plan.parent.is_some() && data.old.is_none() {
        progress.note(
            "without --old the model learns from the new photos alone: it forgets, and nothing is \
             known of how many old parts the new threshold rejects",
        );
    }
    let trainer = plan.trainer(&data, &mut progress)?;
    let mut training = Training {
        meter: StepMeter::new(trainer.steps_done(), plan.recipe.steps),
        schedule: Schedule::new(plan.checkpoint_every, trainer.steps_done()),
        events: Events { json: plan.json },
        skipped: data.skipped,
        plan: &plan,
        data: &data,
        trainer,
        progress,
    };
    interrupt.hold();
    if !training.run(&interrupt)? {
        return training.stopped();
    }
    training.finish(started)
}

/// A training under way.
struct Training<'a> {
    plan: &'a Plan,
    data: &'a Data,
    trainer: Trainer,
    progress: Progress,
    meter: StepMeter<MeanLosses>,
    schedule: Schedule,
    events: Events,
    skipped: usize,
}

impl Training<'_> {
    /// Does the steps; whether all are done and the model is wanted now.
    fn run(&mut self, interrupt: &Interrupt) -> Result<bool> {
        while self.trainer.steps_done() < self.plan.recipe.steps {
            if interrupt.is_requested() {
                self.trainer
                    .save_checkpoint(&self.plan.checkpoint)
                    .map_err(|error| anyhow!("{error}\n{}", self.kept()))?;
                return Ok(false);
            }
            self.step()?;
        }
        self.try_checkpoint();
        Ok(!interrupt.release())
    }

    fn step(&mut self) -> Result<()> {
        let losses = self.trainer.step().map_err(|error| anyhow!("{error}\n{}", self.kept()))?;
        let step = self.trainer.steps_done();
        for error in self.data.photos.iter().flat_map(|photos| photos.take_errors()) {
            self.progress.note(format_args!("skipped: {error}"));
            self.skipped += 1;
        }
        let interval = self.progress.step_interval();
        if let Some(report) = self.meter.add(step, &losses, interval) {
            self.progress.step(&report, &format!("{:.2} steps/s", report.steps_per_second));
            self.events.send(&Event::Step(&report));
        }
        if self.schedule.is_due(step) {
            self.try_checkpoint();
            self.schedule.restart(step);
        }
        Ok(())
    }

    /// Writes a checkpoint; if that fails the training is still worth going on with.
    fn try_checkpoint(&self) {
        if let Err(error) = self.trainer.save_checkpoint(&self.plan.checkpoint) {
            self.progress.note(format_args!("no checkpoint, but training goes on: {error}"));
        }
    }

    fn kept(&self) -> String {
        format!("the last checkpoint is kept in {}", self.plan.checkpoint.display())
    }

    /// Says how to go on.
    fn stopped(self) -> Result<Status> {
        let step = self.trainer.steps_done();
        let command = resume_command();
        self.progress.note(format_args!(
            "stopped after step {step} of {}; go on with:\n{command}",
            self.plan.recipe.steps
        ));
        self.events.send(&Event::Stopped { step, checkpoint: &self.plan.checkpoint });
        Ok(Status::Interrupted)
    }

    /// Calibrates, saves the model, and removes the checkpoint.
    fn finish(self, started: Instant) -> Result<Status> {
        let hint = format!("{}; go on from it with --resume", self.kept());
        let with_hint = |error: Error| anyhow!("{error}\n{hint}");
        let mut progress = self.progress;
        let mut report = |at: efficientad::Progress| {
            progress.count(at.stage, at.done, at.total);
            ControlFlow::Continue(())
        };
        let mut model = self.trainer.finish(&mut report).map_err(with_hint)?;
        model.set_false_reject(self.plan.false_reject).map_err(with_hint)?;
        let effect = self.plan.parent.as_ref().map(|parent| {
            let data = self.data.for_trainer();
            let done = |done, total| progress.count("before and after", done, total);
            let engine: Arc<dyn InspectionEngine> = self.plan.cpu.clone();
            Effect::measure(&parent.model, &model, &engine, &data, done)
        });
        let effect = effect.transpose().map_err(|error| anyhow!("{error:#}\n{hint}"))?;
        model.save(&self.plan.out).map_err(with_hint)?;
        if let Err(error) = fs::remove_file(&self.plan.checkpoint) {
            progress
                .note(format_args!("{}: not removed ({error})", self.plan.checkpoint.display()));
        }
        drop(progress);
        self.events.send(&Event::Done {
            model: &self.plan.out,
            steps: self.plan.recipe.steps,
            threshold: model.info().threshold.as_ref(),
            held_back: effect.as_ref(),
            skipped: self.skipped,
            seconds: started.elapsed().as_secs_f64(),
        });
        if !self.plan.json {
            print_summary(self.plan, &model, effect.as_ref(), started, self.skipped)?;
        }
        Ok(Status::from_failures(self.skipped))
    }
}

fn print_summary(
    plan: &Plan,
    model: &Model,
    effect: Option<&Effect>,
    started: Instant,
    skipped: usize,
) -> Result<()> {
    let info = model.info();
    output::print(format_args!(
        "{}: {} model, {}{} steps, {}",
        plan.out.display(),
        info.size,
        plan.recipe.steps,
        if plan.parent.is_some() { " more" } else { "" },
        HumanDuration(started.elapsed()),
    ))?;
    if let Some(threshold) = &info.threshold {
        output::print(format_args!("threshold {threshold}"))?;
    }
    effect.into_iter().try_for_each(output::print)?;
    if skipped > 0 {
        output::note(format_args!("{skipped} unreadable images were skipped"));
    }
    Ok(())
}
