//! The tables, and how those of older files become those of today.
//!
//! `user_version` is the version of the tables. A version once published is never changed: a new one
//! is a further text in [`MIGRATIONS`], which brings a file from the version before to its own, keeps
//! every verdict, mark and change, and is done at opening, in one transaction. A new file goes the
//! same way from nothing.

use rusqlite::Connection;

/// The version of the tables that this program writes.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// "EADR": says that an SQLite file is such a record (`application_id`, bytes 68 to 71).
pub(crate) const APPLICATION_ID: u32 = 0x4541_4452;

/// The text at place `n` makes version `n + 1` of version `n`.
const MIGRATIONS: [&str; 1] = ["
CREATE TABLE entries (
    id           INTEGER PRIMARY KEY,
    time_ms      INTEGER NOT NULL,
    model        TEXT NOT NULL,
    model_sha256 BLOB NOT NULL,
    path         TEXT NOT NULL,
    score        REAL NOT NULL,
    anomalous    INTEGER,
    p_value      REAL,
    region_count INTEGER,
    regions      TEXT,
    engine       TEXT NOT NULL,
    threshold    REAL,
    client       TEXT NOT NULL,
    elapsed_ms   REAL NOT NULL,
    photo_sha256 BLOB NOT NULL
) STRICT;
CREATE INDEX entries_by_time ON entries (time_ms);
CREATE INDEX entries_by_model ON entries (model);
CREATE INDEX rejects ON entries (anomalous) WHERE anomalous = 1;

CREATE TABLE marks (
    id      INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    entry   INTEGER NOT NULL REFERENCES entries (id),
    mark    TEXT NOT NULL,
    who     TEXT NOT NULL
) STRICT;
CREATE INDEX marks_by_entry ON marks (entry);

CREATE TABLE changes (
    id      INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    who     TEXT NOT NULL,
    model   TEXT NOT NULL,
    what    TEXT NOT NULL,
    why     TEXT NOT NULL,
    before  TEXT,
    after   TEXT
) STRICT;

CREATE TABLE photos (
    sha256  BLOB PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX photos_by_time ON photos (time_ms);
CREATE TABLE photos_total (bytes INTEGER NOT NULL) STRICT;
INSERT INTO photos_total VALUES (0);
CREATE TRIGGER photo_added AFTER INSERT ON photos BEGIN
    UPDATE photos_total SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER photo_removed AFTER DELETE ON photos BEGIN
    UPDATE photos_total SET bytes = bytes - old.bytes;
END;
"];

/// Brings tables of an older version up to date.
pub(crate) fn migrate(connection: &mut Connection, version: u32) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for text in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(text)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}
