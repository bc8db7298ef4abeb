//! What a publisher asks of a kind of output.

use std::io;
use std::time::Duration;

use crate::record::Record;
use crate::state::{LineLog, LineState};

/// Takes records to a counterpart.
///
/// All calls come from one thread. Records that were handed over and not acknowledged are handed
/// over again after a failure, from the oldest on.
pub(crate) trait Outlet: Send {
    /// Reaches the counterpart; it is called before the first record and after it was lost. `false`
    /// if the counterpart is to come by itself and is not there yet.
    fn connect(&mut self) -> Result<bool, Failure>;

    /// How many records may be handed over and not acknowledged.
    fn window(&self) -> usize {
        1
    }

    /// Hands a record over, with the state of its line behind it.
    fn send(&mut self, record: &Record, state: &LineState) -> Result<(), Failure>;

    /// How many records more, the oldest first, the counterpart acknowledges; waits for one at most
    /// so long. It is called as well, with no time, when none is handed over, so that a counterpart
    /// that went away is noticed.
    fn acknowledged(&mut self, at_most: Duration) -> Result<usize, Failure>;

    /// Shows how lines are now; at least twice a second as long as the counterpart is there.
    fn show(&mut self, _lines: &[Shown<'_>]) -> Result<(), Failure> {
        Ok(())
    }

    /// Makes what was acknowledged outlive a power cut, as far as that is up to this side.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes its leave.
    fn close(&mut self) {}
}

/// How a line is now.
pub(crate) struct Shown<'a> {
    pub log: &'a LineLog,
    pub state: &'a LineState,
}

/// Why a record could not be handed over.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The counterpart is not there; it is tried again, later and later, or then.
    Away { reason: String, after: Option<Duration> },
    /// The counterpart doesn't take the oldest record. It is tried so often; after that the record is
    /// set aside.
    #[allow(dead_code, reason = "others take all or none")]
    Refused { reason: String, tries: u32 },
}

impl Failure {
    pub(crate) fn away(reason: impl ToString) -> Self {
        Self::Away { reason: reason.to_string(), after: None }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::away(error)
    }
}
