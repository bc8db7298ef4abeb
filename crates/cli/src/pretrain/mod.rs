//! `efficientad pretrain`.

mod events;
mod plan;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Result;
use efficientad_jobs::{
    Event, MeanLoss, PretrainOutcome, Pretrained, Stage, StepReport, Stopped, pretrain,
};
use efficientad_pretraining::{Activity, MIN_PHOTO_SIDE};
use indicatif::HumanDuration;

use crate::args::{PretrainArgs, ReportArgs};
use crate::interrupt::Interrupt;
use crate::output::{self, Status};
use crate::progress::{Progress, Style};
use crate::remarks::remark;
use crate::resuming::resume_command;
use events::{Events, Line};

/// Time between two events about targets.
const TARGETS_INTERVAL: Duration = Duration::from_secs(20);

/// Distils a teacher.
pub fn run(args: PretrainArgs) -> Result<Status> {
    let started = Instant::now();
    let interrupt =
        Interrupt::listen("stopping after this step; once more to stop without saving")?;
    let ReportArgs { json, quiet } = args.report;
    let progress = Progress::new(Style::choose(quiet, json));
    let plan = plan::of(args, started, progress.step_interval())?;
    let events = Events { json };
    let mut report = Report { progress, events, interrupt, batch: 0, told: Instant::now() };
    match pretrain(&plan, &mut |event| report.take(&event))? {
        PretrainOutcome::Stopped(stopped) => Ok(report.stopped(&stopped)),
        PretrainOutcome::Done(pretrained) => report.done(&pretrained, started.elapsed()),
    }
}

/// What is shown of a pretraining.
struct Report {
    progress: Progress,
    events: Events,
    interrupt: Interrupt,
    /// Samples of a step, once steps begin.
    batch: usize,
    /// When the last event about targets was sent.
    told: Instant,
}

impl Report {
    /// Shows an event; breaks once the user asked to stop.
    fn take(&mut self, event: &Event<'_, MeanLoss>) -> ControlFlow<()> {
        match event {
            Event::PhotosOpened => {
                self.interrupt.hold();
                self.told = Instant::now();
            }
            Event::Step(report) => self.step(report),
            // From now on there is nothing to save.
            Event::StepsDone { .. } if self.interrupt.release() => return ControlFlow::Break(()),
            // Shown by the reports.
            Event::Progress { stage: Stage::Steps, .. } => {}
            Event::Progress { stage, done, total } => {
                self.progress.count(stage, *done, *total);
                if *stage != Stage::Targets(Activity::ReadingPhotos) {
                    self.tell_targets(*done, *total);
                }
            }
            Event::SamplesReady { samples, batch, step, steps, cache } => {
                self.batch = *batch;
                let (samples, steps, steps_done) = (*samples, *steps, *step);
                self.events.send(&Line::Training { samples, steps, steps_done, cache });
                let cache = cache.display();
                self.progress
                    .note(format_args!("{samples} samples in {cache}; {steps} steps of {batch}"));
            }
            Event::Validated { step, r_squared } => {
                self.progress.note(format_args!("step {step}: {r_squared} on photos held back"));
                self.events.send(&Line::Validation { step: *step, r_squared: **r_squared });
            }
            _ => self.note(event),
        }
        self.interrupt.flow()
    }

    fn step(&mut self, report: &StepReport<MeanLoss>) {
        let rate = report.steps_per_second * self.batch as f64;
        self.progress.step(report, &format!("{rate:.1} photos/s"));
        self.events.send(&Line::Step {
            step: report.step,
            steps: report.steps,
            loss: report.losses.0,
            photos_per_second: rate,
            seconds_left: report.seconds_left,
        });
    }

    fn tell_targets(&mut self, done: usize, total: usize) {
        if done == total || self.told.elapsed() >= TARGETS_INTERVAL {
            self.told = Instant::now();
            let seconds_left = self.progress.seconds_left(done, total);
            self.events.send(&Line::Targets { done, total, seconds_left });
        }
    }

    fn note(&self, event: &Event<'_, MeanLoss>) {
        match event {
            Event::NotListed(error) => self.progress.note(format_args!("skipped: {error}")),
            Event::TooSmall { photos } => self.progress.note(format_args!(
                "{photos} photos with a side below {MIN_PHOTO_SIDE} pixels are left out"
            )),
            Event::CheckpointFailed { reason, .. } => {
                self.progress.note(format_args!("no checkpoint, but training goes on: {reason}"));
            }
            Event::CheckpointLeft { path, reason } => {
                self.progress.note(format_args!("{}: not removed ({reason})", path.display()));
            }
            _ => remark(event).iter().for_each(|line| self.progress.note(line)),
        }
    }

    /// Says how to go on.
    fn stopped(self, stopped: &Stopped) -> Status {
        let Stopped { step, steps, checkpoint } = stopped;
        let at = match steps {
            Some(steps) => format!("after step {step} of {steps}"),
            None => "while filling the cache".to_owned(),
        };
        self.progress.note(format_args!("stopped {at}; go on with:"));
        self.progress.note(resume_command());
        self.events.send(&Line::Stopped { step: *step, checkpoint: checkpoint.as_deref() });
        Status::Interrupted
    }

    fn done(self, pretrained: &Pretrained, time: Duration) -> Result<Status> {
        drop(self.progress);
        let &Pretrained { ref path, ref teacher, skipped, not_listed, recomputed } = pretrained;
        if recomputed > 0 {
            output::note(format_args!("{recomputed} damaged samples of the cache were recomputed"));
        }
        if skipped > 0 {
            output::note(format_args!("{skipped} unreadable photos were skipped"));
        }
        if let Some(distillation) = teacher.distillation() {
            let (teacher, seconds) = (path.as_path(), time.as_secs_f64());
            self.events.send(&Line::Done { teacher, distillation, skipped, recomputed, seconds });
            if !self.events.json {
                output::print(format_args!(
                    "{}: {} teacher, {} steps, {} on photos held back, {}",
                    teacher.display(),
                    distillation.recipe.size,
                    distillation.recipe.steps,
                    distillation.r_squared,
                    HumanDuration(time),
                ))?;
            }
        }
        Ok(Status::from_failures(skipped + not_listed))
    }
}
