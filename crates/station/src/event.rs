//! What happens at a station, for those who look at it.

use std::fmt;
use std::time::Duration;

use efficientad_outputs::{OutputEvent, Undelivered};
use efficientad_stream::entry::Line as LogLine;

/// What happens at a station.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something happened at a line.
    Line {
        /// Its name.
        line: String,
        /// What.
        event: LineEvent,
    },
    /// Something happened at an output.
    Output {
        /// Its name.
        output: String,
        /// What.
        event: OutputEvent,
    },
    /// An output ended, and has not delivered all; it does when it is started again.
    Undelivered {
        /// Its name.
        output: String,
        /// How much, by line.
        records: Undelivered,
    },
    /// The station's file or a model changed, and the station with it.
    Changed(Vec<Change>),
    /// The station's file or a model changed, but can't work: all goes on as it was.
    NotChanged {
        /// What is wrong.
        problems: Vec<String>,
    },
    /// So many events were not told, as whoever is told did not keep up.
    Untold(u64),
}

/// What happens at a line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LineEvent {
    /// A line was appended to its log.
    Logged(Box<LogLine>),
    /// The log ended in the start of a line, so many bytes, which was cut off.
    Repaired(u64),
    /// The picture of a reject could not be written.
    NotFiled {
        /// What the log calls the photo.
        photo: String,
        /// Why.
        reason: String,
    },
    /// Something else that is to be said.
    Note(String),
    /// It judges no more, as its fail-safe is `stop`; it goes on when the station is started again, or
    /// when the line is changed.
    Halted {
        /// Why.
        reason: String,
    },
    /// It can't judge now, and is tried again.
    Failed {
        /// Why.
        reason: String,
        /// Time until it is tried again.
        after: Duration,
    },
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A line was begun, ended, or begun anew.
    Line(String),
    /// A line goes on with a new model.
    Model(String),
    /// An output was begun, ended, or begun anew.
    Output(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(name) => write!(f, "line {name}"),
            Self::Model(name) => write!(f, "model of line {name}"),
            Self::Output(name) => write!(f, "output {name}"),
        }
    }
}
