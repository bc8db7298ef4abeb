//! The log of a watcher in another process, read as it grows.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use efficientad_files::open_regular;
use same_file::Handle;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entry::{Key, Line};
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
    position: Position,
}

/// How far a log was read: up to the end of a whole line. A later process goes on there, see
/// [`Follower::resume`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from the beginning of the log up to there.
    pub offset: u64,
    /// Lines up to there.
    pub lines: u64,
    /// The first line of the log, which tells logs apart.
    pub first: LineHash,
    /// The line that ends there.
    pub last: LineHash,
    /// Where that line begins, in bytes.
    pub last_offset: u64,
}

/// Names a line of a log in 16 bytes: the beginning of the SHA-256 of its bytes, with the line break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LineHash(Key);

impl LineHash {
    /// Of the bytes of a line, with its line break.
    pub fn of(line: &[u8]) -> Self {
        Self(Key::of(Sha256::new_with_prefix(line)))
    }
}

impl fmt::Display for LineHash {
    /// Its 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.digits())
    }
}

impl From<LineHash> for String {
    fn from(hash: LineHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for LineHash {
    type Error = &'static str;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        Key::parse(&digits).map(Self).ok_or("not 32 hexadecimal digits")
    }
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

    /// Goes on to follow a log from where an earlier [`Follower`] was. `false` if the log at the path
    /// is another one, or has lost its end to a power cut: it is followed from its beginning.
    ///
    /// # Errors
    /// As [`Follower::open`].
    pub fn resume(
        path: impl Into<PathBuf>,
        position: &Position,
    ) -> Result<(Self, bool), StreamError> {
        let mut follower = Self::open(path)?;
        let failed =
            |source| StreamError::Log { path: follower.path.clone(), action: "read", source };
        let is_same = match &mut follower.open {
            Some(open) if open.matches(position).map_err(failed)? => {
                open.position = *position;
                true
            }
            _ => *position == Position::default(),
        };
        Ok((follower, is_same))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far it has read the log that it follows now.
    pub fn position(&self) -> Position {
        self.open.as_ref().map(|open| open.position).unwrap_or_default()
    }

    /// Forces what was written of the log to the disk: a position that is kept must not lead behind
    /// the end of the log after a power cut. Systems that don't allow it to those who only read
    /// (Windows) do nothing.
    ///
    /// # Errors
    /// The operating system could not.
    pub fn sync(&self) -> Result<(), StreamError> {
        let Some(open) = self.open.as_ref().filter(|_| cfg!(unix)) else { return Ok(()) };
        open.file.as_file().sync_data().map_err(|source| StreamError::Log {
            path: self.path.clone(),
            action: "written",
            source,
        })
    }

    /// Gives all whole lines that were not given before, the first ones first.
    ///
    /// # Errors
    /// The log can't be read, another file at its path is none, or a line is none of a log; the next
    /// call goes on behind such a line.
    pub fn read(&mut self, mut visit: impl FnMut(Line)) -> Result<(), StreamError> {
        self.read_some(usize::MAX, |line, _| visit(line)).map(drop)
    }

    /// As [`Follower::read`], but so many lines at most, each with the position behind it; how many
    /// there were.
    ///
    /// # Errors
    /// As [`Follower::read`].
    pub fn read_some(
        &mut self,
        at_most: usize,
        mut visit: impl FnMut(Line, &Position),
    ) -> Result<usize, StreamError> {
        let mut read = 0;
        loop {
            if let Some(open) = &mut self.open {
                read += open.read(&self.path, at_most - read, &mut visit)?;
            }
            if read == at_most {
                return Ok(read);
            }
            match self.another()? {
                Some(open) => self.open = Some(open),
                None => return Ok(read),
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
            if length >= open.position.offset {
                return Ok(None);
            }
        }
        if !may_be_log(&self.path).map_err(failed)? {
            return Err(StreamError::NotALog(self.path.clone()));
        }
        Ok(Some(Open { file, position: Position::default() }))
    }
}

impl Open {
    fn read(
        &mut self,
        path: &Path,
        at_most: usize,
        visit: &mut impl FnMut(Line, &Position),
    ) -> Result<usize, StreamError> {
        let failed = |source| StreamError::Log { path: path.to_owned(), action: "read", source };
        let mut reader = reader_at(&self.file, self.position.offset).map_err(failed)?;
        let mut bytes = Vec::new();
        for read in 0..at_most {
            if !read_line(&mut reader, &mut bytes).map_err(failed)? {
                return Ok(read);
            }
            self.position.pass(&bytes);
            let line = serde_json::from_slice(&bytes).map_err(|error| StreamError::Damaged {
                path: path.to_owned(),
                line: self.position.lines,
                reason: error.to_string(),
            })?;
            visit(line, &self.position);
        }
        Ok(at_most)
    }

    /// Whether the log is the one that the position is of, and reaches there.
    fn matches(&self, position: &Position) -> io::Result<bool> {
        let line_at = |offset| {
            let mut bytes = Vec::new();
            let is_whole = read_line(&mut reader_at(&self.file, offset)?, &mut bytes)?;
            Ok::<_, io::Error>((is_whole, LineHash::of(&bytes), bytes.len() as u64))
        };
        let (is_whole, first, _) = line_at(0)?;
        let (last_is_whole, last, length) = line_at(position.last_offset)?;
        let ends = position.last_offset.checked_add(length) == Some(position.offset);
        let is_same = first == position.first && last == position.last;
        Ok(is_whole && last_is_whole && is_same && ends)
    }
}

impl Position {
    /// Goes on behind a line.
    fn pass(&mut self, line: &[u8]) {
        self.last = LineHash::of(line);
        self.last_offset = self.offset;
        self.offset += line.len() as u64;
        if self.lines == 0 {
            self.first = self.last;
        }
        self.lines = self.lines.saturating_add(1);
    }
}

fn reader_at(file: &Handle, offset: u64) -> io::Result<BufReader<&File>> {
    let mut file = file.as_file();
    file.seek(SeekFrom::Start(offset))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Reads a line with its break, or the longest start of one that is read; `false` if its end is not
/// there yet.
fn read_line(reader: &mut BufReader<&File>, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    reader.by_ref().take(MAX_LINE).read_until(b'\n', bytes)?;
    Ok(bytes.ends_with(b"\n") || bytes.len() as u64 == MAX_LINE)
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

    #[test]
    fn a_later_process_goes_on_where_an_earlier_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        append(&path, &(line(1) + &line(2) + &line(3)));
        let mut follower = Follower::open(&path).unwrap();
        let mut positions = vec![follower.position()];
        assert_eq!(follower.read_some(2, |_, position| positions.push(*position)).unwrap(), 2);
        assert_eq!(follower.position(), positions[2]);
        assert_eq!((positions[2].lines, positions[2].offset), (2, 2 * line(1).len() as u64));
        for (known, &position) in positions.iter().enumerate() {
            let kept = serde_json::to_string(&position).unwrap();
            let kept = serde_json::from_str(&kept).unwrap();
            let (mut follower, is_same) = Follower::resume(&path, &kept).unwrap();
            let rest: Vec<_> = (known as i64 + 1..=3).collect();
            assert_eq!(seconds(&mut follower), rest);
            assert!(is_same);
            assert_eq!(follower.position().lines, 3);
            follower.sync().unwrap();
        }
    }

    #[test]
    fn a_position_of_another_log_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        append(&path, &(line(1) + &line(2)));
        let mut follower = Follower::open(&path).unwrap();
        follower.read(|_| {}).unwrap();
        let position = follower.position();
        // Another log, one whose end was lost and written anew, one that lost its end, and none.
        let first = line(1);
        let others = [Some(line(2) + &line(2)), Some(first.clone() + &line(3)), Some(first), None];
        for other in others {
            fs::remove_file(&path).unwrap();
            other.iter().for_each(|text| append(&path, text));
            let (mut follower, is_same) = Follower::resume(&path, &position).unwrap();
            assert!(!is_same, "{other:?}");
            let lines = other.map_or(0, |text| text.lines().count());
            assert_eq!(seconds(&mut follower).len(), lines, "all of it");
            append(&path, "");
        }
    }
}
