//! The durable record: every verdict with what it rests on, the marks of people, and every change of
//! a threshold or model, in an SQLite file, with photos beside it.
//!
//! | module | what it does | knows nothing of |
//! |---|---|---|
//! | `entry` | what is recorded | files |
//! | `record` | the record as a whole: open, add, mark, read | SQL |
//! | `file` | the file: recognised, locked, made, checked, brought up to date | what is in it |
//! | `schema` | its tables | the file |
//! | `writer` | the one thread that writes: what waits together is made durable together | tables |
//! | `photos` | the folder of photos and its limits | verdicts |
//! | `rows` | entries as rows of the tables | queries |
//! | `search` | queries | files |
//! | `export` | CSV and JSON Lines | queries |
//!
//! ```no_run
//! use efficientad_record::{Entry, Photo, Policy, Query, Record};
//!
//! # fn judged() -> Entry { todo!() }
//! # let bytes = [0];
//! let record = Record::open("record.sqlite", Policy::default())?; // Clone + Send + Sync
//! let id = record.add(judged(), Photo::of(&bytes))?; // outlives a power cut from here on
//! let rejects = Query { anomalous: Some(true), ..Query::default() };
//! for found in record.search(&rejects, None, 100)? {
//!     println!("{} {} {}", found.id, found.entry.time, found.entry.path);
//! }
//! # Ok::<(), efficientad_record::RecordError>(())
//! ```
//!
//! `docs/record.md` specifies the file, the folder and the exports. Nothing here prints.
#![forbid(unsafe_code)]

mod entry;
mod error;
mod export;
mod file;
mod photos;
mod record;
mod rows;
mod schema;
mod search;
mod writer;

pub use efficientad_datasets::Fingerprint;
pub use entry::{
    Change, ChangeKind, Entry, MAX_TEXT, Mark, MarkMade, Photo, Recorded, RecordedChange,
};
pub use error::RecordError;
pub use export::Format;
pub use file::Checked;
pub use photos::{Keep, Policy};
pub use record::{MAX_PAGE, Record};
pub use schema::SCHEMA_VERSION;
pub use search::Query;
