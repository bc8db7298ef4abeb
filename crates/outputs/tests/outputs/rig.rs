//! A line that writes its log, and what an output tells.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use efficientad_evaluation::Verdict;
use efficientad_outputs::{FailSafe, LineLog, OutputConfig, OutputEvent, Publisher};
use efficientad_stream::entry::{Entry, JudgedPhoto, PhotoFile, Session};
use efficientad_stream::{Journal, Trigger, Wake};
use efficientad_testing::LONG;
use jiff::Timestamp;
use tempfile::TempDir;

/// A line of a station.
pub struct Line {
    name: String,
    journal: Journal,
    /// Photos judged so far.
    pub photos: u64,
    wake: Wake,
}

/// A station with its folder.
pub struct Station {
    pub folder: TempDir,
    pub wake: Wake,
    pub trigger: Trigger,
    pub since: Timestamp,
    pub fail_safe: FailSafe,
}

impl Station {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            wake: Wake::default(),
            trigger: Trigger::default(),
            // Lines of logs are written to the millisecond.
            since: Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap(),
            fail_safe: FailSafe::Reject,
        }
    }

    pub fn log(&self, line: &str) -> PathBuf {
        self.folder.path().join(format!("{}.jsonl", line.replace('/', "_")))
    }

    /// Opens the log of a line, and says that it judges.
    pub fn line(&self, name: &str) -> Line {
        let (journal, _) = Journal::open(&self.log(name)).unwrap();
        let wake = self.wake.clone();
        let mut line = Line { name: name.to_owned(), journal, photos: 0, wake };
        line.append(Entry::Started(Session {
            program_version: "1".to_owned(),
            model: "ab".repeat(32),
            threshold: Some(0.5),
            drift: None,
            engine: None,
        }));
        line
    }

    pub fn line_log(&self, line: &str) -> LineLog {
        LineLog {
            station: "cell 4".to_owned(),
            line: line.to_owned(),
            log: self.log(line),
            budget: Some(Duration::from_secs(60)),
            fail_safe: self.fail_safe,
            trigger: Some(self.trigger.clone()),
            running_since: self.since,
            fault: efficientad_stream::Fault::default(),
        }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts an output, as a file describes it, for lines.
    pub fn start(&self, config: &str, lines: &[&str]) -> Output {
        start(
            config,
            &self.state(),
            lines.iter().map(|line| self.line_log(line)).collect(),
            &self.wake,
        )
    }
}

pub fn start(config: &str, state: &Path, lines: Vec<LineLog>, wake: &Wake) -> Output {
    let config: OutputConfig = toml::from_str(config).unwrap();
    let (tell, events) = mpsc::channel();
    let tell = Mutex::new(tell);
    let tell = Arc::new(move |event| drop(tell.lock().unwrap().send(event)));
    let publisher = Publisher::start("out", &config, state, lines, wake.clone(), tell).unwrap();
    Output { publisher, events }
}

impl Line {
    pub fn append(&mut self, entry: Entry) {
        self.journal.append(entry).unwrap();
        self.wake.notify();
    }

    /// Writes so many verdicts; the photos' names are their numbers.
    pub fn judge(&mut self, count: u64) {
        for _ in 0..count {
            self.photos += 1;
            let score = (self.photos % 10) as f32 / 10.0;
            let anomalous = Some(score >= 0.5);
            let verdict = Verdict { score, anomalous, p_value: Some(0.25), ..Verdict::default() };
            let photo = PhotoFile::new(
                Path::new(&format!("{}/{}", self.name, self.photos)),
                self.photos,
                Timestamp::now(),
            );
            self.append(Entry::Judged(JudgedPhoto { photo, verdict }));
        }
    }
}

/// An output at work.
pub struct Output {
    pub publisher: Publisher,
    pub events: Receiver<OutputEvent>,
}

impl Output {
    /// Waits for an event, and gives it with those before it.
    pub fn wait_for(&self, is_it: impl Fn(&OutputEvent) -> bool) -> Vec<OutputEvent> {
        let mut events = Vec::new();
        let until = Instant::now() + LONG;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("{events:?}"));
            let is_last = is_it(&event);
            events.push(event);
            if is_last {
                return events;
            }
        }
    }

    /// Ends it once all is delivered, and gives all events that were not waited for.
    pub fn finish(self) -> Vec<OutputEvent> {
        let undelivered = self.publisher.finish(LONG);
        assert_eq!(undelivered.total(), 0, "{undelivered:?}");
        self.events.try_iter().collect()
    }
}

/// What has arrived, in the order of first arrivals: each of these once, and none else.
#[track_caller]
pub fn assert_in_order<T: PartialEq + Clone + std::fmt::Debug>(arrived: &[T], expected: &[T]) {
    let mut firsts: Vec<T> = Vec::new();
    for one in arrived {
        if !firsts.contains(one) {
            firsts.push(one.clone());
        }
    }
    assert_eq!(firsts, expected);
}
