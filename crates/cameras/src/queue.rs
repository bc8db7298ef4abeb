//! Frames that wait to be judged, and what else happened at a camera.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use efficientad_stream::entry::Dropped;
use efficientad_stream::{Notice, Supply};

use crate::config::{QueueConfig, WhenFull};

/// Notices that wait at most. Further frames that were dropped are added to one that waits, and the
/// camera's comings and goings are told once there is room, the last one alone.
const MAX_NOTICES: usize = 256;

/// A bounded queue between a camera's thread and a stream.
#[derive(Debug)]
pub(crate) struct Queue {
    options: QueueConfig,
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct State {
    supplies: VecDeque<Supply>,
    frames: usize,
    /// Why the camera is out of reach, if it is.
    outage: Option<String>,
    /// Whether the last of the notices says that it is.
    told_lost: bool,
    /// Nobody takes any more.
    is_closed: bool,
    /// Nobody gives any more.
    is_ended: bool,
}

impl Queue {
    pub(crate) fn new(options: QueueConfig) -> Self {
        Self { options, state: Mutex::default(), grown: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.grown.notify_all();
    }

    /// A photo, or one that can't be read.
    pub(crate) fn push_frame(&self, supply: Supply) {
        let QueueConfig { length, when_full } = self.options;
        self.change(|state| {
            let is_full = state.frames >= length as usize;
            if is_full && when_full == WhenFull::DropNewest {
                return state.drop_frames(1, full(length, "newest"));
            }
            if let Some(oldest) = state.supplies.iter().position(is_frame).filter(|_| is_full) {
                state.supplies.remove(oldest);
                state.frames -= 1;
                state.drop_frames_at(oldest, 1, full(length, "oldest"));
            }
            state.frames += 1;
            state.supplies.push_back(supply);
        });
    }

    /// Frames that will not be judged.
    pub(crate) fn push_dropped(&self, frames: u64, reason: impl Into<String>) {
        if frames > 0 {
            self.change(|state| state.drop_frames(frames, reason.into()));
        }
    }

    /// Something else to tell; left out if it waits already.
    pub(crate) fn push_remark(&self, text: String) {
        self.change(|state| {
            let is_same = |supply: &Supply| matches!(supply, Supply::Notice(Notice::Skipped(it)) if *it == text);
            if state.has_room() && !state.supplies.iter().any(is_same) {
                state.supplies.push_back(Supply::Notice(Notice::Skipped(text)));
            }
        });
    }

    /// The camera is out of reach; only the first reason of an outage is told.
    pub(crate) fn set_lost(&self, reason: String) {
        self.change(|state| {
            state.outage.get_or_insert(reason);
            state.tell_state();
        });
    }

    /// The camera is there.
    pub(crate) fn set_back(&self) {
        self.change(|state| {
            state.outage = None;
            state.tell_state();
        });
    }

    /// What comes next; nothing if there is nothing, or for ever.
    pub(crate) fn pop(&self) -> Popped {
        let mut state = self.lock();
        state.tell_state();
        match state.supplies.pop_front() {
            Some(supply) => {
                state.frames -= usize::from(is_frame(&supply));
                Popped::Supply(supply)
            }
            None if state.is_ended => Popped::Ended,
            None => Popped::Nothing,
        }
    }

    /// Waits until there is something.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut state = self.lock();
        while state.supplies.is_empty() && !state.is_ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Nobody takes any more.
    pub(crate) fn close(&self) {
        self.change(|state| state.is_closed = true);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Nobody gives any more.
    pub(crate) fn end(&self) {
        self.change(|state| state.is_ended = true);
    }

    /// Waits until nobody gives any more; `false` if that takes longer.
    pub(crate) fn wait_for_end(&self, at_most: Duration) -> bool {
        let guard = self.lock();
        let wait = self.grown.wait_timeout_while(guard, at_most, |state| !state.is_ended);
        wait.unwrap_or_else(PoisonError::into_inner).0.is_ended
    }
}

/// What a queue has.
#[derive(Debug)]
pub(crate) enum Popped {
    Supply(Supply),
    Nothing,
    Ended,
}

impl State {
    fn has_room(&self) -> bool {
        self.supplies.len() - self.frames < MAX_NOTICES
    }

    /// Counts frames that would come next.
    fn drop_frames(&mut self, frames: u64, reason: String) {
        self.drop_frames_at(self.supplies.len(), frames, reason);
    }

    /// Counts frames that would come at a place in the queue, with those beside it if the reason is
    /// the same.
    fn drop_frames_at(&mut self, place: usize, frames: u64, reason: String) {
        let beside = [place.checked_sub(1), Some(place)].into_iter().flatten();
        let is_same =
            |&at: &usize| dropped(self.supplies.get(at)).is_some_and(|it| it.reason == reason);
        let any = || (0..self.supplies.len()).rfind(|&at| dropped(self.supplies.get(at)).is_some());
        let at = beside.into_iter().find(is_same).or_else(|| any().filter(|_| !self.has_room()));
        match at.and_then(|at| self.supplies.get_mut(at)) {
            Some(Supply::Notice(Notice::Dropped(dropped))) => {
                dropped.frames = dropped.frames.saturating_add(frames);
                if dropped.reason != reason && !dropped.reason.ends_with(OTHERS) {
                    dropped.reason.push_str(OTHERS);
                }
            }
            _ => {
                let dropped = Notice::Dropped(Dropped { frames, reason });
                self.supplies.insert(place, Supply::Notice(dropped));
            }
        }
    }

    /// Appends whether the camera is there, if that changed.
    fn tell_state(&mut self) {
        if self.told_lost == self.outage.is_some() || !self.has_room() {
            return;
        }
        let notice = match &self.outage {
            Some(reason) => Notice::Lost(std::io::Error::other(reason.clone())),
            None => Notice::Back,
        };
        self.told_lost = self.outage.is_some();
        self.supplies.push_back(Supply::Notice(notice));
    }
}

/// What is added to the reason when frames were dropped for others, too.
const OTHERS: &str = ", and other reasons";

fn dropped(supply: Option<&Supply>) -> Option<&Dropped> {
    match supply {
        Some(Supply::Notice(Notice::Dropped(dropped))) => Some(dropped),
        _ => None,
    }
}

fn full(length: u32, which: &str) -> String {
    format!("{length} frames waited already; the {which} of them was dropped")
}

fn is_frame(supply: &Supply) -> bool {
    matches!(supply, Supply::Photo(..) | Supply::Lost(..))
}

#[cfg(test)]
mod tests {
    use efficientad_stream::Arrival;
    use efficientad_stream::entry::PhotoFile;
    use jiff::Timestamp;

    use super::*;

    fn queue(length: u32, when_full: WhenFull) -> Queue {
        Queue::new(QueueConfig { length, when_full })
    }

    fn push(queue: &Queue, number: u64) {
        let photo = PhotoFile {
            path: number.to_string(),
            path_hex: None,
            bytes: 0,
            modified: Timestamp::UNIX_EPOCH,
        };
        queue.push_frame(Supply::Lost(Arrival { photo, file: None }, String::new()));
    }

    /// Everything in a queue, in a word each.
    fn drain(queue: &Queue) -> Vec<String> {
        let next = || match queue.pop() {
            Popped::Supply(Supply::Lost(arrival, _)) => Some(arrival.photo.path),
            Popped::Supply(Supply::Notice(Notice::Dropped(dropped))) => {
                Some(format!("{} dropped", dropped.frames))
            }
            Popped::Supply(Supply::Notice(Notice::Lost(reason))) => Some(format!("lost: {reason}")),
            Popped::Supply(Supply::Notice(Notice::Back)) => Some("back".to_owned()),
            Popped::Nothing => None,
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_full_queue_drops_what_it_was_told_to_and_counts_it() {
        for (when_full, expected) in [
            (WhenFull::DropOldest, ["3 dropped", "3", "4"]),
            (WhenFull::DropNewest, ["0", "1", "3 dropped"]),
        ] {
            let queue = queue(2, when_full);
            (0..5).for_each(|number| push(&queue, number));
            assert_eq!(drain(&queue), expected);
            push(&queue, 7);
            assert_eq!(drain(&queue), ["7"]);
        }
    }

    #[test]
    fn outages_are_told_once_each() {
        let queue = queue(2, WhenFull::DropOldest);
        queue.set_back();
        assert!(drain(&queue).is_empty(), "it was there from the start");
        queue.set_lost("1".to_owned());
        queue.set_lost("2".to_owned());
        queue.set_back();
        assert_eq!(drain(&queue), ["lost: 1", "back"]);
    }

    #[test]
    fn notices_are_bounded_and_no_frame_is_forgotten() {
        let queue = queue(2, WhenFull::DropOldest);
        for number in 0..10_000 {
            queue.push_dropped(1, format!("reason {number}"));
            queue.set_lost(number.to_string());
            queue.set_back();
        }
        queue.set_lost("in the end".to_owned());
        let found = drain(&queue);
        assert!(found.len() <= MAX_NOTICES + 2);
        let frames = found.iter().filter_map(|it| it.strip_suffix(" dropped")?.parse::<u64>().ok());
        assert_eq!(frames.sum::<u64>(), 10_000);
        assert_eq!(found.last().unwrap(), "lost: in the end");
    }

    #[test]
    fn who_waits_is_woken_by_a_frame_and_by_the_end() {
        let queue = queue(2, WhenFull::DropOldest);
        assert!(!queue.wait(Duration::ZERO));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(Duration::from_secs(60)));
            push(&queue, 1);
            assert!(waiting.join().unwrap());
        });
        assert_eq!(drain(&queue), ["1"]);
        queue.end();
        assert!(queue.wait(Duration::from_secs(60)));
        assert!(matches!(queue.pop(), Popped::Ended));
        assert!(queue.wait_for_end(Duration::ZERO));
    }
}
