//! When an arriving photo is complete.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::entry::PhotoFile;
use crate::folder::Found;

/// How many settle times a photo that can't be read is tried for before it is given up.
pub const PATIENCE: u32 = 10;

/// Photos that are not judged yet. One is ready once its size and time of change have stayed the
/// same for the settle time, as seen by this process's clock: clocks of cameras and file servers
/// are often wrong.
#[derive(Debug)]
pub struct Arrivals {
    settle: Duration,
    waiting: HashMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    photo: PhotoFile,
    /// Since when it has not changed.
    since: Instant,
    /// When it is ready, or to be tried again.
    due: Instant,
    is_present: bool,
}

impl Arrivals {
    /// None yet.
    pub fn new(settle: Duration) -> Self {
        Self { settle, waiting: HashMap::new() }
    }

    /// Takes what lies in the folder `now` and is not judged; returns what is to be judged now, in
    /// the order of change.
    pub fn observe(&mut self, found: Vec<Found>, now: Instant) -> Vec<Found> {
        let settle = self.settle;
        self.waiting.values_mut().for_each(|waiting| waiting.is_present = false);
        let mut ready = Vec::new();
        for found in found {
            let new = || Waiting {
                photo: found.photo.clone(),
                since: now,
                due: now + settle,
                is_present: true,
            };
            let waiting = self.waiting.entry(found.photo.path.clone()).or_insert_with(new);
            if waiting.photo != found.photo {
                *waiting = new();
            }
            waiting.is_present = true;
            if waiting.due <= now {
                ready.push(found);
            }
        }
        self.waiting.retain(|_, waiting| waiting.is_present);
        ready.sort_by_cached_key(|found| (found.photo.modified, found.photo.path.clone()));
        ready
    }

    /// Notes that a photo could not be read at `now`: it is tried again after as long as it has
    /// waited already, unless it has waited long enough. Whether it is to be given up.
    pub fn is_hopeless(&mut self, path: &str, now: Instant) -> bool {
        let Some(waiting) = self.waiting.get_mut(path) else { return false };
        let end = waiting.since + self.settle * PATIENCE;
        if now >= end {
            return true;
        }
        waiting.due = (now + (now - waiting.since)).min(end);
        false
    }

    /// The photo is judged, given up, or changed: it is new when it is seen again.
    pub fn forget(&mut self, path: &str) {
        self.waiting.remove(path);
    }

    /// When the first one is ready.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);

    fn found(path: &str, bytes: u64, second: i64) -> Found {
        let modified = Timestamp::from_second(second).unwrap();
        Found { path: path.into(), photo: PhotoFile { path: path.to_owned(), bytes, modified } }
    }

    fn names(ready: &[Found]) -> Vec<&str> {
        ready.iter().map(|found| found.photo.path.as_str()).collect()
    }

    #[test]
    fn photos_are_ready_once_they_do_not_change() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut arrivals = Arrivals::new(SETTLE);
        assert!(arrivals.observe(vec![found("b", 5, 1), found("a", 1, 9)], at(0)).is_empty());
        assert_eq!(arrivals.due(), Some(at(2)));
        assert!(arrivals.observe(vec![found("b", 5, 1), found("a", 2, 9)], at(1)).is_empty());
        let ready = arrivals.observe(vec![found("b", 5, 1), found("a", 2, 10)], at(2));
        assert_eq!(names(&ready), ["b"]);
        arrivals.forget("b");
        assert!(arrivals.observe(vec![found("a", 2, 10)], at(3)).is_empty());
        assert_eq!(names(&arrivals.observe(vec![found("a", 2, 10)], at(4))), ["a"]);
    }

    #[test]
    fn photos_are_ready_in_the_order_of_change() {
        let now = Instant::now();
        let mut arrivals = Arrivals::new(Duration::ZERO);
        let ready =
            arrivals.observe(vec![found("c", 1, 2), found("a", 1, 7), found("b", 1, 2)], now);
        assert_eq!(names(&ready), ["b", "c", "a"]);
    }

    #[test]
    fn a_photo_that_vanished_is_forgotten() {
        let now = Instant::now();
        let mut arrivals = Arrivals::new(SETTLE);
        arrivals.observe(vec![found("a", 1, 1)], now);
        arrivals.observe(vec![], now + SETTLE / 2);
        assert_eq!(arrivals.due(), None);
        assert!(arrivals.observe(vec![found("a", 1, 1)], now + SETTLE).is_empty(), "it is new");
    }

    #[test]
    fn unreadable_photos_are_tried_less_and_less_often_and_given_up() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut arrivals = Arrivals::new(SETTLE);
        arrivals.observe(vec![found("a", 1, 1)], start);
        for (now, due) in [(2, 4), (4, 8), (8, 16), (16, 20)] {
            assert_eq!(names(&arrivals.observe(vec![found("a", 1, 1)], at(now))), ["a"]);
            assert!(!arrivals.is_hopeless("a", at(now)));
            assert_eq!(arrivals.due(), Some(at(due)));
        }
        assert!(arrivals.is_hopeless("a", at(20)));
        // It goes on as soon as the file changes.
        assert!(arrivals.observe(vec![found("a", 2, 2)], at(20)).is_empty());
        assert!(!arrivals.is_hopeless("a", at(22)));
    }
}
