//! An inspection station: cameras × models × outputs, put together by a file.
//!
//! A *line* is a camera and the model that judges its photos. Its verdicts go into a log of its own,
//! as those of a watched folder do, and from there to *outputs*: a broker, a PLC, a table. A
//! [`Station`] runs all lines and outputs of a [`StationConfig`], takes changes of the file and of
//! models while it runs, and tells what happens.
//!
//! | module | what it does | knows nothing of |
//! |---|---|---|
//! | `config` | the file | whether it can work |
//! | `check` | what can't work, all of it, before anything starts | threads |
//! | `gate` | a camera that can be closed without losing count of its photos | models |
//! | `line` | one line: its thread, its log, what holds when it can't judge | outputs |
//! | `pictures` | pictures of rejects | cameras |
//! | `station` | all lines and outputs; changes | kinds of cameras and outputs |
//! | `status` | what people want to see of a line | |
//! | `event` | what is told | |
//!
//! `docs/station.md` specifies the file and what is guaranteed. Nothing here prints.
#![forbid(unsafe_code)]

mod check;
mod config;
mod error;
mod event;
mod gate;
mod line;
mod pictures;
#[cfg(feature = "schema")]
mod schema;
mod station;
mod status;

pub use check::check;
pub use config::{LineConfig, StationConfig, StationOutput};
pub use error::StationError;
pub use event::{Change, Event, LineEvent};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use station::{Observe, Station, StationOptions};
pub use status::{CameraState, LineStatus};
