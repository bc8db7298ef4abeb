//! The log of a watcher in another process, read as it grows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use efficientad_files::open_regular;
use same_file::Handle;

use crate::entry::Line;
use crate::error::StreamError;
use crate::journal::{MAX_LINE, may_be_log};

/// Reads the lines that another process appends to a log, each once, and never writes.
///
/// A line whose end is not there yet waits for it, and may be cut off meanwhile. A log that is moved
/// away is read to its end, and then the one that lies at its path; one that was cut shorter is read
/// from its beginning.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// Held open, so that no other file can pass for this one.
    file: Handle,
    /// Up to the end of the last whole line.
    position: u64,
    /// Whole lines up to there.
    lines: u64,
}

impl Follower {
    /// Begins to follow a log, which may not be there yet.
    ///
    /// # Errors
    /// There is something else than a log, or it can't be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StreamError> {
        let mut follower = Self { path: path.into(), open: None };
        follower.open = follower.another()?;
        Ok(follower)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives all whole lines that were not given before, the first ones first.
    ///
    /// # Errors
    /// The log can't be read, another file at its path is none, or a line is none of a log; the next
    /// call goes on behind such a line.
    pub fn read(&mut self, mut visit: impl FnMut(Line)) -> Result<(), StreamError> {
        loop {
            if let Some(open) = &mut self.open {
                open.read(&self.path, &mut visit)?;
            }
            match self.another()? {
                Some(open) => self.open = Some(open),
                None => return Ok(()),
            }
        }
    }

    /// The file at the path, if it is another one than that which is open, or was cut shorter.
    fn another(&self) -> Result<Option<Open>, StreamError> {
        let failed = |source| StreamError::Log { path: self.path.clone(), action: "read", source };
        let file = match open_regular(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.and_then(Handle::from_file).map_err(failed)?,
        };
        if let Some(open) = self.open.as_ref().filter(|open| open.file == file) {
            let length = file.as_file().metadata().map_err(failed)?.len();
            if length >= open.position {
                return Ok(None);
            }
        }
        if !may_be_log(&self.path).map_err(failed)? {
            return Err(StreamError::NotALog(self.path.clone()));
        }
        Ok(Some(Open { file, position: 0, lines: 0 }))
    }
}

impl Open {
    fn read(&mut self, path: &Path, visit: &mut impl FnMut(Line)) -> Result<(), StreamError> {
        let failed = |source| StreamError::Log { path: path.to_owned(), action: "read", source };
        let mut file: &File = self.file.as_file();
        file.seek(SeekFrom::Start(self.position)).map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(failed)?;
            if !bytes.ends_with(b"\n") && (bytes.len() as u64) < MAX_LINE {
                return Ok(());
            }
            self.position += bytes.len() as u64;
            self.lines += 1;
            let line = serde_json::from_slice(&bytes).map_err(|error| StreamError::Damaged {
                path: path.to_owned(),
                line: self.lines,
                reason: error.to_string(),
            })?;
            visit(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::{self, OpenOptions};
    use std::io::Write;

    fn line(second: u32) -> String {
        format!("{{\"time\":\"2026-11-24T11:00:{second:02}Z\",\"event\":\"stopped\"}}\n")
    }

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The seconds of all lines that are new.
    fn seconds(follower: &mut Follower) -> Vec<i64> {
        let mut seconds = Vec::new();
        let second = |line: Line| seconds.push(line.time.as_second() % 60);
        follower.read(second).unwrap();
        seconds
    }

    #[test]
    fn every_whole_line_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut follower = Follower::open(&path).unwrap();
        assert!(seconds(&mut follower).is_empty(), "it is not there yet");
        append(&path, &(line(1) + &line(2) + &line(3)[..20]));
        assert_eq!(seconds(&mut follower), [1, 2], "the third one is on its way");
        append(&path, &line(3)[20..]);
        assert_eq!(seconds(&mut follower), [3]);
        // What a crash left of a line is cut off by the next watcher.
        append(&path, &line(4)[..20]);
        assert!(seconds(&mut follower).is_empty());
        let whole = 3 * line(1).len() as u64;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(whole).unwrap();
        append(&path, &line(5));
        assert_eq!(seconds(&mut follower), [5]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made");
    }

    #[test]
    fn a_log_that_is_moved_away_is_read_to_its_end_and_then_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        append(&path, &line(1));
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(seconds(&mut follower), [1]);
        append(&path, &line(2));
        fs::rename(&path, folder.path().join("old.jsonl")).unwrap();
        append(&path, &line(3));
        assert_eq!(seconds(&mut follower), [2, 3]);
        fs::remove_file(&path).unwrap();
        assert!(seconds(&mut follower).is_empty());
        append(&path, &line(4));
        assert_eq!(seconds(&mut follower), [4]);
        fs::write(&path, "").unwrap();
        append(&path, "");
        assert!(seconds(&mut follower).is_empty());
        append(&path, &line(5));
        assert_eq!(seconds(&mut follower), [5], "it was emptied");
    }

    #[test]
    fn a_line_that_is_none_is_named_and_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        append(&path, &(line(1) + "path,score\n" + &line(2)));
        let mut follower = Follower::open(&path).unwrap();
        let mut lines = 0;
        let error = follower.read(|_| lines += 1).unwrap_err();
        assert!(matches!(error, StreamError::Damaged { line: 2, .. }), "{error}");
        assert_eq!((lines, seconds(&mut follower)), (1, vec![2]));
        fs::remove_file(&path).unwrap();
        append(&path, "{\"camera\": 1}\n");
        assert!(matches!(follower.read(|_| {}), Err(StreamError::NotALog(_))));
        assert!(matches!(Follower::open(&path), Err(StreamError::NotALog(_))));
    }
}
