//! Judging photos as they arrive in a folder, each exactly once, with a log that says so.
//!
//! | module | what it does |
//! |---|---|
//! | `watch` | the loop: look, judge, log, file rejects |
//! | [`drift`] | a sequential test of the scores against those of calibration |
//! | [`entry`] | the lines of the log |
//! | `journal` | the log as a file: appended, repaired, locked |
//! | `known`, `replay` | what the log says, read again at the start |
//! | `folder` | which photos lie in the folder |
//! | `arrivals` | when a photo is complete |
//! | `rejects` | copying, moving and linking rejects |
//!
//! The log is the only state. A photo is done with once its line is in the log; what is to happen
//! to it after that (a reject is moved, an alarm is written) is made up for at the next start if
//! the process was killed in between. `docs/watch.md` specifies all of it.

mod arrivals;
pub mod drift;
pub mod entry;
mod error;
mod folder;
mod journal;
mod known;
mod rejects;
mod replay;
mod watch;

pub use arrivals::PATIENCE;
pub use error::WatchError;
pub use rejects::{Filing, Rejects};
pub use watch::{Event, Options, Summary, watch};
