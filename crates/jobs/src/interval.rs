//! When the next checkpoint is due.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// How often to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Whenever this much time has passed.
    Time(Duration),
    /// Whenever so many steps are done.
    Steps(u64),
}

impl Default for Interval {
    /// A minute.
    fn default() -> Self {
        Self::Time(Duration::from_secs(60))
    }
}

impl FromStr for Interval {
    type Err = String;

    /// Seconds (`60`, `60s`), minutes (`5m`) or steps (`500steps`), above 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number = number.parse().ok().filter(|&number: &u64| number > 0);
        let interval = match (number, unit.trim()) {
            (Some(seconds), "" | "s") => Some(Self::Time(Duration::from_secs(seconds))),
            (Some(minutes), "m") => {
                minutes.checked_mul(60).map(|seconds| Self::Time(Duration::from_secs(seconds)))
            }
            (Some(steps), "step" | "steps") => Some(Self::Steps(steps)),
            _ => None,
        };
        interval.ok_or_else(|| "write 60s, 5m or 500steps".to_owned())
    }
}

/// Keeps an [`Interval`].
#[derive(Debug)]
pub(crate) struct CheckpointSchedule {
    interval: Interval,
    last: Instant,
    last_step: u64,
}

impl CheckpointSchedule {
    /// Starts at `step`, now.
    pub(crate) fn new(interval: Interval, step: u64) -> Self {
        Self { interval, last: Instant::now(), last_step: step }
    }

    /// Whether the interval has passed after `step`.
    pub(crate) fn is_due(&self, step: u64) -> bool {
        match self.interval {
            Interval::Time(time) => self.last.elapsed() >= time,
            Interval::Steps(steps) => step - self.last_step >= steps,
        }
    }

    /// Starts the next interval at `step`, now.
    pub(crate) fn restart(&mut self, step: u64) {
        *self = Self::new(self.interval, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_units() {
        let seconds = |n| Ok(Interval::Time(Duration::from_secs(n)));
        assert_eq!("60".parse::<Interval>(), seconds(60));
        assert_eq!("60s".parse::<Interval>(), seconds(60));
        assert_eq!("5m".parse::<Interval>(), seconds(300));
        assert_eq!("500 steps".parse::<Interval>(), Ok(Interval::Steps(500)));
        for wrong in ["", "0s", "s", "-1s", "5h", "18446744073709551615m"] {
            assert!(wrong.parse::<Interval>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_counted_from_the_last_time() {
        let mut schedule = CheckpointSchedule::new(Interval::Steps(3), 10);
        assert!(!schedule.is_due(12) && schedule.is_due(13));
        schedule.restart(13);
        assert!(!schedule.is_due(15) && schedule.is_due(16));
    }

    #[test]
    fn time_passes() {
        let schedule = CheckpointSchedule::new(Interval::Time(Duration::from_secs(3600)), 0);
        assert!(!schedule.is_due(u64::MAX));
        assert!(CheckpointSchedule::new(Interval::Time(Duration::ZERO), 0).is_due(0));
    }
}
