//! Many samples in a file.
//!
//! A file of samples is an array of records of [`RECORD_BYTES`]: sample number N lies at N times
//! that. A record is, all numbers little-endian,
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `EADS` once the rest is complete |
//! | 4 | CRC-32 of the cache's key, the sample's number (u64) and the rest |
//! | rest | the sample |
//!
//! The first eight bytes are written last: a process that is killed leaves a record without them.
//! What a power cut leaves otherwise is found out by the checksum when the record is read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use efficientad_files::{check_regular, lock_alone, write_atomically};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::PretrainingError;
use crate::record::{Record, SAMPLE_BYTES};

const MARK: [u8; 4] = *b"EADS";
const HEAD_BYTES: usize = 8;
/// Bytes of a sample on disk.
pub const RECORD_BYTES: u64 = (HEAD_BYTES + SAMPLE_BYTES) as u64;
/// Digits of the key in a folder's name.
const NAME_DIGITS: usize = 16;

/// A cache's key: the SHA-256 of what its samples are made from.
type Key = [u8; 32];

/// The samples of one backbone, one set of photos and one way of drawing samples.
pub(crate) struct Cache {
    folder: PathBuf,
    /// Samples to learn from.
    pub train: RecordFile,
    /// Photos held back.
    pub held_back: RecordFile,
}

impl Cache {
    /// Opens the cache of samples that are made from `origin` in `root`, making it if need be.
    pub(crate) fn open(root: &Path, origin: &impl Serialize) -> Result<Self, PretrainingError> {
        let in_root = |source: io::Error| cache_error(root, source);
        let description =
            serde_json::to_string_pretty(origin).map_err(|error| in_root(error.into()))?;
        let key: Key = Sha256::digest(&description).into();
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = root.join(&digits[..NAME_DIGITS]);
        fs::create_dir_all(&folder).map_err(|source| cache_error(&folder, source))?;
        // For people who wonder what the folder is.
        let about = folder.join("origin.json");
        if !about.exists() {
            write_atomically(&about, |file| writeln!(file, "{description}"))
                .map_err(|source| cache_error(&about, source))?;
        }
        Ok(Self {
            train: RecordFile::open(folder.join("samples.bin"), key)?,
            held_back: RecordFile::open(folder.join("held_back.bin"), key)?,
            folder,
        })
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps other processes from filling the cache until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File, PretrainingError> {
        let path = self.folder.join("lock");
        let file = open(&path, OpenOptions::new().create(true).truncate(false).write(true))?;
        match lock_alone(&file) {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                Err(PretrainingError::CacheInUse { path: self.folder.clone() })
            }
            Err(fs::TryLockError::Error(source)) => Err(cache_error(&path, source)),
        }
    }
}

/// Opens a file of the cache, unless it is none.
fn open(path: &Path, options: &OpenOptions) -> Result<File, PretrainingError> {
    let opened = check_regular(path).and_then(|()| options.open(path));
    opened.map_err(|source| cache_error(path, source))
}

fn cache_error(path: &Path, source: io::Error) -> PretrainingError {
    PretrainingError::Cache { path: path.to_owned(), source }
}

/// A file of records.
pub(crate) struct RecordFile {
    path: PathBuf,
    file: Mutex<File>,
    key: Key,
}

impl RecordFile {
    fn open(path: PathBuf, key: Key) -> Result<Self, PretrainingError> {
        let mut options = OpenOptions::new();
        let file = open(&path, options.create(true).truncate(false).read(true).write(true))?;
        Ok(Self { path, file: Mutex::new(file), key })
    }

    /// Whether a record was completed; whether it is sound shows when it is read.
    pub(crate) fn has(&self, number: usize) -> Result<bool, PretrainingError> {
        let mut mark = [0; MARK.len()];
        Ok(self.read_at(number, &mut mark)? && mark == MARK)
    }

    /// A record, if it is there and sound.
    pub(crate) fn read(&self, number: usize) -> Result<Option<Record>, PretrainingError> {
        let mut bytes = vec![0; RECORD_BYTES as usize];
        if !self.read_at(number, &mut bytes)? {
            return Ok(None);
        }
        let sample = bytes.split_off(HEAD_BYTES);
        Ok((bytes == self.head(number, &sample)).then(|| Record::from_bytes(sample)))
    }

    /// Writes a record.
    pub(crate) fn write(&self, number: usize, record: &Record) -> Result<(), PretrainingError> {
        let head = self.head(number, record.as_bytes());
        let start = number as u64 * RECORD_BYTES;
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&[0; HEAD_BYTES])?;
            file.write_all(record.as_bytes())?;
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&head)
        };
        self.with_file(write)
    }

    fn head(&self, number: usize, sample: &[u8]) -> [u8; HEAD_BYTES] {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.key);
        sum.update(&(number as u64).to_le_bytes());
        sum.update(sample);
        let [a, b, c, d] = MARK;
        let [e, f, g, h] = sum.finalize().to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// Fills `bytes` from the start of a record; whether the file reaches so far.
    fn read_at(&self, number: usize, bytes: &mut [u8]) -> Result<bool, PretrainingError> {
        let read = |file: &mut File| {
            file.seek(SeekFrom::Start(number as u64 * RECORD_BYTES))?;
            match file.read_exact(bytes) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.with_file(read)
    }

    fn with_file<R>(
        &self,
        work: impl FnOnce(&mut File) -> io::Result<R>,
    ) -> Result<R, PretrainingError> {
        // What a panic in the middle left is found out as what a killed process left.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut file).map_err(|source| cache_error(&self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: usize) -> Record {
        Record::from_bytes((0..SAMPLE_BYTES).map(|i| ((i + seed) % 251) as u8).collect())
    }

    #[test]
    fn records_return_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &"origin").unwrap();
        cache.train.write(2, &record(2)).unwrap();
        cache.train.write(0, &record(0)).unwrap();
        let again = Cache::open(folder.path(), &"origin").unwrap();
        for (number, there) in [(0, true), (1, false), (2, true), (3, false)] {
            assert_eq!(again.train.has(number).unwrap(), there);
            let read = again.train.read(number).unwrap();
            assert_eq!(read.is_some(), there);
            assert!(read.is_none_or(|read| read.as_bytes() == record(number).as_bytes()));
        }
        assert!(!again.held_back.has(0).unwrap());
        let other = Cache::open(folder.path(), &"another").unwrap();
        assert!(!other.train.has(0).unwrap());
    }

    #[test]
    fn a_damaged_or_misplaced_record_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &"origin").unwrap();
        (0..2).for_each(|number| cache.train.write(number, &record(number)).unwrap());
        let path = cache.folder().join("samples.bin");
        let whole = fs::read(&path).unwrap();
        for at in [0, 5, HEAD_BYTES, RECORD_BYTES as usize - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(cache.train.read(0).unwrap().is_none(), "byte {at}");
            assert!(cache.train.read(1).unwrap().is_some());
        }
        let (first, second) = whole.split_at(RECORD_BYTES as usize);
        fs::write(&path, [second, first].concat()).unwrap();
        assert!(cache.train.read(0).unwrap().is_none() && cache.train.read(1).unwrap().is_none());
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(cache.train.has(1).unwrap() && cache.train.read(1).unwrap().is_none());
    }

    #[test]
    fn one_process_fills_a_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &"origin").unwrap();
        let lock = cache.lock().unwrap();
        let again = Cache::open(folder.path(), &"origin").unwrap();
        assert!(matches!(again.lock(), Err(PretrainingError::CacheInUse { .. })));
        drop(lock);
        assert!(again.lock().is_ok());
    }
}
