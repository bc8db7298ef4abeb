//! The record as a whole.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use efficientad_datasets::Fingerprint;
use efficientad_evaluation::Verdict;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::entry::{Change, Entry, Mark, MarkMade, Photo, Recorded, RecordedChange, check_text};
use crate::error::RecordError;
use crate::export::{Exporter, Format};
use crate::file::{self, Checked};
use crate::photos::{self, Photos, Policy};
use crate::rows;
use crate::search::{Part, Query, last_id};
use crate::writer::Writer;

/// Entries or changes that one call returns at most.
pub const MAX_PAGE: usize = 1000;

/// How long the file is checked when it is opened.
const CHECK_TIME: Duration = Duration::from_millis(500);

/// A record of verdicts. Clones share it, and any number of threads may write and read at once.
#[derive(Clone, Debug)]
pub struct Record(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    checked: Checked,
    photos: Arc<Photos>,
    /// Connections that nobody reads from just now.
    readers: Mutex<Vec<Connection>>,
    writer: Writer,
    /// Held until all else is closed.
    _lock: File,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last one to be closed tidies up, which only the writer may.
        self.readers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Record {
    /// Opens the record of this path, or begins it. Its photos are in the folder `PATH.photos`.
    ///
    /// # Errors
    /// The file is no record or of a later version, damaged as far as half a second shows, open in
    /// another process, or can't be opened or made. It is then left as it is.
    pub fn open(path: impl AsRef<Path>, policy: Policy) -> Result<Self, RecordError> {
        let path = path.as_ref().to_owned();
        file::recognise(&path)?;
        let lock = file::lock(&path)?;
        // Another process may have begun it in between.
        if !file::recognise(&path)? {
            file::create(&path)?;
        }
        let (connection, checked) = file::open(&path, CHECK_TIME)?;
        let photos = Arc::new(Photos::open(file::beside(&path, ".photos"), policy)?);
        let writer = Writer::start(connection, path.clone(), Arc::clone(&photos))
            .map_err(RecordError::file(&path, "written"))?;
        let readers = Mutex::default();
        Ok(Self(Arc::new(Inner { path, checked, photos, readers, writer, _lock: lock })))
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How far the file was checked when it was opened.
    pub fn checked(&self) -> Checked {
        self.0.checked
    }

    /// Checks the whole file, however long that takes; writing goes on meanwhile.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] if something is wrong.
    pub fn check(&self) -> Result<(), RecordError> {
        let mut connection = self.reader()?;
        file::check(self.path(), &mut connection, None).map(drop)
    }

    /// What last kept old photos from being deleted; `None` once they are. It is tried again every
    /// minute.
    pub fn trouble(&self) -> Option<String> {
        self.0.photos.trouble()
    }

    /// Whether the policy asks for the photo of a verdict to be kept.
    pub fn keeps(&self, verdict: &Verdict, photo: Photo<'_>) -> bool {
        photo.bytes.is_some_and(|bytes| self.0.photos.policy().keeps(verdict, bytes))
    }

    /// Records a verdict, keeps the photo if the policy asks for it, and returns the entry's number
    /// when both outlive a power cut. Calls from many threads share what a disk takes for that; where
    /// too many wait, this waits too.
    ///
    /// # Errors
    /// A field can't be recorded, or the disk is full or fails. Then the entry counts as not
    /// recorded, but for a photo that can't be given its place: its entry is there without it.
    pub fn add(&self, entry: Entry, photo: Photo<'_>) -> Result<i64, RecordError> {
        entry.check()?;
        let photos = &self.0.photos;
        let kept = photo.bytes.filter(|_| self.keeps(&entry.verdict, photo));
        let incoming = kept.map(|bytes| photos.write(photo, bytes)).transpose()?;
        let (sha256, bytes) = (photo.sha256, kept.map(<[u8]>::len));
        let id = self.write(move |connection| {
            if let Some(bytes) = bytes {
                photos::record(connection, sha256, entry.time, bytes)?;
            }
            rows::insert_entry(connection, &entry, sha256)
        })?;
        incoming.map_or(Ok(()), |incoming| incoming.settle())?;
        id.ok_or(RecordError::Ended)
    }

    /// Records what a person says of an entry's photo; what was said before is kept.
    ///
    /// # Errors
    /// There is no such entry, or as [`add`](Self::add).
    pub fn mark(&self, entry: i64, mark: Mark, who: &str) -> Result<(), RecordError> {
        check_text("who", who)?;
        let made = MarkMade { time: Timestamp::now(), mark, who: who.to_owned() };
        let row = self.write(move |connection| rows::insert_mark(connection, entry, &made))?;
        row.map(drop).ok_or(RecordError::NoSuchEntry(entry))
    }

    /// Records a change of a threshold or model; returns its number.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_change(&self, change: Change) -> Result<i64, RecordError> {
        change.check()?;
        let row = self.write(move |connection| rows::insert_change(connection, &change))?;
        row.ok_or(RecordError::Ended)
    }

    /// An entry.
    ///
    /// # Errors
    /// There is no such entry, or the record can't be read.
    pub fn get(&self, id: i64) -> Result<Recorded, RecordError> {
        let query = Query::default();
        let part = Part::Between(id.saturating_sub(1), id);
        let found = self.read(|connection| query.entries(connection, part, 1))?;
        found.into_iter().next().ok_or(RecordError::NoSuchEntry(id))
    }

    /// Entries, the last ones first, [`MAX_PAGE`] at most. The next page are those `before` the last
    /// number of this one; none or fewer than `limit` are the end.
    ///
    /// # Errors
    /// The record can't be read.
    pub fn search(
        &self,
        query: &Query,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Recorded>, RecordError> {
        let part = Part::Before(before.unwrap_or(i64::MAX));
        self.read(|connection| query.entries(connection, part, limit.min(MAX_PAGE)))
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// The record can't be read.
    pub fn count(&self, query: &Query) -> Result<u64, RecordError> {
        self.read(|connection| query.count(connection))
    }

    /// Writes entries, the first ones first, and returns how many. Those that come in meanwhile are
    /// left out. Memory is taken for a thousand at a time, whatever their number, and nothing waits
    /// for a slow reader.
    ///
    /// # Errors
    /// The record can't be read, or `out` not be written.
    pub fn export(
        &self,
        query: &Query,
        format: Format,
        out: impl Write,
    ) -> Result<u64, RecordError> {
        let mut exporter = Exporter::new(format, out)?;
        let last = self.read(last_id)?;
        let (mut after, mut written) = (0, 0);
        loop {
            let part = Part::Between(after, last);
            let entries = self.read(|connection| query.entries(connection, part, MAX_PAGE))?;
            entries.iter().try_for_each(|entry| exporter.write(entry))?;
            written += entries.len() as u64;
            match entries.last() {
                Some(entry) if entries.len() == MAX_PAGE => after = entry.id,
                _ => break,
            }
        }
        exporter.flush()?;
        Ok(written)
    }

    /// All marks of an entry, the first one first.
    ///
    /// # Errors
    /// The record can't be read.
    pub fn marks(&self, entry: i64) -> Result<Vec<MarkMade>, RecordError> {
        self.read(|connection| rows::marks(connection, entry))
    }

    /// Changes, the last ones first, in pages as [`search`](Self::search) has them.
    ///
    /// # Errors
    /// The record can't be read.
    pub fn changes(
        &self,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RecordedChange>, RecordError> {
        let before = before.unwrap_or(i64::MAX);
        self.read(|connection| rows::changes(connection, before, limit.min(MAX_PAGE)))
    }

    /// The bytes of a photo; `None` if it was not kept, or is not any more.
    ///
    /// # Errors
    /// It can't be read, or is not any more what it was.
    pub fn photo(&self, sha256: Fingerprint) -> Result<Option<Vec<u8>>, RecordError> {
        let size = self.read(|connection| photos::size(connection, sha256))?;
        size.map_or(Ok(None), |bytes| self.0.photos.read(sha256, bytes))
    }

    fn write(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<i64> + Send + 'static,
    ) -> Result<Option<i64>, RecordError> {
        self.0.writer.write(work)
    }

    /// Reads by a connection of its own, which does not wait for the writer.
    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, RecordError> {
        let connection = self.reader()?;
        let found = read(&connection).map_err(|error| self.failed_to_read(&error))?;
        self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(found)
    }

    fn reader(&self) -> Result<Connection, RecordError> {
        let idle = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => file::open_to_read(self.path()).map_err(|error| self.failed_to_read(&error)),
        }
    }

    fn failed_to_read(&self, error: &rusqlite::Error) -> RecordError {
        RecordError::database(self.path(), "read")(error)
    }
}
