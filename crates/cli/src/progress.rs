//! Progress on the error output: a bar on a terminal, now and then a line elsewhere.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use efficientad::Losses;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::output::note;

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(20);
/// Time between two updates of the losses beside the bar.
const BAR_INTERVAL: Duration = Duration::from_millis(500);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A bar that is drawn over.
    Bar,
    /// A line every now and then.
    Lines,
    /// Not at all.
    Silent,
}

impl Style {
    /// A bar on terminals; elsewhere lines, unless the output is for machines.
    pub fn choose(quiet: bool, for_machines: bool) -> Self {
        if quiet {
            Self::Silent
        } else if io::stderr().is_terminal() {
            Self::Bar
        } else if for_machines {
            Self::Silent
        } else {
            Self::Lines
        }
    }
}

/// Shows how far a stage of the work is; one stage follows the other.
pub struct Progress {
    style: Style,
    stage: String,
    entered: Instant,
    /// What was done already when the stage was entered.
    entered_at: usize,
    bar: ProgressBar,
    shown: Instant,
}

impl Progress {
    /// Nothing is shown before the first stage.
    pub fn new(style: Style) -> Self {
        let now = Instant::now();
        let bar = ProgressBar::hidden();
        Self { style, stage: String::new(), entered: now, entered_at: 0, bar, shown: now }
    }

    /// Shows that `done` of `total` are done in a stage.
    pub fn count(&mut self, stage: impl Display, done: usize, total: usize) {
        let template = "{prefix} {bar:30} {pos}/{len} {msg}";
        if self.enter(stage.to_string(), total as u64, template) {
            self.entered_at = done;
        }
        self.bar.set_position(done as u64);
        let left = self.seconds_left(done, total).map(human).unwrap_or_default();
        if self.style == Style::Lines && self.is_time(LINE_INTERVAL) {
            note(format_args!("{}: {done}/{total} {left}", self.stage));
        }
        self.bar.set_message(left);
        if done == total {
            self.bar.finish_and_clear();
        }
    }

    /// Remaining seconds of the stage that [`count`](Self::count) shows, at its mean rate.
    pub fn seconds_left(&self, done: usize, total: usize) -> Option<f64> {
        let counted = done.checked_sub(self.entered_at).filter(|&counted| counted > 0)?;
        Some(self.entered.elapsed().as_secs_f64() / counted as f64 * (total - done) as f64)
    }

    /// Shows a training step, made at a given rate.
    pub fn step<M: Display>(&mut self, report: &StepReport<M>, rate: &str) {
        self.enter("training".to_owned(), report.steps, "{prefix} {bar:30} {pos}/{len}  {msg}");
        let StepReport { step, steps, losses, .. } = report;
        let pace = format!("{rate}, {}", human(report.seconds_left));
        self.bar.set_position(*step);
        self.bar.set_message(format!("{pace}\nlosses: {losses}"));
        if self.style == Style::Lines {
            note(format_args!("step {step}/{steps}, {pace}, losses: {losses}"));
        }
    }

    /// How often [`step`](Self::step) should be called.
    pub fn step_interval(&self) -> Duration {
        if self.style == Style::Bar { BAR_INTERVAL } else { LINE_INTERVAL }
    }

    /// Prints a line on the error output, above the bar.
    pub fn note(&self, line: impl Display) {
        self.bar.suspend(|| note(line));
    }

    /// Begins a stage; whether it is another one than before.
    fn enter(&mut self, stage: String, total: u64, template: &str) -> bool {
        if self.stage == stage {
            return false;
        }
        self.bar.finish_and_clear();
        if self.style == Style::Bar {
            self.bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(template);
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_prefix(stage.clone());
        }
        self.shown = Instant::now();
        self.entered = self.shown;
        self.stage = stage;
        true
    }

    fn is_time(&mut self, interval: Duration) -> bool {
        let is_time = self.shown.elapsed() >= interval;
        if is_time {
            self.shown = Instant::now();
        }
        is_time
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A remaining time for people.
fn human(seconds_left: f64) -> String {
    let left = Duration::try_from_secs_f64(seconds_left).unwrap_or_default();
    format!("{} left", HumanDuration(left))
}

/// Where the training stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport<M> {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// The losses, averaged since the last report.
    pub losses: M,
    /// Steps a second since the program started.
    pub steps_per_second: f64,
    /// Remaining time at that rate.
    pub seconds_left: f64,
}

/// Averaged losses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MeanLosses {
    /// Their sum.
    pub total: f64,
    /// The student's on the hardest of the teacher's features.
    pub hard: f64,
    /// The student's on natural photos; none without them.
    pub penalty: Option<f64>,
    /// The autoencoder's on the teacher's features.
    pub autoencoder: f64,
    /// The student's on the autoencoder's features.
    pub student_autoencoder: f64,
}

/// Losses of several steps.
pub trait Means: Default {
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

impl Display for MeanLosses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hard {:.4}", self.hard)?;
        if let Some(penalty) = self.penalty {
            write!(f, ", penalty {penalty:.4}")?;
        }
        let Self { autoencoder, student_autoencoder, .. } = self;
        write!(f, ", autoencoder {autoencoder:.4}, student–autoencoder {student_autoencoder:.4}")
    }
}

/// Collects the losses between two reports.
#[derive(Debug)]
pub struct StepMeter<M> {
    steps: u64,
    started: Instant,
    first_step: u64,
    reported: Instant,
    sum: M,
    collected: u64,
}

impl<M: Means> StepMeter<M> {
    /// Starts at `step` of `steps`, now.
    pub fn new(step: u64, steps: u64) -> Self {
        let now = Instant::now();
        let sum = M::default();
        Self { steps, started: now, first_step: step, reported: now, sum, collected: 0 }
    }

    /// Adds the losses of `step`; a report after the first step, after the last, and whenever
    /// `interval` has passed.
    pub fn add(
        &mut self,
        step: u64,
        losses: &M::Losses,
        interval: Duration,
    ) -> Option<StepReport<M>> {
        self.sum.add(losses);
        self.collected += 1;
        let due = self.reported.elapsed() >= interval;
        let first_or_last = step == self.first_step + 1 || step == self.steps;
        (due || first_or_last).then(|| self.report(step))
    }

    fn report(&mut self, step: u64) -> StepReport<M> {
        let rate = (step - self.first_step) as f64 / self.started.elapsed().as_secs_f64();
        let n = self.collected as f64;
        let sum = std::mem::take(&mut self.sum);
        self.collected = 0;
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
        let mut meter = StepMeter::<MeanLosses>::new(5, 8);
        let hour = Duration::from_secs(3600);
        assert!(meter.add(6, &losses(1.0, Some(0.5)), hour).is_some(), "the first step");
        assert_eq!(meter.add(7, &losses(2.0, Some(0.0)), hour), None);
        let report = meter.add(8, &losses(4.0, Some(1.0)), hour).expect("the last step");
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
    fn a_training_without_penalty_shows_none() {
        let mut meter = StepMeter::<MeanLosses>::new(0, 1);
        let report = meter.add(1, &losses(1.0, None), Duration::ZERO).unwrap();
        let losses = report.losses.to_string();
        assert_eq!(losses, "hard 1.0000, autoencoder 2.0000, student–autoencoder 3.0000");
        assert_eq!(human(report.seconds_left), "0 seconds left");
    }
}
