//! Why something can't be recorded or read.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a record can't be opened, written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file that is to be the record holds something else.
    #[error(
        "{}: this file exists and is not a record of verdicts; it is left as it is: name another \
         file for the record", .0.display()
    )]
    NotARecord(PathBuf),
    /// A later program wrote it.
    #[error(
        "{}: this record is of version {version}, and this program knows versions up to {known}; it \
         is left as it is: use the newer program, or name another file", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The latest that is known.
        known: u32,
    },
    /// Another process has it.
    #[error(
        "{}: another process has this record open; stop it, or name another file", .0.display()
    )]
    InUse(PathBuf),
    /// Files of SQLite lie beside a place that has no record.
    #[error(
        "{}: this file is left of a record that is not there any more; put the record back, or \
         move this file away", .0.display()
    )]
    LeftBehind(PathBuf),
    /// The file is damaged.
    #[error(
        "{}: the record is damaged ({reason}); it is left as it is: put a copy in its place, or save \
         what can be read with `sqlite3 FILE .recover`", path.display()
    )]
    Damaged {
        /// The file, or the photo.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// There is no room left.
    #[error("{}: the disk is full; make room, and what comes next is recorded", .0.display())]
    Full(PathBuf),
    /// A file or folder can't be opened, read or written.
    #[error("{}: cannot be {action} ({source})", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// SQLite can't do it.
    #[error("{}: the record cannot be {action} ({reason})", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What SQLite says.
        reason: String,
    },
    /// A value that can't be recorded.
    #[error("the field {field} {reason}; it is not recorded")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such entry.
    #[error("there is no entry {0} in the record")]
    NoSuchEntry(i64),
    /// An export can't be written to where it is to go.
    #[error("the export cannot be written ({0})")]
    Export(#[from] io::Error),
    /// The thread that writes has ended.
    #[error("nothing more is recorded: the thread that writes has ended; start the program anew")]
    Ended,
}

impl RecordError {
    /// What SQLite says about the record of this path.
    pub(crate) fn database(
        path: &Path,
        action: &'static str,
    ) -> impl Fn(&rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| {
            let (path, reason) = (path.clone(), error.to_string());
            match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Self::Full(path),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Self::Damaged { path, reason }
                }
                _ => Self::Database { path, action, reason },
            }
        }
    }

    /// What the operating system says about a file.
    pub(crate) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Self::Full(path.to_owned()),
            _ => Self::File { path: path.to_owned(), action, source },
        }
    }
}
