//! Which frames are wanted.

use std::thread;
use std::time::{Duration, Instant};

use efficientad_stream::Trigger;

/// Which frames of a camera are wanted.
#[derive(Debug)]
pub(crate) enum Pace {
    /// All.
    Free,
    /// One in each interval.
    Interval {
        /// How long it is.
        every: Duration,
        /// When the next one begins.
        next: Instant,
    },
    /// One for each shot.
    Software(Trigger),
}

impl Pace {
    /// One in each interval, the first at once.
    pub(crate) fn every(every: Duration) -> Self {
        Self::Interval { every, next: Instant::now() }
    }

    /// Waits until a frame is wanted; `false` if none is within that time.
    pub(crate) fn wait(&mut self, at_most: Duration) -> bool {
        match self {
            Self::Free => true,
            Self::Interval { every, next } => {
                let left = next.saturating_duration_since(Instant::now());
                thread::sleep(left.min(at_most));
                let is_due = left <= at_most;
                if is_due {
                    // What could not be taken in time is not made up for.
                    *next = (*next + *every).max(Instant::now());
                }
                is_due
            }
            Self::Software(trigger) => trigger.wait(at_most),
        }
    }

    /// Waits while there is no camera; the number of shots that were asked for meanwhile.
    pub(crate) fn wait_in_vain(&self, at_most: Duration) -> u64 {
        let Self::Software(trigger) = self else {
            thread::sleep(at_most);
            return 0;
        };
        let until = Instant::now() + at_most;
        let mut shots = 0;
        while trigger.wait(until.saturating_duration_since(Instant::now())) {
            shots += 1;
        }
        shots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_gives_one_and_makes_up_for_none() {
        let mut pace = Pace::every(Duration::from_secs(3600));
        assert!(pace.wait(Duration::ZERO));
        assert!(!pace.wait(Duration::ZERO));
        let long_ago = Instant::now();
        let mut pace = Pace::Interval { every: Duration::from_millis(1), next: long_ago };
        thread::sleep(Duration::from_millis(20));
        assert!(pace.wait(Duration::ZERO));
        let Pace::Interval { next, .. } = pace else { panic!("{pace:?}") };
        assert!(next >= long_ago + Duration::from_millis(20));
    }

    #[test]
    fn shots_in_vain_are_counted() {
        let trigger = Trigger::default();
        let mut pace = Pace::Software(trigger.clone());
        assert!((0..3).all(|_| trigger.fire()));
        assert!(pace.wait(Duration::ZERO));
        assert_eq!(pace.wait_in_vain(Duration::ZERO), 2);
        assert!(!pace.wait(Duration::ZERO));
    }
}
