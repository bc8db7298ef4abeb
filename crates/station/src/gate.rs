//! A camera that can be closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use efficientad_stream::entry::{Dropped, PhotoFile};
use efficientad_stream::{Arrival, Known, Notice, Source, StreamError, Supply};

/// Whether photos pass a gate. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass(Arc<AtomicU8>);

/// Photos pass.
const OPEN: u8 = 0;
/// None passes for a while: those that wait are for later.
const PAUSED: u8 = 1;
/// None will pass: those that wait are counted.
const CLOSED: u8 = 2;

impl Pass {
    /// Ends the stream after what is in work; the camera goes on for the next one.
    pub(crate) fn pause(&self) {
        // A closed one stays closed.
        let _ = self.0.compare_exchange(OPEN, PAUSED, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Lets photos pass again.
    pub(crate) fn resume(&self) {
        let _ = self.0.compare_exchange(PAUSED, OPEN, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Ends the stream after what is in work, for good.
    pub(crate) fn close(&self) {
        self.0.store(CLOSED, Ordering::SeqCst);
    }

    /// Whether it is closed for good.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst) == CLOSED
    }

    fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst) == OPEN
    }
}

/// A source whose photos pass or not. Photos that wait when it is closed are counted, unless the
/// source will show them again.
pub(crate) struct Gate {
    pub(crate) source: Box<dyn Source + Send>,
    pub(crate) pass: Pass,
    /// What the source told while it was emptied, and what could not be logged, the first first.
    told: VecDeque<Notice>,
    is_emptied: bool,
}

impl Gate {
    pub(crate) fn new(source: Box<dyn Source + Send>, pass: Pass) -> Self {
        Self { source, pass, told: VecDeque::new(), is_emptied: false }
    }

    /// Takes all that waits.
    fn empty(&mut self, known: &Known) -> Result<(), StreamError> {
        self.is_emptied = true;
        if self.source.repeats() {
            return Ok(());
        }
        self.source.close();
        let mut frames = 0;
        loop {
            match self.source.next(known)? {
                Supply::Photo(..) | Supply::Lost(..) => frames += 1,
                Supply::Notice(notice) => self.told.push_back(notice),
                _ => break,
            }
        }
        if frames > 0 {
            let reason = "the line was stopped before they were judged".to_owned();
            self.told.push_back(Notice::Dropped(Dropped { frames, reason }));
        }
        Ok(())
    }
}

impl Source for Gate {
    fn next(&mut self, known: &Known) -> Result<Supply, StreamError> {
        if self.pass.is_closed() && !self.is_emptied {
            self.empty(known)?;
        }
        match self.told.pop_front() {
            Some(notice) => Ok(Supply::Notice(notice)),
            None if self.pass.is_open() => self.source.next(known),
            None => Ok(Supply::End),
        }
    }

    fn wait(&mut self, at_most: Duration) -> bool {
        self.source.wait(at_most) || !self.pass.is_open()
    }

    fn close(&mut self) {
        self.source.close();
    }

    fn repeats(&self) -> bool {
        self.source.repeats()
    }

    fn is_unchanged(&self, arrival: &Arrival) -> bool {
        self.source.is_unchanged(arrival)
    }

    fn holds(&self, photo: &PhotoFile) -> bool {
        self.source.holds(photo)
    }

    fn retry(&mut self, arrival: &Arrival) -> bool {
        self.source.retry(arrival)
    }

    fn acknowledge(&mut self, arrival: &Arrival) {
        self.source.acknowledge(arrival);
    }

    fn take_back(&mut self, notice: Notice) {
        self.told.push_front(notice);
    }
}
