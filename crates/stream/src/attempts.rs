//! Which photos were being judged when the program was killed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use efficientad_files::check_regular;

use crate::entry::Key;
use crate::error::StreamError;

/// From how many kills on a photo is not tried any more.
pub const MAX_KILLS: u32 = 2;
/// Length in bytes at which the file is written anew.
const MAX_LENGTH: u64 = 1 << 16;

/// A file beside the log that names the photos in work. It outlives a kill of the process and is
/// not forced to the disk, for what a power cut interrupts is not a photo's fault.
///
/// A line is `KEY KILLS IN_WORK`: of a photo the last one counts.
#[derive(Debug)]
pub struct Attempts {
    path: PathBuf,
    file: File,
    length: u64,
    /// Photos that were in work when the process was killed last, and have no line in the log.
    interrupted: u64,
    current: HashMap<Key, Attempt>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// How often the process was killed while the photo was in work.
    kills: u32,
    is_in_work: bool,
}

impl Attempts {
    /// Opens `LOG.attempts`, or begins it. Photos that are done by the log are forgotten. What it says stays
    /// as it is until [`Attempts::keep_interrupted`] or [`Attempts::forget_interrupted`], one of which
    /// comes next.
    ///
    /// # Errors
    /// It can't be read or written, or holds something else.
    pub fn open(log: &Path, is_done: impl Fn(Key) -> bool) -> Result<Self, StreamError> {
        let mut path = log.as_os_str().to_owned();
        path.push(".attempts");
        let path = PathBuf::from(path);
        let failed = |action| {
            let path = path.clone();
            move |source| StreamError::Log { path, action, source }
        };
        check_regular(&path).map_err(failed("read"))?;
        let old = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(failed("read"))?,
        };
        if !old.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b' ' | b'\n' | 0)) {
            return Err(StreamError::NotALog(path));
        }
        let mut current = last_attempts(&old);
        current.retain(|&key, _| !is_done(key));
        let interrupted = current.values().filter(|attempt| attempt.is_in_work).count() as u64;
        current.retain(|_, attempt| {
            attempt.kills += u32::from(attempt.is_in_work);
            attempt.is_in_work = false;
            attempt.kills > 0
        });
        let options = OpenOptions::new().append(true).create(true).open(&path);
        let file = options.map_err(failed("opened"))?;
        Ok(Self { path, file, length: 0, interrupted, current })
    }

    /// How many photos were in work when the process was killed last, and have no line in the log.
    pub fn interrupted(&self) -> u64 {
        self.interrupted
    }

    /// Keeps them in mind: they come again.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep_interrupted(&mut self) -> Result<(), StreamError> {
        self.rewrite()
    }

    /// Forgets them: they won't come again, and are counted.
    ///
    /// # Errors
    /// It can't be written.
    pub fn forget_interrupted(&mut self) -> Result<(), StreamError> {
        self.current.clear();
        self.rewrite()
    }

    /// How often the process was killed while this photo was in work.
    pub fn kills(&self, key: Key) -> u32 {
        self.current.get(&key).map_or(0, |attempt| attempt.kills)
    }

    /// Notes that a photo is about to be judged.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(&mut self, key: Key) -> Result<(), StreamError> {
        let attempt = self.current.entry(key).or_default();
        attempt.is_in_work = true;
        let line = line(key, *attempt);
        self.write(&line)
    }

    /// Notes that a photo was judged, or that reading it failed without harm.
    ///
    /// # Errors
    /// It can't be written.
    pub fn end(&mut self, key: Key) -> Result<(), StreamError> {
        if self.current.remove(&key).is_none() {
            return Ok(());
        }
        if self.current.is_empty() || self.length > MAX_LENGTH {
            return self.rewrite();
        }
        self.write(&line(key, Attempt::default()))
    }

    /// Removes the file: nothing is in work any more.
    pub fn close(&self) {
        // What stays behind names nothing that is not done.
        let _ = fs::remove_file(&self.path);
    }

    fn rewrite(&mut self) -> Result<(), StreamError> {
        let text: String = self.current.iter().map(|(&key, &attempt)| line(key, attempt)).collect();
        self.file.set_len(0).map_err(|source| self.failed(source))?;
        self.length = 0;
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> Result<(), StreamError> {
        self.file.write_all(text.as_bytes()).map_err(|source| self.failed(source))?;
        self.length += text.len() as u64;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> StreamError {
        StreamError::Log { path: self.path.clone(), action: "written", source }
    }
}

fn line(key: Key, attempt: Attempt) -> String {
    format!("{} {} {}\n", key.digits(), attempt.kills, u8::from(attempt.is_in_work))
}

/// The last line of each photo; what is no whole line is left out.
fn last_attempts(bytes: &[u8]) -> HashMap<Key, Attempt> {
    let parse = |line: &str| {
        let mut fields = line.split(' ');
        let key = Key::parse(fields.next()?)?;
        let kills = fields.next()?.parse().ok()?;
        let is_in_work = fields.next()? == "1";
        Some((key, Attempt { kills, is_in_work }))
    };
    String::from_utf8_lossy(bytes).lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::entry::PhotoFile;

    fn key(name: &str) -> Key {
        PhotoFile::new(Path::new(name), 1, Timestamp::UNIX_EPOCH).key()
    }

    struct Log(tempfile::TempDir);

    impl Log {
        fn open(&self, done: &[Key]) -> Attempts {
            let mut attempts = self.look(done);
            attempts.keep_interrupted().unwrap();
            attempts
        }

        fn look(&self, done: &[Key]) -> Attempts {
            Attempts::open(&self.0.path().join("log"), |key| done.contains(&key)).unwrap()
        }

        fn side_file(&self) -> PathBuf {
            self.0.path().join("log.attempts")
        }
    }

    #[test]
    fn kills_are_counted_for_photos_in_work() {
        let log = Log(tempfile::tempdir().unwrap());
        let [a, b, c] = ["a", "b", "c"].map(key);
        let mut attempts = log.open(&[]);
        [a, b, c].into_iter().for_each(|key| attempts.begin(key).unwrap());
        attempts.end(c).unwrap();
        drop(attempts);
        // Killed; b is in the log, for it was judged just before.
        let mut attempts = log.open(&[b]);
        assert_eq!([a, b, c].map(|key| attempts.kills(key)), [1, 0, 0]);
        attempts.begin(c).unwrap();
        drop(attempts);
        // Killed before a was tried again.
        let mut attempts = log.open(&[]);
        assert_eq!([a, b, c].map(|key| attempts.kills(key)), [1, 0, 1]);
        attempts.begin(a).unwrap();
        attempts.begin(c).unwrap();
        attempts.end(c).unwrap();
        drop(attempts);
        let mut attempts = log.open(&[]);
        assert_eq!([a, b, c].map(|key| attempts.kills(key)), [2, 0, 0]);
        attempts.end(a).unwrap();
        assert_eq!(fs::read(log.side_file()).unwrap(), b"");
        attempts.close();
        assert!(!log.side_file().exists());
    }

    #[test]
    fn photos_that_a_kill_interrupted_are_told_until_they_are_forgotten() {
        let log = Log(tempfile::tempdir().unwrap());
        let [a, b] = ["a", "b"].map(key);
        let mut attempts = log.open(&[]);
        [a, b].into_iter().for_each(|key| attempts.begin(key).unwrap());
        // Killed, and again before they are counted.
        for _ in 0..2 {
            assert_eq!(log.look(&[a]).interrupted(), 1);
        }
        let mut attempts = log.look(&[a]);
        attempts.forget_interrupted().unwrap();
        assert_eq!(log.look(&[a]).interrupted(), 0);
    }

    #[test]
    fn the_file_stays_small_and_a_torn_line_does_no_harm() {
        let log = Log(tempfile::tempdir().unwrap());
        let mut attempts = log.open(&[]);
        attempts.begin(key("first")).unwrap();
        for n in 0..5000 {
            attempts.begin(key(&n.to_string())).unwrap();
            attempts.end(key(&n.to_string())).unwrap();
        }
        assert!(fs::metadata(log.side_file()).unwrap().len() < 2 * MAX_LENGTH);
        drop(attempts);
        let whole = fs::read(log.side_file()).unwrap();
        fs::write(log.side_file(), [&whole[..], b"\0\0\0 0123", &[0; 100]].concat()).unwrap();
        assert_eq!(log.open(&[]).kills(key("first")), 1);
    }

    #[test]
    fn another_file_of_this_name_is_left_as_it_is() {
        let log = Log(tempfile::tempdir().unwrap());
        fs::write(log.side_file(), "my attempts\n").unwrap();
        let error = Attempts::open(&log.0.path().join("log"), |_| false).unwrap_err();
        assert!(matches!(error, StreamError::NotALog(path) if path == log.side_file()));
        assert_eq!(fs::read(log.side_file()).unwrap(), b"my attempts\n");
    }
}
