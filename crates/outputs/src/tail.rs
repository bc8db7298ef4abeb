//! The log of a line as records, and the file that says which of them were delivered.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use efficientad_files::{read_limited, write_atomically};
use efficientad_stream::{Follower, Position, StreamError};
use serde::{Deserialize, Serialize};

use crate::error::OutputError;
use crate::record::{Events, Record};
use crate::state::{LineLog, LineState};

/// Longest file of a position that is read, in bytes; names of photos are what is long in it.
const MAX_FILE: u64 = 4 << 20;

/// How far a log was delivered, and what it says up to there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delivered {
    #[serde(flatten)]
    pub position: Position,
    pub state: LineState,
}

/// A record on its way.
pub(crate) struct Item {
    /// Which tail it is of.
    pub tail: usize,
    pub record: Record,
    /// What is delivered with it.
    pub behind: Delivered,
}

/// The log of a line, read as records.
pub(crate) struct Tail {
    pub log: LineLog,
    follower: Follower,
    /// Up to what was read.
    state: LineState,
    pub delivered: Delivered,
    /// Whether the file says so.
    is_kept: bool,
    file: PathBuf,
    /// Why the log could not be read when it was last tried.
    trouble: Option<String>,
}

impl Tail {
    /// Opens a log where an earlier process was; `true` if that is not to be found in it.
    pub fn open(file: PathBuf, log: LineLog) -> Result<(Self, bool), OutputError> {
        let kept = read(&file)?;
        let (follower, is_same) = Follower::resume(&log.log, &kept.position)?;
        let delivered = if is_same { kept } else { Delivered::default() };
        let state = delivered.state.clone();
        let is_kept = true;
        let tail = Self { log, follower, state, delivered, is_kept, file, trouble: None };
        Ok((tail, !is_same))
    }

    /// Appends the records of some lines, at most so many, to the queue; whether there may be more,
    /// and what is wrong, once.
    pub fn fill(
        &mut self,
        tail: usize,
        at_most: usize,
        events: Events,
        queue: &mut VecDeque<Item>,
    ) -> (bool, Option<String>) {
        match self.read(tail, at_most, events, queue) {
            Ok(is_more) => {
                self.trouble = None;
                (is_more, None)
            }
            Err(error) => {
                // Behind a damaged line there may be others.
                let reason = error.to_string();
                let is_new = self.trouble.as_ref() != Some(&reason);
                self.trouble = Some(reason.clone());
                (is_new, is_new.then_some(reason))
            }
        }
    }

    fn read(
        &mut self,
        tail: usize,
        at_most: usize,
        events: Events,
        queue: &mut VecDeque<Item>,
    ) -> Result<bool, StreamError> {
        let mut unsent = None;
        let Self { log, follower, state, .. } = self;
        let read = follower.read_some(at_most, |line, position| {
            let record = state.pass(log, &line, position);
            let behind = Delivered { position: *position, state: state.clone() };
            if let Some(record) = record.filter(|record| events.wants(record.event)) {
                queue.push_back(Item { tail, record, behind });
            } else if let Some(last) = queue.iter_mut().rfind(|item| item.tail == tail) {
                last.behind = behind;
            } else {
                unsent = Some(behind);
            }
        });
        if let Some(behind) = unsent {
            self.deliver(behind, None);
        }
        read.map(|read| read == at_most)
    }

    /// Notes that all is delivered up to there, the last of it a record as it was sent.
    pub fn deliver(&mut self, mut behind: Delivered, record: Option<Record>) {
        let before = &mut self.delivered.state;
        let is_late = record.as_ref().is_some_and(|record| record.late);
        behind.state.counters.late = before.counters.late.saturating_add(is_late.into());
        // The state was noted when the log was read; how old the verdict was is known since it was
        // sent.
        let as_sent = [record, before.last.take()].into_iter().flatten();
        if let Some(last) = &mut behind.state.last
            && let Some(sent) = as_sent.into_iter().find(|sent| sent.sequence == last.sequence)
        {
            *last = sent;
        }
        self.delivered = behind;
        self.is_kept = false;
    }

    /// Writes down what was delivered, if that is not in the file.
    pub fn keep(&mut self) -> Result<(), OutputError> {
        if self.is_kept {
            return Ok(());
        }
        self.follower.sync()?;
        let failed =
            |source| OutputError::File { path: self.file.clone(), action: "written", source };
        let text = serde_json::to_vec(&self.delivered).map_err(|error| failed(error.into()))?;
        let write = |to: &mut io::BufWriter<fs::File>| to.write_all(&text);
        write_atomically(&self.file, write).map_err(failed)?;
        self.is_kept = true;
        Ok(())
    }
}

/// What a file says; nothing was delivered if there is none.
fn read(file: &Path) -> Result<Delivered, OutputError> {
    let bytes = read_if_there(file, MAX_FILE).map_err(|source| OutputError::File {
        path: file.to_owned(),
        action: "read",
        source,
    })?;
    let Some(bytes) = bytes else { return Ok(Delivered::default()) };
    serde_json::from_slice(&bytes).map_err(|error| OutputError::NotAPosition {
        path: file.to_owned(),
        reason: error.to_string(),
    })
}

/// What a short file holds; `None` if there is none.
pub(crate) fn read_if_there(path: &Path, at_most: u64) -> io::Result<Option<Vec<u8>>> {
    match read_limited(path, at_most) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some),
    }
}

/// A name as a part of a file's name: other characters than letters, digits, `-` and `_` are their
/// bytes in hexadecimal digits, each behind a `%`, so that no two names are one file.
pub(crate) fn file_name(name: &str) -> String {
    let mut safe = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => safe.push(byte.into()),
            _ => safe += &format!("%{byte:02X}"),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_lead_elsewhere() {
        assert_eq!(file_name("lids-2_a"), "lids-2_a");
        assert_eq!(file_name("../a b.c"), "%2E%2E%2Fa%20b%2Ec");
        assert_ne!(file_name("ä"), file_name("a"));
    }

    #[test]
    fn a_file_that_is_no_position_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.position");
        assert_eq!(read(&path).unwrap(), Delivered::default());
        for content in ["", "{", "{\"offset\":1}", "path,score\n"] {
            fs::write(&path, content).unwrap();
            assert!(matches!(read(&path), Err(OutputError::NotAPosition { .. })), "{content}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        fs::write(&path, vec![b' '; MAX_FILE as usize + 1]).unwrap();
        assert!(matches!(read(&path), Err(OutputError::File { .. })));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read(&path), Err(OutputError::File { .. })));
    }
}
