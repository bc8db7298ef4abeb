//! What happens at an output, for those who look at the station.

use std::path::PathBuf;
use std::time::Duration;

use crate::record::EventKind;

/// What happens at an output.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OutputEvent {
    /// The counterpart is there.
    Connected,
    /// The counterpart is not there any more, and waited for.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// The counterpart was tried once more, and will be again.
    Retried {
        /// Why it did not go.
        reason: String,
        /// Time until it is tried again.
        after: Duration,
    },
    /// All that is in the logs was delivered.
    CaughtUp,
    /// The counterpart acknowledged a record.
    Delivered {
        /// The line.
        line: String,
        /// What the record is about.
        event: EventKind,
        /// From the time that the photo was taken to the acknowledgement; `None` without photo.
        latency: Option<Duration>,
        /// Whether the verdict was older than the line's budget when it was sent.
        late: bool,
    },
    /// The counterpart refused a record for good; it was set aside.
    Refused {
        /// The `id` of the record.
        id: String,
        /// Why.
        reason: String,
        /// The file that it was appended to.
        file: PathBuf,
    },
    /// The log of a line is not the one whose records were sent: it is sent from its beginning.
    AnotherLog {
        /// The line.
        line: String,
    },
    /// The log of a line can't be read, or a file of the output not be written; it is tried again.
    Trouble {
        /// What is wrong.
        reason: String,
    },
}
