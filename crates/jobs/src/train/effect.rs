//! What a continuation changed for the photos that were held back.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use efficientad::{Detector, ImageSource, InspectionEngine, Model, TrainingData};
use serde::Serialize;

use crate::error::JobError;

/// Scores of photos held back, by the model before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Photos of earlier trainings; `None` if they did not take part.
    pub old: Option<BeforeAfter>,
    /// New photos.
    pub new: BeforeAfter,
}

/// Scores of the same photos by two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BeforeAfter {
    /// Number of photos.
    pub images: usize,
    /// By the model that was continued.
    pub before: ScoreSummary,
    /// By what came of it.
    pub after: ScoreSummary,
}

/// Scores of one model. Its scores have a scale of their own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreSummary {
    /// Number of photos that reach the threshold; `None` without a threshold.
    pub rejected: Option<usize>,
    /// The model's threshold.
    pub threshold: Option<f32>,
    /// The scores' median.
    pub median: f32,
    /// The highest score.
    pub highest: f32,
}

impl Effect {
    /// Judges all photos held back by both models; `progress` is told how many judgements of how
    /// many are done, and may end them.
    ///
    /// # Errors
    /// When a photo can't be read or judged, or `progress` breaks.
    pub(super) fn measure(
        before: &Model,
        after: &Model,
        engine: &Arc<dyn InspectionEngine>,
        data: &TrainingData,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, JobError> {
        let images = data.validation.len();
        let mut done = 0;
        let mut judge = |model: &Model| -> Result<Judged, JobError> {
            let detector = Detector::new(model, Arc::clone(engine))?;
            let mut scores = Vec::with_capacity(images);
            for index in 0..images {
                scores.push(score(&detector, &*data.validation, index)?);
                done += 1;
                if progress(done, 2 * images).is_break() {
                    return Err(JobError::Cancelled);
                }
            }
            Ok(Judged { scores, threshold: detector.threshold() })
        };
        let (before, after) = (judge(before)?, judge(after)?);
        let of_kind = |kind: Range<usize>| BeforeAfter {
            images: kind.len(),
            before: before.summary(kind.clone()),
            after: after.summary(kind),
        };
        let old = data.old.as_ref().map(|old| old.validation_images);
        Ok(Self { old: old.map(|old| of_kind(0..old)), new: of_kind(old.unwrap_or(0)..images) })
    }
}

struct Judged {
    scores: Vec<f32>,
    threshold: Option<f32>,
}

impl Judged {
    fn summary(&self, kind: Range<usize>) -> ScoreSummary {
        let mut scores = self.scores[kind].to_vec();
        scores.sort_unstable_by(f32::total_cmp);
        let reaching = |threshold| scores.iter().filter(|&&score| score >= threshold).count();
        ScoreSummary {
            rejected: self.threshold.map(reaching),
            threshold: self.threshold,
            median: scores[scores.len() / 2],
            highest: scores[scores.len() - 1],
        }
    }
}

fn score(detector: &Detector, images: &dyn ImageSource, index: usize) -> Result<f32, JobError> {
    let image = images.load(index).map_err(JobError::Image)?;
    let inspection = detector.inspect(&image);
    let inspection =
        inspection.map_err(|source| JobError::Judging { name: images.name(index), source })?;
    Ok(inspection.score)
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(old) = &self.old {
            writeln!(f, "old photos held back: {old}")?;
        }
        write!(f, "new photos held back: {}", self.new)
    }
}

impl fmt::Display for BeforeAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, before, after } = self;
        write!(f, "{images}; before {before}; now {after}")
    }
}

impl fmt::Display for ScoreSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rejected, threshold, median, highest } = self;
        if let Some((rejected, threshold)) = rejected.zip(*threshold) {
            write!(f, "{rejected} rejected at {threshold:.4}, ")?;
        }
        write!(f, "scores up to {highest:.4}, median {median:.4}")
    }
}
