//! The steps of a training or pretraining, with reports and checkpoints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::JobError;
use crate::event::{Event, Notifier, Stage};
use crate::interval::{CheckpointSchedule, Interval};
use crate::meter::{Means, StepMeter};

/// Work in steps that can go on from a checkpoint.
pub(crate) trait Steps {
    /// The mean losses of several steps.
    type Means: Means;

    /// Steps done.
    fn steps_done(&self) -> u64;

    /// Steps of the whole work.
    fn steps(&self) -> u64;

    /// Does one step; the losses that became known, in the order of their steps.
    fn step(&mut self) -> Result<Vec<<Self::Means as Means>::Losses>, efficientad::Error>;

    /// Waits until it is known that all steps done are sound; their losses are told by the next step.
    fn settle(&mut self) -> Result<(), efficientad::Error>;

    /// Writes all that going on needs.
    fn save_checkpoint(&mut self, path: &Path) -> Result<(), efficientad::Error>;

    /// Looks at what the step just done left, and tells of it.
    fn after_step(&mut self, notify: &mut Notifier<'_, '_, Self::Means>) -> Result<(), JobError>;
}

/// How often to report, and where and how often to write checkpoints.
pub(crate) struct Rhythm<'a> {
    pub checkpoint: &'a Path,
    pub checkpoint_every: Interval,
    pub report_every: Duration,
}

/// A job that was stopped, to be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole job; `None` if it was stopped before they were known.
    pub steps: Option<u64>,
    /// The checkpoint to go on from; `None` if no step was begun yet.
    pub checkpoint: Option<PathBuf>,
}

/// How the steps ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All are done. So many are in the last checkpoint that could be written.
    AllDone { saved: u64 },
    /// The observer stopped them.
    Stopped(Stopped),
}

/// Steps under way.
pub(crate) struct StepLoop<'a, S: Steps> {
    work: &'a mut S,
    checkpoint: &'a Path,
    schedule: CheckpointSchedule,
    meter: StepMeter<S::Means>,
    /// Steps whose losses are known.
    known: u64,
    /// Steps done when this run began; there is a checkpoint from then or before.
    begun_at: u64,
    /// Steps done in the checkpoint that this run wrote.
    saved: Option<u64>,
}

impl<'a, S: Steps> StepLoop<'a, S> {
    pub(crate) fn new(work: &'a mut S, rhythm: &Rhythm<'a>) -> Self {
        let (step, steps) = (work.steps_done(), work.steps());
        Self {
            work,
            checkpoint: rhythm.checkpoint,
            schedule: CheckpointSchedule::new(rhythm.checkpoint_every, step),
            meter: StepMeter::new(step, steps, rhythm.report_every),
            known: step,
            begun_at: step,
            saved: None,
        }
    }

    /// Does all steps that are left, unless it is stopped.
    ///
    /// # Errors
    /// [`JobError::Step`]: a step failed, or the observer stopped and the checkpoint can't be
    /// written.
    pub(crate) fn run(
        mut self,
        notify: &mut Notifier<'_, '_, S::Means>,
    ) -> Result<Ended, JobError> {
        let ended = self.run_steps(notify);
        ended.map_err(|error| error.in_step(self.checkpoint))
    }

    fn run_steps(&mut self, notify: &mut Notifier<'_, '_, S::Means>) -> Result<Ended, JobError> {
        let (step, steps) = (self.work.steps_done(), self.work.steps());
        let mut flow = notify.send(Event::Begun { step, steps });
        while self.work.steps_done() < steps {
            if flow.is_break() {
                return self.stop(notify);
            }
            self.step(notify)?;
            let done = self.work.steps_done();
            flow = notify.progress(Stage::Steps, done as usize, steps as usize);
        }
        if self.saved != Some(steps) {
            self.try_checkpoint(notify)?;
        }
        if notify.send(Event::StepsDone { steps }).is_break() {
            return self.stop(notify);
        }
        Ok(Ended::AllDone { saved: self.saved.unwrap_or(self.begun_at) })
    }

    fn step(&mut self, notify: &mut Notifier<'_, '_, S::Means>) -> Result<(), JobError> {
        let losses = self.work.step()?;
        self.known += losses.len() as u64;
        if let Some(report) = self.meter.add(self.known, &losses) {
            // A break is remembered and asked for after the step.
            let _ = notify.send(Event::Step(&report));
        }
        let step = self.work.steps_done();
        if self.schedule.is_due(step) {
            self.try_checkpoint(notify)?;
            self.schedule.restart(step);
        }
        self.work.after_step(notify)
    }

    /// Writes a checkpoint; if that fails the work is still worth going on with.
    fn try_checkpoint(&mut self, notify: &mut Notifier<'_, '_, S::Means>) -> Result<(), JobError> {
        self.work.settle()?;
        let step = self.work.steps_done();
        let _ = match self.work.save_checkpoint(self.checkpoint) {
            Ok(()) => {
                self.saved = Some(step);
                notify.send(Event::CheckpointSaved { step, path: self.checkpoint })
            }
            Err(reason) => notify.send(Event::CheckpointFailed { step, reason: &reason }),
        };
        Ok(())
    }

    /// Makes sure that nothing is lost.
    fn stop(&mut self, notify: &mut Notifier<'_, '_, S::Means>) -> Result<Ended, JobError> {
        let step = self.work.steps_done();
        if self.saved != Some(step) {
            self.work.save_checkpoint(self.checkpoint)?;
            let _ = notify.send(Event::CheckpointSaved { step, path: self.checkpoint });
        }
        Ok(Ended::Stopped(Stopped {
            step,
            steps: Some(self.work.steps()),
            checkpoint: Some(self.checkpoint.to_owned()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::MeanLoss;
    use std::cell::RefCell;
    use std::ops::ControlFlow;

    /// Counts to five.
    struct Counting {
        done: u64,
        saved: RefCell<Vec<u64>>,
        disk_is_full: bool,
        /// The step whose losses, which are known late, are no numbers.
        diverged_at: Option<u64>,
    }

    impl Counting {
        fn from(done: u64) -> Self {
            Self { done, saved: RefCell::default(), disk_is_full: false, diverged_at: None }
        }
    }

    impl Steps for Counting {
        type Means = MeanLoss;

        fn steps_done(&self) -> u64 {
            self.done
        }

        fn steps(&self) -> u64 {
            5
        }

        fn step(&mut self) -> Result<Vec<f64>, efficientad::Error> {
            self.done += 1;
            Ok(vec![self.done as f64])
        }

        fn settle(&mut self) -> Result<(), efficientad::Error> {
            match self.diverged_at {
                Some(step) if step <= self.done => Err(efficientad::Error::NotFinite),
                _ => Ok(()),
            }
        }

        fn save_checkpoint(&mut self, _: &Path) -> Result<(), efficientad::Error> {
            if self.disk_is_full {
                return Err(efficientad::Error::NotFinite);
            }
            self.saved.borrow_mut().push(self.done);
            Ok(())
        }

        fn after_step(&mut self, _: &mut Notifier<'_, '_, MeanLoss>) -> Result<(), JobError> {
            Ok(())
        }
    }

    /// Runs the steps; `stop` tells whether an event, as text, stops them. Also what was told.
    fn run(work: &mut Counting, stop: impl Fn(&str) -> bool) -> (Result<Ended, JobError>, String) {
        let mut told = String::new();
        let mut observe = |event: Event<'_, MeanLoss>| {
            let text = match event {
                Event::Begun { step, .. } => format!("begun {step}"),
                Event::Step(report) => format!("step {} {}", report.step, report.losses),
                Event::CheckpointSaved { step, .. } => format!("saved {step}"),
                Event::CheckpointFailed { step, .. } => format!("failed {step}"),
                Event::StepsDone { .. } => "all done".to_owned(),
                Event::Progress { done, .. } => format!("{done}"),
                other => format!("{other:?}"),
            };
            told += &format!("{text}; ");
            if stop(&text) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let rhythm = Rhythm {
            checkpoint: Path::new("c"),
            checkpoint_every: Interval::Steps(2),
            report_every: Duration::from_secs(3600),
        };
        let ended = StepLoop::new(work, &rhythm).run(&mut Notifier::new(&mut observe));
        (ended, told)
    }

    fn stopped(step: u64) -> Ended {
        Ended::Stopped(Stopped { step, steps: Some(5), checkpoint: Some("c".into()) })
    }

    #[test]
    fn all_steps_are_told_and_the_last_is_saved_once() {
        let mut work = Counting::from(1);
        let (ended, told) = run(&mut work, |_| false);
        assert_eq!(ended.unwrap(), Ended::AllDone { saved: 5 });
        assert_eq!(
            told,
            "begun 1; step 2 2.0000; 2; saved 3; 3; 4; step 5 4.0000; saved 5; 5; all done; "
        );
        assert_eq!(work.saved.into_inner(), [3, 5]);
    }

    #[test]
    fn a_break_at_any_event_keeps_what_is_done() {
        for (event, step, saved) in [
            ("begun 0", 0, vec![0]),
            ("step 1 1.0000", 1, vec![1]),
            ("1", 1, vec![1]),
            ("saved 2", 2, vec![2]),
            ("3", 3, vec![2, 3]),
            ("5", 5, vec![2, 4, 5]),
            ("all done", 5, vec![2, 4, 5]),
        ] {
            let mut work = Counting::from(0);
            let (ended, told) = run(&mut work, |text| text == event);
            assert_eq!(ended.unwrap(), stopped(step), "{told}");
            assert_eq!(work.saved.into_inner(), saved, "{told}");
        }
    }

    #[test]
    fn a_full_disk_stops_no_training_but_is_told_to_who_stops_it() {
        let mut work = Counting { disk_is_full: true, ..Counting::from(0) };
        let (ended, told) = run(&mut work, |_| false);
        assert_eq!(ended.unwrap(), Ended::AllDone { saved: 0 });
        assert!(
            told.contains("failed 2; 2; 3; failed 4; 4; step 5 3.5000; 5; failed 5; all done"),
            "{told}"
        );
        let mut work = Counting { disk_is_full: true, ..Counting::from(0) };
        let (ended, _) = run(&mut work, |text| text == "3");
        assert!(matches!(ended, Err(JobError::Step { .. })));
    }

    #[test]
    fn a_training_that_diverged_leaves_no_checkpoint_and_ends() {
        let mut work = Counting { diverged_at: Some(3), ..Counting::from(0) };
        let (ended, told) = run(&mut work, |_| false);
        assert!(matches!(ended, Err(JobError::Step { .. })), "{told}");
        assert_eq!(work.saved.into_inner(), [2], "{told}");
    }
}
