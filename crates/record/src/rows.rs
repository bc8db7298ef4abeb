//! Entries, marks and changes as rows of the tables.

use efficientad_datasets::Fingerprint;
use efficientad_evaluation::Verdict;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entry::{Change, ChangeKind, Entry, Mark, MarkMade, Recorded, RecordedChange};

/// What [`recorded`] reads.
pub(crate) const SELECT_ENTRIES: &str = "\
    SELECT id, time_ms, model, model_sha256, path, score, anomalous, p_value, region_count, regions, \
    engine, threshold, client, elapsed_ms, photo_sha256, \
    EXISTS (SELECT 1 FROM photos WHERE sha256 = photo_sha256), \
    (SELECT mark FROM marks WHERE entry = entries.id ORDER BY marks.id DESC LIMIT 1) \
    FROM entries";

/// Writes an entry.
pub(crate) fn insert_entry(
    connection: &Connection,
    entry: &Entry,
    photo: Fingerprint,
) -> rusqlite::Result<i64> {
    let Verdict { score, anomalous, p_value, region_count, ref regions } = entry.verdict;
    connection.execute(
        "INSERT INTO entries (time_ms, model, model_sha256, path, score, anomalous, p_value, \
         region_count, regions, engine, threshold, client, elapsed_ms, photo_sha256) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            entry.time.as_millisecond(),
            entry.model,
            entry.model_sha256.0,
            entry.path,
            score,
            anomalous,
            p_value,
            region_count,
            regions.as_ref().map(json).transpose()?,
            json(&entry.engine)?,
            entry.threshold,
            entry.client,
            entry.elapsed_ms,
            photo.0,
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

/// An entry of [`SELECT_ENTRIES`].
pub(crate) fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    let regions: Option<String> = row.get(9)?;
    let verdict = Verdict {
        score: row.get(5)?,
        anomalous: row.get(6)?,
        p_value: row.get(7)?,
        region_count: row.get(8)?,
        regions: regions.map(|text| parse(9, &text)).transpose()?,
    };
    let mark: Option<String> = row.get(16)?;
    Ok(Recorded {
        id: row.get(0)?,
        entry: Entry {
            time: time(row, 1)?,
            model: row.get(2)?,
            model_sha256: Fingerprint(row.get(3)?),
            path: row.get(4)?,
            verdict,
            engine: parse(10, &row.get::<_, String>(10)?)?,
            threshold: row.get(11)?,
            client: row.get(12)?,
            elapsed_ms: row.get(13)?,
        },
        photo_sha256: Fingerprint(row.get(14)?),
        photo_kept: row.get(15)?,
        mark: mark.map(|name| named(16, &name, Mark::of_name)).transpose()?,
    })
}

/// Writes a mark, if there is such an entry.
pub(crate) fn insert_mark(
    connection: &Connection,
    entry: i64,
    made: &MarkMade,
) -> rusqlite::Result<i64> {
    let rows = connection.execute(
        "INSERT INTO marks (time_ms, entry, mark, who) \
         SELECT ?1, id, ?3, ?4 FROM entries WHERE id = ?2",
        params![made.time.as_millisecond(), entry, made.mark.name(), made.who],
    )?;
    if rows == 0 {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    }
    Ok(connection.last_insert_rowid())
}

/// All marks of an entry, the first first.
pub(crate) fn marks(connection: &Connection, entry: i64) -> rusqlite::Result<Vec<MarkMade>> {
    let sql = "SELECT time_ms, mark, who FROM marks WHERE entry = ?1 ORDER BY id";
    let mark = |row: &Row<'_>| {
        let mark = named(1, &row.get::<_, String>(1)?, Mark::of_name)?;
        Ok(MarkMade { time: time(row, 0)?, mark, who: row.get(2)? })
    };
    connection.prepare(sql)?.query_map([entry], mark)?.collect()
}

/// Writes a change.
pub(crate) fn insert_change(connection: &Connection, change: &Change) -> rusqlite::Result<i64> {
    let Change { time, who, model, what, why, before, after } = change;
    connection.execute(
        "INSERT INTO changes (time_ms, who, model, what, why, before, after) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![time.as_millisecond(), who, model, what.name(), why, before, after],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Changes below a number, the last first.
pub(crate) fn changes(
    connection: &Connection,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Vec<RecordedChange>> {
    let sql = "SELECT id, time_ms, who, model, what, why, before, after FROM changes \
               WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let change = |row: &Row<'_>| {
        let change = Change {
            time: time(row, 1)?,
            who: row.get(2)?,
            model: row.get(3)?,
            what: named(4, &row.get::<_, String>(4)?, ChangeKind::of_name)?,
            why: row.get(5)?,
            before: row.get(6)?,
            after: row.get(7)?,
        };
        Ok(RecordedChange { id: row.get(0)?, change })
    };
    connection.prepare(sql)?.query_map(params![before, limit], change)?.collect()
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn parse<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| damaged(column, error))
}

fn named<T>(column: usize, name: &str, of: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    of(name).ok_or_else(|| damaged(column, format!("{name:?} means nothing")))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| damaged(column, error))
}

/// A value that no program of this version wrote.
fn damaged(
    column: usize,
    reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
}
