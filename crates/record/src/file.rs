//! The record's file. Nothing is changed or made before it is recognised, by the head that every
//! SQLite file has, as a record of a version that is known.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use efficientad_files::{check_regular, lock_alone, open_regular, write_atomically};
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use crate::error::RecordError;
use crate::schema::{APPLICATION_ID, SCHEMA_VERSION, migrate};

/// How long a process waits for another program, such as `sqlite3`, that writes.
const BUSY: Duration = Duration::from_secs(5);
/// Bytes that the log of changes keeps on the disk.
const WAL_BYTES: i64 = 16 << 20;
/// The program looks at the clock after so many steps of SQLite's machine.
const CLOCK_STEPS: i32 = 1000;

/// How far the file was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// All of it: nothing is wrong.
    Whole,
    /// As much as its time allowed: nothing is wrong with that part.
    Partly,
}

/// A path with something added to its last part.
pub(crate) fn beside(path: &Path, added: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(added);
    name.into()
}

/// Locks `FILE.lock`, as long as the file returned lives. It stays behind, for removing it would be a
/// race.
pub(crate) fn lock(record: &Path) -> Result<File, RecordError> {
    let path = beside(record, ".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = check_regular(&path)
        .and_then(|()| options.open(&path))
        .map_err(RecordError::file(&path, "locked"))?;
    match lock_alone(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecordError::InUse(record.to_owned())),
        Err(TryLockError::Error(source)) => Err(RecordError::file(&path, "locked")(source)),
    }
}

/// Finds out whether a record can be at this path; returns whether there is one.
pub(crate) fn recognise(path: &Path) -> Result<bool, RecordError> {
    let failed = |source| RecordError::file(path, "read")(source);
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        file => Some(file.map_err(failed)?),
    };
    let mut head = Vec::new();
    if let Some(file) = file {
        file.take(100).read_to_end(&mut head).map_err(failed)?;
    }
    if head.is_empty() {
        return nothing_left_behind(path).map(|()| false);
    }
    let number = |at: usize| {
        let bytes = head.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    if !head.starts_with(b"SQLite format 3\0") || number(68) != Some(APPLICATION_ID) {
        return Err(RecordError::NotARecord(path.to_owned()));
    }
    refuse_newer(path, number(60).unwrap_or_default()).map(|()| true)
}

/// SQLite would take changes that are left of another file for changes of a new one.
fn nothing_left_behind(path: &Path) -> Result<(), RecordError> {
    let left = ["-wal", "-journal"].map(|added| beside(path, added));
    match left.into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(RecordError::LeftBehind(path)),
        None => Ok(()),
    }
}

fn refuse_newer(path: &Path, version: u32) -> Result<(), RecordError> {
    if version > SCHEMA_VERSION {
        let path = path.to_owned();
        return Err(RecordError::Newer { path, version, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Writes a record of no entries, whole or not at all.
pub(crate) fn create(path: &Path) -> Result<(), RecordError> {
    let content = || {
        let mut connection = Connection::open_in_memory()?;
        migrate(&mut connection, 0)?;
        connection.serialize(MAIN_DB).map(|data| data.to_vec())
    };
    let content = content().map_err(|error| RecordError::database(path, "made")(&error))?;
    write_atomically(path, |file| file.write_all(&content)).map_err(RecordError::file(path, "made"))
}

/// Opens a record to write to it: looks for damage as long as is allowed, then brings it up to date.
pub(crate) fn open(path: &Path, limit: Duration) -> Result<(Connection, Checked), RecordError> {
    let failed = |error: rusqlite::Error| RecordError::database(path, "opened")(&error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags).map_err(failed)?;
    // The head of the file may be older than what is in the log of changes.
    let version = version(&connection).map_err(failed)?;
    refuse_newer(path, version)?;
    let checked = check(path, &mut connection, Some(limit))?;
    prepare(&connection).map_err(failed)?;
    if version < SCHEMA_VERSION {
        migrate(&mut connection, version).map_err(failed)?;
    }
    Ok((connection, checked))
}

/// Opens a record to read it.
pub(crate) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Changes go to a log first, and are on the disk when a transaction has ended.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)
}

/// Looks for damage, page by page, for as long as is allowed.
pub(crate) fn check(
    path: &Path,
    connection: &mut Connection,
    limit: Option<Duration>,
) -> Result<Checked, RecordError> {
    let failed = |error: rusqlite::Error| RecordError::database(path, "checked")(&error);
    if let Some(limit) = limit {
        let started = Instant::now();
        connection
            .progress_handler(CLOCK_STEPS, Some(move || started.elapsed() >= limit))
            .map_err(failed)?;
    }
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>).map_err(failed)?;
    match found {
        Ok(text) if text == "ok" => Ok(Checked::Whole),
        Ok(reason) => Err(RecordError::Damaged { path: path.to_owned(), reason }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Ok(Checked::Partly)
        }
        Err(error) => Err(failed(error)),
    }
}
