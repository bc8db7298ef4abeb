//! Mean losses, speed and remaining time between two reports.

use std::fmt;
use std::time::{Duration, Instant};

use efficientad::Losses;
use serde::Serialize;

/// Where a training stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport<L = MeanLosses> {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// The losses, averaged since the last report.
    pub losses: L,
    /// Steps a second since this run of the job began.
    pub steps_per_second: f64,
    /// Remaining time in seconds, at that rate.
    pub seconds_left: f64,
}

/// The mean losses of a model's training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MeanLosses {
    /// Their sum.
    pub total: f64,
    /// The student's on the hardest of the teacher's features.
    pub hard: f64,
    /// The student's on natural photos; `None` without them.
    pub penalty: Option<f64>,
    /// The autoencoder's on the teacher's features.
    pub autoencoder: f64,
    /// The student's on the autoencoder's features.
    pub student_autoencoder: f64,
}

impl fmt::Display for MeanLosses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hard {:.4}", self.hard)?;
        if let Some(penalty) = self.penalty {
            write!(f, ", penalty {penalty:.4}")?;
        }
        let Self { autoencoder, student_autoencoder, .. } = self;
        write!(f, ", autoencoder {autoencoder:.4}, student–autoencoder {student_autoencoder:.4}")
    }
}

/// The mean loss of a pretraining: the mean squared difference from the targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct MeanLoss(pub f64);

impl fmt::Display for MeanLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.0)
    }
}

/// Losses of several steps.
pub(crate) trait Means: Default {
    /// The losses of one step.
    type Losses;

    /// Adds those of a step.
    fn add(&mut self, losses: &Self::Losses);

    /// The mean, when what was added is the sum over `steps`.
    fn over(self, steps: f64) -> Self;
}

impl Means for MeanLosses {
    type Losses = Losses;

    fn add(&mut self, losses: &Losses) {
        self.total += f64::from(losses.total());
        self.hard += f64::from(losses.hard);
        if let Some(penalty) = losses.penalty {
            *self.penalty.get_or_insert_default() += f64::from(penalty);
        }
        self.autoencoder += f64::from(losses.autoencoder);
        self.student_autoencoder += f64::from(losses.student_autoencoder);
    }

    fn over(self, steps: f64) -> Self {
        Self {
            total: self.total / steps,
            hard: self.hard / steps,
            penalty: self.penalty.map(|penalty| penalty / steps),
            autoencoder: self.autoencoder / steps,
            student_autoencoder: self.student_autoencoder / steps,
        }
    }
}

impl Means for MeanLoss {
    type Losses = f64;

    fn add(&mut self, loss: &f64) {
        self.0 += loss;
    }

    fn over(self, steps: f64) -> Self {
        Self(self.0 / steps)
    }
}

/// Collects the losses between two reports.
#[derive(Debug)]
pub(crate) struct StepMeter<L> {
    steps: u64,
    interval: Duration,
    started: Instant,
    first_step: u64,
    reported: Instant,
    sum: L,
    collected: u64,
    has_reported: bool,
}

impl<L: Means> StepMeter<L> {
    /// Starts at `step` of `steps`, now, to report at every `interval`.
    pub(crate) fn new(step: u64, steps: u64, interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            steps,
            interval,
            started: now,
            first_step: step,
            reported: now,
            sum: L::default(),
            collected: 0,
            has_reported: false,
        }
    }

    /// Adds the losses that became known, up to those of `step`; a report of the first ones, of the
    /// last, and whenever the interval has passed.
    pub(crate) fn add(&mut self, step: u64, losses: &[L::Losses]) -> Option<StepReport<L>> {
        if losses.is_empty() {
            return None;
        }
        losses.iter().for_each(|losses| self.sum.add(losses));
        self.collected += losses.len() as u64;
        let due = self.reported.elapsed() >= self.interval;
        (due || !self.has_reported || step == self.steps).then(|| self.report(step))
    }

    fn report(&mut self, step: u64) -> StepReport<L> {
        let rate = (step - self.first_step) as f64 / self.started.elapsed().as_secs_f64();
        let n = self.collected as f64;
        let sum = std::mem::take(&mut self.sum);
        self.collected = 0;
        self.has_reported = true;
        self.reported = Instant::now();
        StepReport {
            step,
            steps: self.steps,
            losses: sum.over(n),
            steps_per_second: rate,
            seconds_left: (self.steps - step) as f64 / rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(hard: f32, penalty: Option<f32>) -> Losses {
        Losses { hard, penalty, autoencoder: 2.0, student_autoencoder: 3.0 }
    }

    #[test]
    fn losses_are_averaged_between_reports() {
        let mut meter = StepMeter::<MeanLosses>::new(5, 8, Duration::from_secs(3600));
        assert!(meter.add(6, &[losses(1.0, Some(0.5))]).is_some(), "the first step");
        assert_eq!(meter.add(7, &[losses(2.0, Some(0.0))]), None);
        let report = meter.add(8, &[losses(4.0, Some(1.0))]).expect("the last step");
        let expected = MeanLosses {
            total: 8.5,
            hard: 3.0,
            penalty: Some(0.5),
            autoencoder: 2.0,
            student_autoencoder: 3.0,
        };
        assert_eq!((report.losses, report.step, report.seconds_left), (expected, 8, 0.0));
    }

    #[test]
    fn losses_that_become_known_at_once_are_one_report() {
        let mut meter = StepMeter::<MeanLosses>::new(0, 9, Duration::from_secs(3600));
        assert_eq!(meter.add(0, &[]), None);
        let all: Vec<Losses> = (0..8).map(|i| losses(i as f32, None)).collect();
        let report = meter.add(8, &all).expect("the first ones");
        assert_eq!((report.step, report.losses.hard), (8, 3.5));
        assert_eq!(meter.add(8, &[]), None);
    }

    #[test]
    fn a_training_without_penalty_shows_none() {
        let mut meter = StepMeter::<MeanLosses>::new(0, 1, Duration::ZERO);
        let report = meter.add(1, &[losses(1.0, None)]).unwrap();
        let losses = report.losses.to_string();
        assert_eq!(losses, "hard 1.0000, autoencoder 2.0000, student–autoencoder 3.0000");
    }
}
