//! When an arriving photo is complete.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::listing::Found;
use crate::entry::PhotoFile;

/// How many settle times a photo that can't be read is tried for before it is given up.
pub const PATIENCE: u32 = 10;

/// Photos that are not judged yet. One is ready once its size and time of change have stayed the
/// same for the settle time, as seen by this process's clock: clocks of cameras and file servers
/// are often wrong.
#[derive(Debug)]
pub struct Arrivals {
    settle: Duration,
    waiting: HashMap<PathBuf, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    photo: PhotoFile,
    /// Since when it has not changed.
    since: Instant,
    /// When it is ready, or to be tried again.
    due: Instant,
    is_present: bool,
    /// Whether it was given to be judged.
    is_given: bool,
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
                is_given: false,
            };
            let waiting = self.waiting.entry(found.path.clone()).or_insert_with(new);
            if waiting.photo != found.photo {
                *waiting = new();
            }
            waiting.is_present = true;
            if !waiting.is_given && waiting.due <= now {
                ready.push(found);
            }
        }
        self.waiting.retain(|_, waiting| waiting.is_present);
        ready.sort_by_cached_key(|found| (found.photo.modified, found.photo.path.clone()));
        ready
    }

    /// The photo is being judged: until more is known of it, it is not ready again.
    pub fn give(&mut self, path: &Path) {
        if let Some(waiting) = self.waiting.get_mut(path) {
            waiting.is_given = true;
        }
    }

    /// Whether a photo has been the same for as long as one that can't be read is tried.
    pub fn has_waited_enough(&self, path: &Path, now: Instant) -> bool {
        self.waiting.get(path).is_some_and(|waiting| now >= waiting.since + self.patience())
    }

    /// The photo is to be tried again after as long as it has waited at `now`, but not later than it
    /// has waited enough.
    pub fn postpone(&mut self, path: &Path, now: Instant) {
        let patience = self.patience();
        let Some(waiting) = self.waiting.get_mut(path) else { return };
        let (end, next) = (waiting.since + patience, now + (now - waiting.since));
        waiting.due = if now < end { next.min(end) } else { now + patience };
        waiting.is_given = false;
    }

    /// This content of the photo is judged, given up, or gone: it is new when it is seen again.
    pub fn forget(&mut self, path: &Path, photo: &PhotoFile) {
        if self.waiting.get(path).is_some_and(|waiting| waiting.photo == *photo) {
            self.waiting.remove(path);
        }
    }

    /// Whether there is none, also none that is being judged.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one is being judged.
    pub fn is_any_given(&self) -> bool {
        self.waiting.values().any(|waiting| waiting.is_given)
    }

    /// When the first one that is not being judged is ready.
    pub fn due(&self) -> Option<Instant> {
        self.waiting.values().filter(|waiting| !waiting.is_given).map(|waiting| waiting.due).min()
    }

    fn patience(&self) -> Duration {
        self.settle * PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);

    fn found(path: &str, bytes: u64, second: i64) -> Found {
        let modified = Timestamp::from_second(second).unwrap();
        Found { path: path.into(), photo: PhotoFile::new(Path::new(path), bytes, modified) }
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
        arrivals.forget(Path::new("b"), &ready[0].photo);
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
        let photo = Path::new("a");
        let mut arrivals = Arrivals::new(SETTLE);
        arrivals.observe(vec![found("a", 1, 1)], start);
        for (now, due) in [(2, 4), (4, 8), (8, 16), (16, 20)] {
            assert_eq!(names(&arrivals.observe(vec![found("a", 1, 1)], at(now))), ["a"]);
            arrivals.give(photo);
            assert!(!arrivals.has_waited_enough(photo, at(now)));
            arrivals.postpone(photo, at(now));
            assert_eq!(arrivals.due(), Some(at(due)));
        }
        assert!(arrivals.has_waited_enough(photo, at(20)));
        // It goes on as soon as the file changes.
        assert!(arrivals.observe(vec![found("a", 2, 2)], at(20)).is_empty());
        assert!(!arrivals.has_waited_enough(photo, at(22)));
    }

    #[test]
    fn a_photo_that_is_being_judged_is_not_given_again() {
        let now = Instant::now();
        let mut arrivals = Arrivals::new(Duration::ZERO);
        let ready = arrivals.observe(vec![found("a", 1, 1)], now);
        arrivals.give(&ready[0].path);
        assert!(arrivals.observe(vec![found("a", 1, 1)], now).is_empty());
        assert_eq!(arrivals.due(), None);
        // Meanwhile it changed: the verdict on what it was says nothing about what it is.
        assert_eq!(arrivals.observe(vec![found("a", 2, 1)], now).len(), 1);
        arrivals.forget(&ready[0].path, &ready[0].photo);
        assert_eq!(arrivals.due(), Some(now));
    }
}
