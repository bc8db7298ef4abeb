//! What threads of a station tell each other: a photo is to be taken, a line was written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shots that were asked for and not taken yet, at most: more can't be meant.
pub const MAX_PENDING_SHOTS: u32 = 64;

/// Asks a camera to take photos. Clones ask the same camera.
#[derive(Clone, Debug, Default)]
pub struct Trigger(Arc<Signal<u32>>);

impl Trigger {
    /// Asks for one photo more. `false` if [`MAX_PENDING_SHOTS`] are asked for already; this one is
    /// then not taken.
    pub fn fire(&self) -> bool {
        let mut pending = self.0.lock();
        let has_room = *pending < MAX_PENDING_SHOTS;
        *pending += u32::from(has_room);
        drop(pending);
        self.0.told.notify_one();
        has_room
    }

    /// Waits until a photo is asked for, and takes the order; `false` if none is within that time.
    pub fn wait(&self, at_most: Duration) -> bool {
        let mut pending = self.0.wait_while(at_most, |pending| *pending == 0);
        let is_asked = *pending > 0;
        *pending -= u32::from(is_asked);
        is_asked
    }
}

/// Tells that a log has grown. What one clone tells, each of the others hears, also if it was told
/// before they wait.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    grown: Arc<Signal<u64>>,
    heard: u64,
}

impl Wake {
    /// Tells all others.
    pub fn notify(&self) {
        *self.grown.lock() += 1;
        self.grown.told.notify_all();
    }

    /// Waits until something was told since the last call; `false` if nothing was within that time.
    pub fn wait(&mut self, at_most: Duration) -> bool {
        let told = *self.grown.wait_while(at_most, |told| *told == self.heard);
        let is_new = told != self.heard;
        self.heard = told;
        is_new
    }
}

/// Whether a line can judge nothing and can't even say so in its log, as when the disk is full. Clones are of the
/// same line.
#[derive(Clone, Debug, Default)]
pub struct Fault(Arc<AtomicBool>);

impl Fault {
    /// Says so, or that it is over.
    pub fn set(&self, is_there: bool) {
        self.0.store(is_there, Ordering::SeqCst);
    }

    /// Whether it is there.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Default)]
struct Signal<T> {
    state: Mutex<T>,
    told: Condvar,
}

impl<T> Signal<T> {
    fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, at_most: Duration, is_quiet: impl Fn(&T) -> bool) -> MutexGuard<'_, T> {
        let until = Instant::now() + at_most;
        let mut state = self.lock();
        while is_quiet(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.told.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn every_shot_that_was_asked_for_is_taken_once() {
        let trigger = Trigger::default();
        let camera = trigger.clone();
        assert!(!camera.wait(Duration::ZERO));
        let shots = std::thread::scope(|scope| {
            let shots = scope.spawn(|| (0..3).filter(|_| camera.wait(LONG)).count());
            assert!((0..3).all(|_| trigger.fire()));
            shots.join().unwrap()
        });
        assert_eq!(shots, 3);
        assert!((0..MAX_PENDING_SHOTS).all(|_| trigger.fire()));
        assert!(!trigger.fire(), "more than can be meant");
        assert_eq!((0..100).filter(|_| camera.wait(Duration::ZERO)).count(), 64);
    }

    #[test]
    fn whoever_waits_hears_what_was_told_before() {
        let wake = Wake::default();
        let (mut one, mut other) = (wake.clone(), wake.clone());
        wake.notify();
        assert!(one.wait(LONG) && other.wait(LONG));
        assert!(!one.wait(Duration::ZERO));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || one.wait(LONG));
            wake.notify();
            assert!(waiting.join().unwrap());
        });
        assert!(other.wait(Duration::ZERO));
    }
}
