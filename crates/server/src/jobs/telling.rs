//! What a job tells, on its way to the board.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use efficientad_jobs::Event;
use serde_json::json;

use super::{Work, told};

/// How often it is told how far a part of the work has come.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Takes the events of a job.
pub(super) struct Telling<'a> {
    work: &'a Work<'a>,
    last: Option<(String, Instant)>,
}

impl<'a> Telling<'a> {
    pub(super) fn new(work: &'a Work<'a>) -> Self {
        Self { work, last: None }
    }

    /// Takes an event; breaks once somebody asked to stop.
    pub(super) fn take(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Taking { layout, taken } => self.work.change(|standing| {
                standing.taken = Some(json!({ "layout": layout, "taken": taken }));
            }),
            Event::Progress { stage, done, total } => {
                self.progress(&stage.to_string(), *done, *total)
            }
            Event::Step(report) => self.work.change(|standing| standing.point(report)),
            _ => {
                if let Some(remark) = remark(event) {
                    self.work.change(|standing| standing.remark(remark));
                }
            }
        }
        self.flow()
    }

    /// Tells how far a part of the work has come, now and then.
    pub(super) fn progress(&mut self, stage: &str, done: usize, total: usize) {
        let is_new = self.last.as_ref().is_none_or(|(last, _)| last != stage);
        let is_due = self.last.as_ref().is_none_or(|(_, time)| time.elapsed() >= PROGRESS_EVERY);
        if is_new || is_due || done == total {
            self.last = Some((stage.to_owned(), Instant::now()));
            self.work.change(|standing| {
                (standing.stage, standing.done, standing.total) =
                    (Some(stage.to_owned()), done, total);
            });
        }
    }

    /// Breaks once somebody asked to stop.
    pub(super) fn flow(&self) -> ControlFlow<()> {
        if self.work.job.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Work<'_> {
    pub(super) fn change(&self, change: impl FnOnce(&mut super::board::Standing)) {
        self.board.change(self.job, change);
    }
}

fn remark(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Skipped { reason, .. } => format!("skipped: {}", told(reason)),
        Event::NotListed(error) => format!("skipped: {}", told(error)),
        Event::NotJudged(failure) => format!("skipped: {}", told(&failure.reason)),
        Event::MaskNotUsed(failure) => {
            let reason = told(&failure.reason);
            format!("{}: counts for image metrics only: {reason}", failure.path.display())
        }
        Event::Depth(depth) => told(depth),
        Event::LeftOut(files) => format!("left out: {files}"),
        Event::AlreadyKnown { dataset, photos } => {
            format!("{}: {photos} photos are among the old ones, not new", dataset.display())
        }
        Event::OldMissing { datasets } => {
            format!("{datasets} data sets that the model was trained on do not take part")
        }
        Event::OtherArithmetic { calibrated, now } => format!(
            "the model was calibrated with {calibrated}, and now is with {now}: all scores are new"
        ),
        Event::ResumedOtherwise { begun, now } => format!(
            "it was begun with {begun}, and goes on with {now}: not to the same bits as without the \
             interruption"
        ),
        Event::ThresholdMoved { before, after } => {
            format!("the threshold moved far: from {before:.4} to {after:.4}")
        }
        Event::CheckpointFailed { reason, .. } => {
            format!("no checkpoint, but the training goes on: {}", told(reason))
        }
        Event::CheckpointLeft { path, reason } => {
            format!("{}: not removed ({reason})", path.display())
        }
        _ => return None,
    })
}
