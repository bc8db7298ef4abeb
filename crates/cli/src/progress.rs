//! Progress on the error output: a bar on a terminal, now and then a line elsewhere.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use efficientad_jobs::StepReport;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_for_people() {
        assert_eq!(human(0.0), "0 seconds left");
        assert_eq!(human(f64::INFINITY), "0 seconds left");
    }
}
