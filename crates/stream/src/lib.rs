//! Judging photos as they arrive, each exactly once, with a log that says so.
//!
//! A [`Stream`] takes photos from a [`Source`], has them judged, writes the verdicts into a log and
//! gives them to a [`Sink`]. [`watch()`] puts one together from a folder that photos arrive in
//! ([`HotFolder`]) and a folder of [`Rejects`].
//!
//! | module | what it does | knows nothing of |
//! |---|---|---|
//! | `source`, `sink` | what a stream asks of where photos come from and verdicts go | folders |
//! | `stream` | the loop: take, judge, log, deliver | folders |
//! | [`drift`] | a sequential test of the scores against those of calibration | photos |
//! | [`entry`] | the lines of the log | the loop |
//! | `journal` | the log as a file: recognised, appended, repaired, locked | photos |
//! | `follow` | the log of another process, read as it grows | photos |
//! | `known`, `replay` | what the log says, read again at the start | files |
//! | `attempts` | which photos were in work when the program was killed | files but its own |
//! | `folder` | a folder as a source: what lies there, what is complete | verdicts |
//! | `rejects` | a folder as a sink: copying, moving and linking rejects | where they come from |
//! | `signal` | what threads of a station tell each other | all of it |
//! | `watch` | a folder watched: all of this put together | |
//!
//! The log is the only state. A photo is done with once its line is in the log; what is to happen
//! to it after that (a reject is moved, an alarm is written) is made up for at the next start if
//! the process was killed in between. `docs/watch.md` specifies all of it. Nothing here prints.

mod attempts;
pub mod drift;
pub mod entry;
mod error;
mod folder;
mod follow;
mod journal;
mod known;
mod rejects;
mod replay;
mod signal;
mod sink;
mod source;
mod stream;
mod watch;

pub use error::StreamError;
pub use folder::{HotFolder, HotFolderOptions, PATIENCE};
pub use follow::{Follower, LineHash, Position};
pub use journal::Journal;
pub use known::Known;
pub use rejects::{Filing, Rejects};
pub use signal::{Fault, MAX_PENDING_SHOTS, Trigger, Wake};
pub use sink::{Receipt, Sink};
pub use source::{Arrival, Notice, Source, Supply};
pub use stream::{Event, Stream, StreamOptions, Summary};
pub use watch::{Options, watch};
