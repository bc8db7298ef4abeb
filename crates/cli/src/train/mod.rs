//! `efficientad train`.

mod events;
pub mod parts;
mod plan;
mod thresholds;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Result;
use efficientad_jobs::{Event, Stage, Stopped, TrainOutcome, TrainPlan, Trained, train};
use indicatif::HumanDuration;

use crate::args::{ReportArgs, TrainArgs};
use crate::interrupt::Interrupt;
use crate::output::{self, Status};
use crate::progress::{Progress, Style};
use crate::remarks::remark;
use crate::resuming::resume_command;
use crate::taking::Taking;
use events::{Events, Line};

pub use plan::of as plan_of;

/// Trains a model.
pub fn run(args: TrainArgs) -> Result<Status> {
    run_with(args, &stopping()?, resume_command())
}

/// Listens for those who want a training to stop.
fn stopping() -> Result<Interrupt> {
    Interrupt::listen("stopping after this step; once more to stop without saving")
}

/// Trains a model; `go_on` is the command that goes on if it is stopped.
fn run_with(args: TrainArgs, interrupt: &Interrupt, go_on: String) -> Result<Status> {
    let started = Instant::now();
    let ReportArgs { json, quiet } = args.report;
    let taking = Taking { dry_run: args.data.dry_run, json, quiet };
    let progress = Progress::new(Style::choose(quiet, json));
    let plan = plan::of(args, progress.step_interval())?;
    let continues = plan.start.parent().is_some();
    let mut report = Report::new(&plan, taking, progress, Events { json }, interrupt.clone());
    match taking.end(train(plan, &mut |event| report.take(&event)))? {
        None => Ok(Status::Done),
        Some(TrainOutcome::Stopped(stopped)) => Ok(report.stopped(&stopped, go_on)),
        Some(TrainOutcome::Done(trained)) => report.done(&trained, continues, started.elapsed()),
    }
}

/// What is shown of a training.
struct Report {
    /// Whether a model learns from new photos alone.
    forgets: bool,
    taking: Taking,
    progress: Progress,
    events: Events,
    interrupt: Interrupt,
}

impl Report {
    fn new(
        plan: &TrainPlan,
        taking: Taking,
        progress: Progress,
        events: Events,
        interrupt: Interrupt,
    ) -> Self {
        let forgets = plan.start.parent().is_some() && plan.data.old.is_none();
        Self { forgets, taking, progress, events, interrupt }
    }

    /// Shows an event; breaks once the user asked to stop.
    fn take(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Taking { layout, taken } => {
                if self.events.json {
                    self.events.send(&Line::Data { layout: *layout, taken });
                } else {
                    self.taking.say(*layout, taken);
                }
                self.taking.flow()?;
            }
            Event::Begun { .. } => self.interrupt.hold(),
            Event::Step(report) => {
                let rate = format!("{:.2} steps/s", report.steps_per_second);
                self.progress.step(report, &rate);
                self.events.send(&Line::Step(report));
            }
            // From now on there is nothing to save.
            Event::StepsDone { .. } if self.interrupt.release() => return ControlFlow::Break(()),
            // Shown by the reports.
            Event::Progress { stage: Stage::Steps, .. } => {}
            Event::Progress { stage, done, total } => self.progress.count(stage, *done, *total),
            _ => self.note(event),
        }
        self.interrupt.flow()
    }

    fn note(&self, event: &Event<'_>) {
        match event {
            Event::AlreadyKnown { dataset, photos } => self.progress.note(format_args!(
                "{}: {photos} photos are among those of --old, not new",
                dataset.display()
            )),
            Event::OldMissing { datasets } => self.progress.note(format_args!(
                "the model was trained on {datasets} more data sets than are given with --old; what \
                 becomes of their parts stays unknown"
            )),
            Event::DataOpened(_) if self.forgets => self.progress.note(
                "without --old the model learns from the new photos alone: it forgets, and nothing \
                 is known of how many old parts the new threshold rejects",
            ),
            Event::CheckpointFailed { reason, .. } => {
                self.progress
                    .note(format_args!("no checkpoint, but training goes on: {reason}"));
            }
            Event::CheckpointLeft { path, reason } => {
                self.progress.note(format_args!("{}: not removed ({reason})", path.display()));
            }
            _ => remark(event).iter().for_each(|line| self.progress.note(line)),
        }
    }

    /// Says how to go on.
    fn stopped(self, stopped: &Stopped, go_on: String) -> Status {
        let Stopped { step, steps, checkpoint } = stopped;
        let steps = steps.unwrap_or_default();
        self.progress.note(format_args!("stopped after step {step} of {steps}; go on with:"));
        self.progress.note(go_on);
        self.events.send(&Line::Stopped { step: *step, checkpoint: checkpoint.as_deref() });
        Status::Interrupted
    }

    fn done(self, trained: &Trained, continues: bool, time: Duration) -> Result<Status> {
        drop(self.progress);
        self.events.send(&Line::Done {
            model: &trained.path,
            steps: trained.steps,
            threshold: trained.model.info().threshold.as_ref(),
            other_thresholds: thresholds::at_other_rates(&trained.model)?,
            held_back: trained.effect.as_ref(),
            skipped: trained.skipped,
            seconds: time.as_secs_f64(),
        });
        if !self.events.json {
            print_summary(trained, continues, time)?;
        }
        Ok(Status::from_failures(trained.skipped))
    }
}

fn print_summary(trained: &Trained, continues: bool, time: Duration) -> Result<()> {
    let Trained { path, model, steps, effect, skipped } = trained;
    let info = model.info();
    output::print(format_args!(
        "{}: {} model, {steps}{} steps, {}",
        path.display(),
        info.size,
        if continues { " more" } else { "" },
        HumanDuration(time),
    ))?;
    if let Some(threshold) = &info.threshold {
        output::print(format_args!("threshold {threshold}"))?;
    }
    let others = thresholds::at_other_rates(model)?;
    others.iter().map(thresholds::line).try_for_each(output::print)?;
    if let Some(effect) = effect {
        effect.to_string().lines().try_for_each(output::print)?;
    }
    if *skipped > 0 {
        output::note(format_args!("{skipped} unreadable images were skipped"));
    }
    Ok(())
}
