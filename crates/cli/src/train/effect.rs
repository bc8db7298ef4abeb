//! What a continuation changed for the photos that were held back.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use efficientad::{Detector, ImageSource, InspectionEngine, Model, TrainingData};
use serde::Serialize;

/// Scores of photos held back, by the model before and after.
#[derive(Debug, Serialize)]
pub struct Effect {
    /// Photos of earlier trainings; none if they did not take part.
    old: Option<BeforeAfter>,
    /// New photos.
    new: BeforeAfter,
}

#[derive(Debug, Serialize)]
struct BeforeAfter {
    images: usize,
    before: Scores,
    after: Scores,
}

/// Scores of one model. Its scores have a scale of their own.
#[derive(Debug, Serialize)]
struct Scores {
    /// Number of photos that reach the threshold; none without a threshold.
    rejected: Option<usize>,
    threshold: Option<f32>,
    median: f32,
    highest: f32,
}

impl Effect {
    /// Judges all photos held back by both models; `done` is told how many judgements of how many
    /// are done.
    ///
    /// # Errors
    /// When a photo can't be read or judged.
    pub fn measure(
        before: &Model,
        after: &Model,
        engine: &Arc<dyn InspectionEngine>,
        data: &TrainingData,
        mut done: impl FnMut(usize, usize),
    ) -> Result<Self> {
        let images = data.validation.len();
        let mut count = 0;
        let mut judge = |model: &Model| -> Result<Judged> {
            let detector = Detector::new(model, Arc::clone(engine))?;
            let mut scores = Vec::with_capacity(images);
            for index in 0..images {
                scores.push(score(&detector, &*data.validation, index)?);
                count += 1;
                done(count, 2 * images);
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
    fn summary(&self, kind: Range<usize>) -> Scores {
        let mut scores = self.scores[kind].to_vec();
        scores.sort_unstable_by(f32::total_cmp);
        let reaching = |threshold| scores.iter().filter(|&&score| score >= threshold).count();
        Scores {
            rejected: self.threshold.map(reaching),
            threshold: self.threshold,
            median: scores[scores.len() / 2],
            highest: scores[scores.len() - 1],
        }
    }
}

fn score(detector: &Detector, images: &dyn ImageSource, index: usize) -> Result<f32> {
    let image = images.load(index).map_err(anyhow::Error::from_boxed)?;
    Ok(detector.inspect(&image).with_context(|| images.name(index))?.score)
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

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rejected, threshold, median, highest } = self;
        if let Some((rejected, threshold)) = rejected.zip(*threshold) {
            write!(f, "{rejected} rejected at {threshold:.4}, ")?;
        }
        write!(f, "scores up to {highest:.4}, median {median:.4}")
    }
}
