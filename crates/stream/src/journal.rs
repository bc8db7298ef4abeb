//! The log: the single truth about what was judged.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use efficientad_datasets::is_image;
use efficientad_files::{check_regular, lock_alone, open_regular, sync_folder_of};
use jiff::Timestamp;

use crate::entry::{EVENTS, Entry, Line};
use crate::error::StreamError;

/// Longest line that is read, in bytes; paths and reasons are far shorter.
pub(crate) const MAX_LINE: u64 = 1 << 20;

/// How every line begins, and what stands between its time and the kind of what happened.
const LINE_START: &str = r#"{"time":""#;
const BEFORE_EVENT: &str = r#","event":""#;

/// An append-only file of [`Line`]s as JSON, one a line, that one watcher writes at a time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Its length up to the end of the last whole line.
    length: u64,
    is_synced: bool,
    /// Locked as long as this lives; the file stays behind, for removing it would be a race.
    _lock: File,
}

impl Journal {
    /// Opens the log or begins it. The start of a line that a crash or a power cut left at the end
    /// is cut off; its length in bytes is returned. Nothing is changed or made before the file is
    /// recognised as a log, by its first line.
    ///
    /// # Errors
    /// The file is no log, another watcher has it, or it can't be opened or repaired.
    pub fn open(path: &Path) -> Result<(Self, u64), StreamError> {
        let failed =
            |action| move |source| StreamError::Log { path: path.to_owned(), action, source };
        if !may_be_log(path).map_err(failed("read"))? {
            return Err(StreamError::NotALog(path.to_owned()));
        }
        if is_image(path) {
            return Err(StreamError::LogLikePhoto(path.to_owned()));
        }
        let lock = lock_file(path)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(path).map_err(failed("opened"))?;
        sync_folder_of(path);
        let all = file.metadata().map_err(failed("read"))?.len();
        let length = whole_lines(&mut file, all).map_err(failed("read"))?;
        if length < all {
            file.set_len(length).map_err(failed("repaired"))?;
        }
        let journal = Self { path: path.to_owned(), file, length, is_synced: false, _lock: lock };
        Ok((journal, all - length))
    }

    /// Reads all lines from the first on; memory is taken for one at a time.
    ///
    /// # Errors
    /// The log can't be read, or a line is none of a log.
    pub fn replay(&mut self, mut visit: impl FnMut(Entry)) -> Result<(), StreamError> {
        let path = &self.path;
        let failed = |source| StreamError::Log { path: path.clone(), action: "read", source };
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, &self.file);
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(failed)?;
            if bytes.is_empty() {
                break;
            }
            let line: Line = serde_json::from_slice(&bytes).map_err(|error| {
                let reason = error.to_string();
                StreamError::Damaged { path: path.clone(), line: number, reason }
            })?;
            visit(line.entry);
        }
        Ok(())
    }

    /// Appends a line in one write. It outlives the end of this process, however it comes; a power
    /// cut only after [`sync`](Self::sync).
    ///
    /// # Errors
    /// It can't be written; what was written of it is taken back.
    pub fn append(&mut self, entry: Entry) -> Result<Line, StreamError> {
        let line = Line { time: now(), entry };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            self.file.write_all(&bytes)?;
            Ok(bytes.len() as u64)
        });
        match written {
            Ok(bytes) => {
                self.length += bytes;
                self.is_synced = false;
                Ok(line)
            }
            Err(source) => {
                // If this fails too, the next start repairs the log.
                let _ = self.file.set_len(self.length);
                Err(self.failed("written", source))
            }
        }
    }

    /// Forces all lines to the disk.
    ///
    /// # Errors
    /// The operating system could not.
    pub fn sync(&mut self) -> Result<(), StreamError> {
        if !self.is_synced {
            self.file.sync_data().map_err(|source| self.failed("written", source))?;
            self.is_synced = true;
        }
        Ok(())
    }

    fn failed(&self, action: &'static str, source: io::Error) -> StreamError {
        StreamError::Log { path: self.path.clone(), action, source }
    }
}

/// Whether a file is a log, as its first line tells, or what a crash may have left of one, or not
/// there at all.
pub(crate) fn may_be_log(path: &Path) -> io::Result<bool> {
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let mut first = Vec::new();
    BufReader::new(file).take(MAX_LINE).read_until(b'\n', &mut first)?;
    if first.ends_with(b"\n") {
        return Ok(serde_json::from_slice::<Line>(&first).is_ok());
    }
    // The first line was torn, or a power cut left blocks that were never written.
    let is_unwritten = first.iter().all(|&byte| byte == 0);
    let is_short = (first.len() as u64) < MAX_LINE;
    Ok(is_short && (is_unwritten || may_be_torn(&String::from_utf8_lossy(&first))))
}

/// Whether a text is the start of a line of a log, as far as it goes.
fn may_be_torn(text: &str) -> bool {
    if serde_json::from_str::<serde_json::Value>(text).is_ok() {
        // All but the line break.
        return serde_json::from_str::<Line>(text).is_ok();
    }
    let Some(text) = text.strip_prefix(LINE_START) else { return LINE_START.starts_with(text) };
    let Some((time, text)) = text.split_once('"') else {
        return text.bytes().all(|byte| byte.is_ascii_digit() || b"-T:.Z".contains(&byte));
    };
    if time.parse::<Timestamp>().is_err() {
        return false;
    }
    let Some(text) = text.strip_prefix(BEFORE_EVENT) else { return BEFORE_EVENT.starts_with(text) };
    match text.split_once('"') {
        Some((event, _)) => EVENTS.contains(&event),
        None => EVENTS.iter().any(|event| event.starts_with(text)),
    }
}

fn now() -> Timestamp {
    // Milliseconds are enough to read, and shorter.
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Locks `LOG.lock`, not the log itself: on Windows a locked file can't be read by others.
fn lock_file(log: &Path) -> Result<File, StreamError> {
    let mut path = log.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let failed = |source| StreamError::Log { path: path.clone(), action: "locked", source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = check_regular(&path).and_then(|()| options.open(&path)).map_err(failed)?;
    match lock_alone(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StreamError::InUse(log.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The length of a file of `length` bytes up to its last line break.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    const BLOCK: u64 = 4096;
    let mut end = length;
    let mut block = [0; BLOCK as usize];
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entries(journal: &mut Journal) -> usize {
        let mut entries = 0;
        journal.replay(|_| entries += 1).unwrap();
        entries
    }

    #[test]
    fn a_torn_line_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let (mut journal, cut) = Journal::open(&path).unwrap();
        assert_eq!(cut, 0);
        journal.append(Entry::Stopped).unwrap();
        journal.append(Entry::Stopped).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for length in first..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut journal, cut) = Journal::open(&path).unwrap();
            assert_eq!(cut, (length - first) as u64);
            assert_eq!(entries(&mut journal), 1);
            journal.append(Entry::Stopped).unwrap();
            journal.sync().unwrap();
            assert_eq!(entries(&mut journal), 2);
        }
        // What a power cut may leave: blocks that were never written.
        fs::write(&path, [&whole[..], &[0; 10_000]].concat()).unwrap();
        let (mut journal, cut) = Journal::open(&path).unwrap();
        assert_eq!((entries(&mut journal), cut), (2, 10_000));
    }

    #[test]
    fn a_damaged_line_is_named_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let stopped = "{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"stopped\"}\n";
        let overlong = format!("{}\n", "x".repeat(2 << 20));
        for damage in ["{}\n", "\n", "path,score\n", &overlong] {
            let text = format!("{stopped}{damage}{stopped}");
            fs::write(&path, &text).unwrap();
            let (mut journal, _) = Journal::open(&path).unwrap();
            let error = journal.replay(|_| {}).unwrap_err();
            assert!(matches!(error, StreamError::Damaged { line: 2, .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_is_no_log_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let long = vec![b'x'; 2 << 20];
        let files: [&[u8]; 10] = [
            b"{\"camera\": 1}\n{\"camera\": 2}\nlast line without a break",
            b"{\"camera\": 1}",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\n",
            b"{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"lunch\"}\n",
            b"{\"time\":\"x\",\"level\":\"info\",\"message\":\"keep me\"}",
            b"{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"login\",\"user\":\"b",
            b"{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"stopped\",\"time\":1}",
            b"{}",
            &long,
        ];
        for content in files {
            fs::write(&path, content).unwrap();
            let error = Journal::open(&path).unwrap_err();
            assert!(matches!(&error, StreamError::NotALog(named) if *named == path), "{error}");
            assert!(fs::read(&path).unwrap() == content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made");
        }
    }

    #[test]
    fn a_log_is_not_called_like_a_photo() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.png");
        assert!(matches!(Journal::open(&path), Err(StreamError::LogLikePhoto(log)) if log == path));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    }

    #[test]
    fn all_kinds_of_events_are_known() {
        let line = r#"{"time":"2026-11-24T11:00:01Z","event":"none"}"#;
        let error = serde_json::from_str::<Line>(line).unwrap_err().to_string();
        let names = EVENTS.map(|event| format!("`{event}`")).join(", ");
        assert!(error.contains(&format!("expected one of {names}")), "{error}");
    }

    #[test]
    fn a_first_line_that_was_torn_is_the_start_of_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let torn = "{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"started\",\"program_v";
        let starts = (0..torn.len()).map(|length| &torn[..length]);
        let whole = "{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"stopped\"}";
        for content in starts.chain([torn, whole, "\0\0\0\0"]) {
            fs::write(&path, content).unwrap();
            let (mut journal, cut) = Journal::open(&path).unwrap();
            assert_eq!((entries(&mut journal), cut), (0, content.len() as u64));
        }
    }

    #[test]
    fn one_watcher_has_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(StreamError::InUse(log)) if log == path));
        drop(first);
        Journal::open(&path).unwrap();
    }
}
