//! Where photos come from.

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use efficientad_evaluation::Frame;

use crate::entry::{Dropped, PhotoFile};
use crate::error::StreamError;
use crate::known::Known;

/// Gives photos as they arrive: a folder, a camera, a queue.
///
/// All calls come from one thread. A source may show photos that are judged already, again and
/// again or after a restart: what the log knows is not judged twice.
pub trait Source {
    /// The next photo, or what else there is to tell. It doesn't wait: it is called again every 20 ms
    /// as long as photos are being judged, and must be cheap when there is nothing. A source that would show photos again leaves out those that are done in `known`,
    /// but for those whose verdicts the sink still has to get.
    ///
    /// # Errors
    /// It can't go on. What comes and goes, such as a connection, is a [`Notice`].
    fn next(&mut self, known: &Known) -> Result<Supply, StreamError>;

    /// Waits for the next photo; `true` if the source is to be asked at once.
    fn wait(&mut self, at_most: Duration) -> bool {
        thread::sleep(at_most);
        false
    }

    /// Whether photos that were given may be given again, also after a restart. Otherwise nothing
    /// needs to be known of those that are judged.
    fn repeats(&self) -> bool {
        true
    }

    /// Takes no further photos; those that it took are still given, and then the end.
    fn close(&mut self) {}

    /// Whether a photo that was given still is what it was. It is asked before its verdict counts
    /// and before it is moved.
    fn is_unchanged(&self, _arrival: &Arrival) -> bool {
        true
    }

    /// Whether the source still has a photo that was judged, so that it will be given again for the
    /// sink.
    fn holds(&self, _photo: &PhotoFile) -> bool {
        false
    }

    /// A photo could not be read, perhaps because it is not complete. `true` if it will be
    /// given again; otherwise the failure is final.
    fn retry(&mut self, _arrival: &Arrival) -> bool {
        false
    }

    /// A photo is done with: it is judged, given up, or not any more what it was. The source may
    /// forget it.
    fn acknowledge(&mut self, _arrival: &Arrival) {}

    /// Takes back what could not be logged, to tell it again. The stream ends with an error then, and the
    /// next one may be able to.
    fn take_back(&mut self, _notice: Notice) {}
}

/// What a source has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum Supply {
    /// A photo, and what is to be judged.
    Photo(Arrival, Frame<'static>),
    /// A photo that will not become readable, and why.
    Lost(Arrival, String),
    /// Something that changes no verdict.
    Notice(Notice),
    /// Nothing now.
    Nothing {
        /// When to ask again if nothing is being judged; `None` for in 5 ms.
        until: Option<Instant>,
    },
    /// Nothing any more.
    End,
}

/// What happens at a source.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Something is left out that was perhaps meant.
    Skipped(String),
    /// A part of the source can't be looked into, and photos in it are missed; why.
    NotListed(String),
    /// Photos were taken that will not be judged.
    Dropped(Dropped),
    /// The source is out of reach, and waited for.
    Lost(io::Error),
    /// The source is back.
    Back,
}

/// A photo that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What the log calls it: its name, size and time.
    pub photo: PhotoFile,
    /// Its file, if it is one that a sink may copy or move.
    pub file: Option<PathBuf>,
}
