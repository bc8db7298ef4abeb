//! What a job tells whoever called it, and how that one stops it.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use efficientad::{DataDescription, EngineId, Error, RSquared};
use efficientad_datasets::{Dataset, DatasetError, Layout, LeftOut, Purpose, Taken, TakenAs};
use efficientad_evaluation::{DepthRemark, Failure};
use efficientad_images::{ImageError, MaskKind};
use efficientad_pretraining::Activity;

use crate::error::JobError;
use crate::meter::{MeanLosses, StepReport};

/// Is told what happens in a job; breaking ends the job as soon as what is done can be kept.
pub type Observer<'a, L = MeanLosses> = dyn FnMut(Event<'_, L>) -> ControlFlow<()> + 'a;

/// What happens in a job. `L` are the mean losses of its steps.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, L = MeanLosses> {
    /// What the job takes of the folders that it was given. Nothing is decoded yet: who only wants to
    /// know breaks here.
    Taking {
        /// Which layout was recognised; `None` where photos are listed one by one.
        layout: Option<Layout>,
        /// What is taken, from which folder.
        taken: &'a [Taken],
    },
    /// The threshold of a model is far from the one before.
    ThresholdMoved {
        /// The one before.
        before: f32,
        /// The new one.
        after: f32,
    },
    /// A part of the work has come so far. Sent often: after every image, sample or step.
    Progress {
        /// The part.
        stage: Stage,
        /// What is done of it.
        done: usize,
        /// All of it.
        total: usize,
    },
    /// A photo can't be read, and the job goes on without it.
    Skipped {
        /// Its file.
        path: &'a Path,
        /// Why; the text names the file.
        reason: &'a ImageError,
    },
    /// A model was calibrated with another arithmetic than computes the scores that replace those.
    OtherArithmetic {
        /// The arithmetic of the model's scores.
        calibrated: &'a EngineId,
        /// The arithmetic of the new ones.
        now: &'a EngineId,
    },
    /// Steps go on with another arithmetic than they began with: not to the same bits as if they had
    /// never been interrupted.
    ResumedOtherwise {
        /// The arithmetic of the steps so far.
        begun: &'a EngineId,
        /// That of the steps from now on.
        now: &'a EngineId,
    },
    /// A folder of photos can't be listed, and the job goes on without it.
    NotListed(&'a DatasetError),
    /// An image could not be judged, and the job goes on without it.
    NotJudged(&'a Failure),
    /// The mask of a test image could not be used: the image counts for image metrics only.
    MaskNotUsed(&'a Failure),
    /// The first mask whose defects were told by this look.
    MaskKind {
        /// The look.
        kind: MaskKind,
        /// The mask's image, below the data set's root.
        image: &'a Path,
    },
    /// Something to be said of the depth of the photos.
    Depth(DepthRemark),
    /// Files of the folders are not taken for photos; sent once, before work begins.
    LeftOut(&'a LeftOut),
    /// Photos are left out of a pretraining as a side has fewer than
    /// [`MIN_PHOTO_SIDE`](efficientad_pretraining::MIN_PHOTO_SIDE) pixels.
    TooSmall {
        /// How many.
        photos: usize,
    },
    /// Photos of a folder are not new: they are among those of earlier trainings.
    AlreadyKnown {
        /// The folder.
        dataset: &'a Path,
        /// How many.
        photos: usize,
    },
    /// A model is continued, but data sets that it was trained on do not take part.
    OldMissing {
        /// How many.
        datasets: usize,
    },
    /// The images of a training are read and split.
    DataOpened(&'a DataDescription),
    /// The photos of a pretraining are read; its cache is filled next. From now on stopping keeps
    /// what is done.
    PhotosOpened,
    /// The samples of a pretraining are in the cache, and its training begins.
    SamplesReady {
        /// Samples to learn from.
        samples: usize,
        /// Samples of a step.
        batch: usize,
        /// Steps done.
        step: u64,
        /// Steps of the whole training.
        steps: u64,
        /// The cache's folder.
        cache: &'a Path,
    },
    /// There is a checkpoint, and steps begin. From now on stopping keeps what is done.
    Begun {
        /// Steps done.
        step: u64,
        /// Steps of the whole training.
        steps: u64,
    },
    /// How the training stands: after the first step of this run, after the last, and at intervals.
    Step(&'a StepReport<L>),
    /// A teacher that is being pretrained was measured on photos held back.
    Validated {
        /// Steps done.
        step: u64,
        /// The share of the targets' variance that it explains.
        r_squared: &'a RSquared,
    },
    /// A checkpoint was written.
    CheckpointSaved {
        /// Steps done in it.
        step: u64,
        /// Its file.
        path: &'a Path,
    },
    /// A checkpoint could not be written. The job goes on: it will be tried again.
    CheckpointFailed {
        /// Steps done.
        step: u64,
        /// Why.
        reason: &'a Error,
    },
    /// All steps are done; the result is calibrated or measured, and saved.
    StepsDone {
        /// How many.
        steps: u64,
    },
    /// The result is saved, but the checkpoint could not be removed.
    CheckpointLeft {
        /// Its file.
        path: &'a Path,
        /// Why.
        reason: &'a io::Error,
    },
}

/// A part of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Images are decoded once, to find those that can't be read.
    Images,
    /// Photos and targets of a pretraining.
    Targets(Activity),
    /// The training's steps.
    Steps,
    /// What is done before and after the steps.
    Method(efficientad::Stage),
    /// Photos held back are judged by the model that was continued, and by what came of it.
    Effect,
    /// Photos are judged to calibrate a model that is finished.
    Scores,
    /// Test images are judged.
    Judging,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Images => f.write_str("reading images"),
            Self::Targets(activity) => activity.fmt(f),
            Self::Steps => f.write_str("training"),
            Self::Method(stage) => stage.fmt(f),
            Self::Effect => f.write_str("before and after"),
            Self::Scores => f.write_str("calibration"),
            Self::Judging => f.write_str("judging"),
        }
    }
}

/// An observer, and whether it wants the job to end.
pub(crate) struct Notifier<'o, 'f, L> {
    observe: &'o mut Observer<'f, L>,
    stopping: bool,
}

impl<'o, 'f, L> Notifier<'o, 'f, L> {
    pub(crate) fn new(observe: &'o mut Observer<'f, L>) -> Self {
        Self { observe, stopping: false }
    }

    /// Tells what happened, and remembers a break.
    pub(crate) fn send(&mut self, event: Event<'_, L>) -> ControlFlow<()> {
        self.stopping |= (self.observe)(event).is_break();
        if self.stopping { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Tells what happened where there is nothing to keep yet.
    ///
    /// # Errors
    /// [`JobError::Cancelled`] if the job is to end.
    pub(crate) fn tell(&mut self, event: Event<'_, L>) -> Result<(), JobError> {
        if self.send(event).is_break() { Err(JobError::Cancelled) } else { Ok(()) }
    }

    /// Tells what is taken of a data set, and what is not.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub(crate) fn tell_taking(
        &mut self,
        dataset: &Dataset,
        purpose: Purpose,
    ) -> Result<(), JobError> {
        self.tell_left_out(&dataset.left_out)?;
        let mut taken = dataset.taken();
        if purpose == Purpose::Evaluation {
            taken.retain(|it| !matches!(it.taken_as, TakenAs::Training | TakenAs::Validation));
        }
        if taken.is_empty() {
            return Ok(());
        }
        self.tell(Event::Taking { layout: Some(dataset.layout), taken: &taken })
    }

    /// Tells which files are not taken for photos, if there are any.
    ///
    /// # Errors
    /// As [`tell`](Self::tell).
    pub(crate) fn tell_left_out(&mut self, files: &LeftOut) -> Result<(), JobError> {
        if files.is_empty() { Ok(()) } else { self.tell(Event::LeftOut(files)) }
    }

    /// Tells how far a stage has come.
    pub(crate) fn progress(&mut self, stage: Stage, done: usize, total: usize) -> ControlFlow<()> {
        self.send(Event::Progress { stage, done, total })
    }

    /// As the method tells it.
    pub(crate) fn method(&mut self, at: efficientad::Progress) -> ControlFlow<()> {
        self.progress(Stage::Method(at.stage), at.done, at.total)
    }

    /// Tells if steps go on with another arithmetic than they began with, as far as that is known.
    pub(crate) fn resumed(&mut self, begun: Option<&EngineId>, now: &EngineId) {
        if let Some(begun) = begun.filter(|&begun| begun != now) {
            let _ = self.send(Event::ResumedOtherwise { begun, now });
        }
    }

    /// Whether the observer wants the job to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad::Precision;

    #[test]
    fn steps_that_go_on_otherwise_are_told_and_no_others() {
        let id = |precision| EngineId { name: "e".to_owned(), device: "d".to_owned(), precision };
        let (single, half) = (id(Precision::F32), id(Precision::F16));
        let mut told = Vec::new();
        let mut observe = |event: Event<'_>| {
            told.push(format!("{event:?}"));
            ControlFlow::Continue(())
        };
        let mut notify = Notifier::new(&mut observe);
        notify.resumed(None, &single);
        notify.resumed(Some(&single), &single);
        notify.resumed(Some(&single), &half);
        let expected: Event<'_> = Event::ResumedOtherwise { begun: &single, now: &half };
        assert_eq!(told, [format!("{expected:?}")]);
    }
}
