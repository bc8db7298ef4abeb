//! The folder of photos, and what is deleted of it.
//!
//! A photo is first written under `incoming`, then recorded, then given its place, and only then is
//! its verdict acknowledged. So what a killed process leaves is a row without a file, which is deleted
//! as any other when its time comes, or a file under `incoming`, which the next start removes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use efficientad_datasets::Fingerprint;
use efficientad_evaluation::Verdict;
use efficientad_files::{open_regular, sync_folder_of};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::entry::Photo;
use crate::error::RecordError;

/// Which photos are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    All,
    /// Those that are anomalous.
    #[default]
    Rejects,
    /// None.
    None,
}

/// Which photos are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which.
    pub keep: Keep,
    /// Bytes of all photos together. Where there are more, the oldest are deleted until nine tenths
    /// are left; a photo that is larger by itself is not kept.
    pub max_bytes: u64,
    /// Age at which photos are deleted; `None` for never.
    pub max_age: Option<Duration>,
}

impl Default for Policy {
    /// Rejects, 10 GiB of them.
    fn default() -> Self {
        Self { keep: Keep::default(), max_bytes: 10 << 30, max_age: None }
    }
}

impl Policy {
    /// Whether the photo of this verdict is kept.
    pub(crate) fn keeps(&self, verdict: &Verdict, bytes: &[u8]) -> bool {
        let is_wanted = match self.keep {
            Keep::All => true,
            Keep::Rejects => verdict.anomalous == Some(true),
            Keep::None => false,
        };
        is_wanted && bytes.len() as u64 <= self.max_bytes
    }
}

/// Rows that are deleted at a time.
const TIDY_ROWS: usize = 256;

/// The folder.
#[derive(Debug)]
pub(crate) struct Photos {
    folder: PathBuf,
    policy: Policy,
    /// Photos of verdicts that are being recorded, and how often: they are not deleted.
    pinned: Mutex<HashMap<Fingerprint, usize>>,
    /// What last kept photos from being deleted.
    trouble: Mutex<Option<String>>,
}

/// A photo on its way into the folder; nothing of it is left when this is dropped.
pub(crate) struct Incoming<'p> {
    photos: &'p Photos,
    sha256: Fingerprint,
    /// Where it lies now; `None` if the folder has it already.
    file: Option<PathBuf>,
}

impl Photos {
    /// Removes what a killed process left.
    pub(crate) fn open(folder: PathBuf, policy: Policy) -> Result<Self, RecordError> {
        let photos = Self { folder, policy, pinned: Mutex::default(), trouble: Mutex::default() };
        let incoming = photos.incoming();
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RecordError::file(&incoming, "emptied")(error))
            }
            _ => Ok(photos),
        }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// Writes a photo to the disk, but not yet to its place.
    pub(crate) fn write(
        &self,
        photo: Photo<'_>,
        bytes: &[u8],
    ) -> Result<Incoming<'_>, RecordError> {
        let sha256 = photo.sha256;
        *lock(&self.pinned).entry(sha256).or_default() += 1;
        let mut incoming = Incoming { photos: self, sha256, file: None };
        if self.place(sha256).symlink_metadata().is_err() {
            static COUNTER: AtomicU64 = AtomicU64::new(0);
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = self.incoming().join(format!("{sha256}-{number}"));
            fs::create_dir_all(self.incoming()).map_err(RecordError::file(&path, "written"))?;
            incoming.file = Some(path.clone());
            let written = File::create_new(&path).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(RecordError::file(&path, "written"))?;
        }
        Ok(incoming)
    }

    /// The bytes of a photo of this size; `None` if it is not there any more.
    pub(crate) fn read(
        &self,
        sha256: Fingerprint,
        bytes: u64,
    ) -> Result<Option<Vec<u8>>, RecordError> {
        let path = self.place(sha256);
        let failed = |source| RecordError::file(&path, "read")(source);
        let file = match open_regular(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut content = Vec::new();
        file.take(bytes.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
        if Photo::of(&content).sha256 != sha256 {
            let reason = "its SHA-256 is not that of its name".to_owned();
            return Err(RecordError::Damaged { path, reason });
        }
        Ok(Some(content))
    }

    /// Whether there are more bytes than allowed.
    pub(crate) fn is_over_limit(&self, connection: &Connection) -> bool {
        total(connection).is_ok_and(|bytes| bytes > self.policy.max_bytes)
    }

    /// Deletes photos that are too many or too old, the oldest first. Failures are kept for
    /// [`trouble`](Self::trouble), and tried again.
    pub(crate) fn tidy(&self, connection: &mut Connection, record: &Path) {
        let result = self.delete_oldest(connection, record);
        *lock(&self.trouble) = result.err().map(|error| error.to_string());
    }

    fn delete_oldest(&self, connection: &mut Connection, record: &Path) -> Result<(), RecordError> {
        let failed = |error: rusqlite::Error| RecordError::database(record, "tidied")(&error);
        let bytes = total(connection).map_err(failed)?;
        let mut too_many = match bytes > self.policy.max_bytes {
            true => bytes - self.policy.max_bytes / 10 * 9,
            false => 0,
        };
        let too_old = self.too_old();
        loop {
            let mut deleted = 0;
            let transaction = connection.transaction().map_err(failed)?;
            for OldPhoto { sha256, time_ms, bytes } in oldest(&transaction).map_err(failed)? {
                if (too_many > 0 || time_ms < too_old) && self.remove(sha256)? {
                    transaction
                        .execute("DELETE FROM photos WHERE sha256 = ?1", [sha256.0])
                        .map_err(failed)?;
                    too_many = too_many.saturating_sub(bytes);
                    deleted += 1;
                }
            }
            transaction.commit().map_err(failed)?;
            if deleted < TIDY_ROWS {
                return Ok(());
            }
        }
    }

    /// Photos from before this time are too old.
    fn too_old(&self) -> i64 {
        let now = Timestamp::now().as_millisecond();
        self.policy.max_age.map_or(i64::MIN, |age| {
            now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Removes a photo's file, unless the photo is just being recorded again.
    fn remove(&self, sha256: Fingerprint) -> Result<bool, RecordError> {
        let pinned = lock(&self.pinned);
        if pinned.contains_key(&sha256) {
            return Ok(false);
        }
        let path = self.place(sha256);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RecordError::file(&path, "deleted")(error))
            }
            _ => Ok(true),
        }
    }

    fn incoming(&self) -> PathBuf {
        self.folder.join("incoming")
    }

    fn place(&self, sha256: Fingerprint) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(&name[..2]).join(name)
    }
}

impl Incoming<'_> {
    /// Gives the photo its place, for good.
    pub(crate) fn settle(mut self) -> Result<(), RecordError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let place = self.photos.place(self.sha256);
        let folder = place.parent().unwrap_or(&place);
        fs::create_dir_all(folder)
            .and_then(|()| fs::rename(&file, &place))
            .map_err(RecordError::file(&place, "written"))?;
        sync_folder_of(folder);
        sync_folder_of(&place);
        Ok(())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Already on the way out with the error that matters; the next start removes it.
            let _ = fs::remove_file(file);
        }
        let mut pinned = lock(&self.photos.pinned);
        if let Some(times) = pinned.get_mut(&self.sha256) {
            *times -= 1;
            if *times == 0 {
                pinned.remove(&self.sha256);
            }
        }
    }
}

/// Records that the folder has a photo, or has it again.
pub(crate) fn record(
    connection: &Connection,
    sha256: Fingerprint,
    time: Timestamp,
    bytes: usize,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO photos (sha256, time_ms, bytes) VALUES (?1, ?2, ?3) \
         ON CONFLICT (sha256) DO UPDATE SET time_ms = max(time_ms, excluded.time_ms)",
        params![sha256.0, time.as_millisecond(), bytes],
    )?;
    Ok(())
}

/// The size of a photo that the folder has.
pub(crate) fn size(connection: &Connection, sha256: Fingerprint) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT bytes FROM photos WHERE sha256 = ?1";
    connection.prepare(sql)?.query_map([sha256.0], |row| row.get(0))?.next().transpose()
}

fn total(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT bytes FROM photos_total", [], |row| row.get(0))
}

struct OldPhoto {
    sha256: Fingerprint,
    time_ms: i64,
    bytes: u64,
}

fn oldest(connection: &Connection) -> rusqlite::Result<Vec<OldPhoto>> {
    let sql = "SELECT sha256, time_ms, bytes FROM photos ORDER BY time_ms LIMIT ?1";
    let photo = |row: &rusqlite::Row<'_>| {
        let sha256 = Fingerprint(row.get(0)?);
        Ok(OldPhoto { sha256, time_ms: row.get(1)?, bytes: row.get(2)? })
    };
    connection.prepare(sql)?.query_map([TIDY_ROWS], photo)?.collect()
}

/// What the lock protects is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
