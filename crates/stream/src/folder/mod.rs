//! A folder that photos arrive in.

mod arrivals;
mod listing;
mod writers;

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use efficientad_evaluation::Frame;

use self::arrivals::Arrivals;
use self::listing::{Found, Listing, list};
use self::writers::{OpenFiles, ends_in_zeros, may_look_whole};
use crate::entry::PhotoFile;
use crate::error::StreamError;
use crate::known::Known;
use crate::source::{Arrival, Notice, Source, Supply};

pub use arrivals::PATIENCE;
pub(crate) use listing::modified;

/// Longest time between two looks into the folder, unless these take long.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Looking into the folder takes at most this part of the time in which there is nothing to judge.
const LOOK_SHARE: u32 = 20;

/// Which folder is watched, and how.
#[derive(Clone, Debug)]
pub struct HotFolderOptions {
    /// The folder.
    pub folder: PathBuf,
    /// A folder in it that is left out, for example that of rejects, as a path that begins with
    /// `folder`.
    pub left_out: Option<PathBuf>,
    /// How long a photo must not change before it counts as complete.
    pub settle: Duration,
    /// Whether to end once every photo in the folder is given.
    pub once: bool,
}

/// The photos in a folder and below it, each once it is complete.
#[derive(Debug)]
pub struct HotFolder {
    options: HotFolderOptions,
    arrivals: Arrivals,
    /// What the last look gave.
    supplies: VecDeque<Supply>,
    /// When the next look is due, and from when on it may come sooner.
    next_look: Instant,
    earliest_look: Instant,
    /// Whether the last look gave photos that were not judged before.
    gave_new: bool,
    /// Whether the last look found that all is done.
    is_done: bool,
    is_lost: bool,
    /// What was complained about already.
    told: HashSet<String>,
}

impl HotFolder {
    /// Before the first look.
    pub fn new(options: HotFolderOptions) -> Self {
        Self {
            arrivals: Arrivals::new(options.settle),
            options,
            supplies: VecDeque::new(),
            next_look: Instant::now(),
            earliest_look: Instant::now(),
            gave_new: false,
            is_done: false,
            is_lost: false,
            told: HashSet::new(),
        }
    }

    /// Lists the folder and takes what is new in it.
    fn look(&mut self, known: &Known) -> Result<(), StreamError> {
        let began = Instant::now();
        let listing = self.list()?;
        let took = began.elapsed();
        let mut new = Vec::new();
        for found in listing.photos {
            if !known.is_done(&found.photo) {
                new.push(found);
            } else if known.undelivered_verdict(&found.photo).is_some() {
                self.supplies.push_back(supply(found));
            }
        }
        let now = Instant::now();
        let ready = self.arrivals.observe(new, now);
        self.give_complete(ready, now);
        self.gave_new = self.arrivals.is_any_given();
        self.is_done = self.options.once && self.arrivals.is_empty();
        let earliest = now + took * LOOK_SHARE;
        let latest = earliest.max(now + LOOK_INTERVAL);
        self.next_look = self.arrivals.due().map_or(latest, |due| due.clamp(earliest, latest));
        self.earliest_look = earliest;
        Ok(())
    }

    /// When to look again: sooner as soon as all that were given are judged, for meanwhile others
    /// may have come.
    fn look_time(&self) -> Instant {
        if self.gave_new && !self.arrivals.is_any_given() {
            self.earliest_look
        } else {
            self.next_look
        }
    }

    /// Lists the folder; nothing if it is gone for a while.
    fn list(&mut self) -> Result<Listing, StreamError> {
        let HotFolderOptions { folder, left_out, once, .. } = &self.options;
        match list(folder, left_out.as_deref()) {
            Ok(listing) => {
                if self.is_lost {
                    self.is_lost = false;
                    self.supplies.push_back(Supply::Notice(Notice::Back));
                }
                let linked = listing.linked_folders.iter().map(|path| {
                    format!("{}: is a link to a folder, which is not followed", path.display())
                });
                let unread = listing.unread_pictures.by_extension().map(|(extension, _)| {
                    format!("{}: .{extension} pictures are not read", folder.display())
                });
                let notices = (listing.problems.iter().cloned().map(Notice::NotListed))
                    .chain(linked.chain(unread).map(Notice::Skipped));
                for notice in notices {
                    if self.told.insert(format!("{notice:?}")) {
                        self.supplies.push_back(Supply::Notice(notice));
                    }
                }
                Ok(listing)
            }
            Err(source) if *once => Err(StreamError::Folder { path: folder.clone(), source }),
            Err(error) => {
                if !self.is_lost {
                    self.is_lost = true;
                    self.supplies.push_back(Supply::Notice(Notice::Lost(error)));
                }
                Ok(Listing::default())
            }
        }
    }

    /// Gives those that nobody writes any more.
    ///
    /// Who opens a file for writing later changes its time when it writes, so that the verdict on
    /// what it was does not count: one look at the open files is enough.
    fn give_complete(&mut self, ready: Vec<Found>, now: Instant) {
        let doubtful = ready.iter().map(|found| found.path.as_path());
        let names: HashSet<&OsStr> =
            doubtful.filter(|path| may_look_whole(path)).filter_map(Path::file_name).collect();
        let open = OpenFiles::named(&names);
        for found in ready {
            let is_doubtful = may_look_whole(&found.path);
            let is_late = self.arrivals.has_waited_enough(&found.path, now);
            if is_doubtful && open.contains(&found.path) {
                if self.options.once && is_late {
                    self.arrivals.give(&found.path);
                    let reason = format!("{}: is still being written", found.path.display());
                    self.supplies.push_back(Supply::Lost(arrival(found), reason));
                } else {
                    self.arrivals.postpone(&found.path, now);
                }
            } else if is_doubtful && !is_late && ends_in_zeros(&found.path) {
                self.arrivals.postpone(&found.path, now);
            } else {
                self.arrivals.give(&found.path);
                self.supplies.push_back(supply(found));
            }
        }
    }
}

fn arrival(found: Found) -> Arrival {
    let Found { path, photo } = found;
    Arrival { photo, file: Some(path) }
}

fn supply(found: Found) -> Supply {
    let frame = Frame::File(Cow::Owned(found.path.clone()));
    Supply::Photo(arrival(found), frame)
}

impl Source for HotFolder {
    fn next(&mut self, known: &Known) -> Result<Supply, StreamError> {
        let mut has_looked = false;
        loop {
            match self.supplies.pop_front() {
                // It may have waited for its turn for a long time.
                Some(Supply::Photo(arrival, _)) if !self.is_unchanged(&arrival) => {
                    self.acknowledge(&arrival);
                }
                Some(supply) => return Ok(supply),
                None if self.is_done => return Ok(Supply::End),
                None => {
                    let until = self.look_time();
                    if has_looked || Instant::now() < until {
                        return Ok(Supply::Nothing { until: Some(until) });
                    }
                    self.look(known)?;
                    has_looked = true;
                }
            }
        }
    }

    fn is_unchanged(&self, arrival: &Arrival) -> bool {
        let is_same = |path| listing::is_unchanged(path, &arrival.photo);
        arrival.file.as_deref().is_some_and(is_same)
    }

    fn holds(&self, photo: &PhotoFile) -> bool {
        self.options.folder.join(photo.to_path()).exists()
    }

    fn retry(&mut self, arrival: &Arrival) -> bool {
        let (Some(path), now) = (&arrival.file, Instant::now()) else { return false };
        let is_hopeless = self.arrivals.has_waited_enough(path, now);
        if !is_hopeless {
            self.arrivals.postpone(path, now);
        }
        !is_hopeless
    }

    fn acknowledge(&mut self, arrival: &Arrival) {
        if let Some(path) = &arrival.file {
            self.arrivals.forget(path, &arrival.photo);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::thread::sleep;

    use super::*;

    const SETTLE: Duration = Duration::from_millis(20);

    struct Line {
        root: tempfile::TempDir,
        source: HotFolder,
    }

    impl Line {
        fn new(once: bool) -> Self {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().to_owned();
            let options = HotFolderOptions { folder, left_out: None, settle: SETTLE, once };
            Self { root, source: HotFolder::new(options) }
        }

        fn write(&self, name: &str, content: &[u8]) -> PathBuf {
            let path = self.root.path().join(name);
            fs::write(&path, content).unwrap();
            path
        }

        /// Waits for what comes next within `limit`.
        fn next(&mut self, limit: Duration) -> Option<Supply> {
            let start = Instant::now();
            while start.elapsed() < limit {
                match self.source.next(&Known::default()).unwrap() {
                    Supply::Nothing { .. } => sleep(Duration::from_millis(2)),
                    supply => return Some(supply),
                }
            }
            None
        }

        #[track_caller]
        fn expect_photo(&mut self, name: &str) -> Arrival {
            match self.next(Duration::from_secs(20)) {
                Some(Supply::Photo(arrival, _)) if arrival.photo.path == name => arrival,
                other => panic!("{other:?} instead of {name}"),
            }
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn each_photo_is_given_once_until_it_is_tried_again_or_acknowledged() {
        let mut line = Line::new(true);
        line.write("1.png", b"1");
        let first = line.expect_photo("1.png");
        assert!(line.next(SETTLE * 3).is_none(), "it is being judged");
        assert!(line.source.retry(&first));
        let again = line.expect_photo("1.png");
        line.write("1.png", b"other");
        assert!(!line.source.is_unchanged(&again));
        line.source.acknowledge(&again);
        let other = line.expect_photo("1.png");
        assert_eq!(other.photo.bytes, 5);
        fs::remove_file(line.root.path().join("1.png")).unwrap();
        line.source.acknowledge(&other);
        assert!(matches!(line.next(LONG), Some(Supply::End)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_open_for_writing_is_not_given_however_long_its_writer_pauses() {
        let mut line = Line::new(false);
        let path = line.write("1.bmp", b"BM");
        let mut writer = File::options().append(true).open(path).unwrap();
        assert!(line.next(SETTLE * PATIENCE * 3).is_none());
        writer.write_all(b"the rest").unwrap();
        drop(writer);
        assert_eq!(line.expect_photo("1.bmp").photo.bytes, 10);

        let mut line = Line::new(true);
        let path = line.write("1.bmp", b"BM");
        let _writer = File::options().append(true).open(path).unwrap();
        match line.next(LONG) {
            Some(Supply::Lost(_, reason)) => assert!(reason.ends_with("is still being written")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_ends_in_zeros_is_given_later() {
        let mut line = Line::new(true);
        let start = Instant::now();
        line.write("1.bmp", &[0; 9000]);
        line.write("2.bmp", &[1; 9000]);
        line.write("3.png", &[0; 9000]);
        let both = [line.next(LONG), line.next(LONG)].map(|supply| match supply {
            Some(Supply::Photo(arrival, _)) => arrival.photo.path,
            other => panic!("{other:?}"),
        });
        assert_eq!(both, ["2.bmp", "3.png"]);
        line.expect_photo("1.bmp");
        assert!(start.elapsed() >= SETTLE * PATIENCE);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_do_not_fall_together_and_linked_folders_are_told() {
        use std::os::unix::ffi::OsStrExt;

        let mut line = Line::new(true);
        for name in [b"a\xff.png", b"a\xfe.png"] {
            fs::write(line.root.path().join(OsStr::from_bytes(name)), name).unwrap();
        }
        std::os::unix::fs::symlink("/", line.root.path().join("all")).unwrap();
        match line.next(LONG) {
            Some(Supply::Notice(Notice::Skipped(text))) => {
                assert!(text.ends_with("all: is a link to a folder, which is not followed"));
            }
            other => panic!("{other:?}"),
        }
        let given = [(); 2].map(|()| line.expect_photo("a\u{fffd}.png"));
        assert_ne!(given[0].photo, given[1].photo);
        given.iter().for_each(|arrival| assert!(line.source.holds(&arrival.photo)));
        for arrival in &given {
            line.source.acknowledge(arrival);
            fs::remove_file(arrival.file.as_ref().unwrap()).unwrap();
        }
        assert!(matches!(line.next(LONG), Some(Supply::End)));
    }
}
