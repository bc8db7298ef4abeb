//! What the log of a line says up to some line: enough to make records of the lines behind it.

use std::path::PathBuf;
use std::time::Duration;

use efficientad_stream::drift::{Alarm, Direction};
use efficientad_stream::entry::{Entry, JudgedPhoto, Line, PhotoFile};
use efficientad_stream::{Fault, LineHash, Position, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::record::{EventKind, FailSafe, Record, VerdictKind, photo_id, shortened};

/// A line whose log is followed.
#[derive(Clone, Debug)]
pub struct LineLog {
    /// Name of the station.
    pub station: String,
    /// Name of the line.
    pub line: String,
    /// Its log.
    pub log: PathBuf,
    /// How old a photo may be when its verdict is sent; `None` for any age.
    pub budget: Option<Duration>,
    /// What is done about parts without verdict.
    pub fail_safe: FailSafe,
    /// Takes a photo; `None` if the camera is not triggered by the program.
    pub trigger: Option<Trigger>,
    /// When this process began. A session of the log that began before it is over, also if it was
    /// killed and could not say so.
    pub running_since: Timestamp,
    /// Set while the line can judge nothing and can't say so in its log: it is not ready then.
    pub fault: Fault,
}

/// The state of a line after some line of its log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineState {
    /// What verdicts depend on, since the last start.
    session: Option<Session>,
    /// Whether the camera is out of reach.
    lost: bool,
    /// What the log has had so far.
    pub(crate) counters: Counters,
    /// The last verdict.
    pub(crate) last: Option<Record>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    model: String,
    threshold: Option<f32>,
    began: Timestamp,
    is_over: bool,
}

/// What a log has had so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Photos that are good.
    pub good: u64,
    /// Photos that are anomalous.
    pub anomalous: u64,
    /// Photos that could not be judged.
    pub failed: u64,
    /// Photos that were judged without threshold.
    pub undecided: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Verdicts that this output sent late.
    pub late: u64,
}

impl LineState {
    /// Whether the line judges: a session of this process is on, and the camera is there.
    pub(crate) fn is_ready(&self, line: &LineLog) -> bool {
        let is_on = |session: &Session| !session.is_over && session.began >= line.running_since;
        self.session.as_ref().is_some_and(is_on) && !self.lost && !line.fault.is_set()
    }

    /// Whether the camera is out of reach.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// What a PLC acts on now.
    pub(crate) fn is_reject(&self, line: &LineLog) -> bool {
        let is_unsafe = line.fail_safe == FailSafe::Reject && !self.is_ready(line);
        is_unsafe || self.last.as_ref().is_some_and(|last| last.reject)
    }

    /// Score from which on a photo is anomalous.
    pub(crate) fn threshold(&self) -> Option<f32> {
        self.session.as_ref()?.threshold
    }

    /// Goes on behind a line of the log; its record, if it is one that goes out.
    pub(crate) fn pass(
        &mut self,
        log: &LineLog,
        line: &Line,
        position: &Position,
    ) -> Option<Record> {
        if position.lines == 1 {
            *self = Self::default();
        }
        self.note(line);
        let mut record = self.record(log, line, position)?;
        let is_safe = log.fail_safe == FailSafe::Stop;
        match &line.entry {
            Entry::Judged(judged) => self.judge(&mut record, judged, is_safe),
            Entry::Failed(failure) => {
                record.verdict = Some(VerdictKind::Failed);
                record.reject = true;
                record.reason = Some(shortened(&failure.reason));
                add(&mut self.counters.failed, 1);
            }
            Entry::Dropped(dropped) => {
                record.reject = !is_safe;
                record.frames = Some(dropped.frames);
                record.reason = Some(shortened(&dropped.reason));
                add(&mut self.counters.dropped, dropped.frames);
            }
            Entry::Lost(lost) => {
                record.reject = !is_safe;
                record.reason = Some(shortened(&lost.reason));
            }
            Entry::Drift(alarm) => record.reason = Some(describe(alarm)),
            Entry::Stopped => record.reject = !is_safe,
            Entry::Started(_) | Entry::Back | Entry::Filed(_) => {}
        }
        if record.event.is_verdict() {
            self.last = Some(record.clone());
        }
        Some(record)
    }

    /// Takes note of what the line says of the session.
    fn note(&mut self, line: &Line) {
        match &line.entry {
            Entry::Started(session) => {
                let (model, threshold) = (session.model.clone(), session.threshold);
                self.session = Some(Session { model, threshold, began: line.time, is_over: false });
                self.lost = false;
            }
            Entry::Stopped => {
                self.session.iter_mut().for_each(|session| session.is_over = true);
            }
            Entry::Lost(_) => self.lost = true,
            Entry::Back => self.lost = false,
            _ => {}
        }
    }

    fn judge(&mut self, record: &mut Record, judged: &JudgedPhoto, is_safe: bool) {
        let verdict = &judged.verdict;
        record.score = Some(verdict.score);
        record.p_value = verdict.p_value;
        record.threshold = self.threshold();
        let (kind, counter) = match verdict.anomalous {
            Some(true) => (Some(VerdictKind::Anomalous), &mut self.counters.anomalous),
            Some(false) => (Some(VerdictKind::Good), &mut self.counters.good),
            None => (None, &mut self.counters.undecided),
        };
        add(counter, 1);
        record.verdict = kind;
        record.reject = kind.map_or(!is_safe, |kind| kind != VerdictKind::Good);
    }

    /// The record of a line, with what all of them have.
    fn record(&self, log: &LineLog, line: &Line, position: &Position) -> Option<Record> {
        let photo = line.entry.done();
        Some(Record {
            id: photo.map_or_else(|| line_id(position.last), |photo| photo_id(photo.key())),
            sequence: position.lines,
            station: log.station.clone(),
            line: log.line.clone(),
            event: event(&line.entry)?,
            time: line.time,
            captured: photo.map(|photo| photo.modified),
            photo: photo.map(photo_name),
            verdict: None,
            reject: false,
            score: None,
            threshold: None,
            p_value: None,
            model: self.session.as_ref().map(|session| session.model.clone()),
            late: false,
            age_ms: None,
            frames: None,
            reason: None,
        })
    }
}

fn line_id(hash: LineHash) -> String {
    hash.to_string()
}

fn photo_name(photo: &PhotoFile) -> String {
    photo.path.clone()
}

/// What a line is called in records; `None` if it doesn't go out.
fn event(entry: &Entry) -> Option<EventKind> {
    Some(match entry {
        Entry::Started(_) => EventKind::Started,
        Entry::Judged(_) => EventKind::Judged,
        Entry::Failed(_) => EventKind::Failed,
        Entry::Filed(_) => return None,
        Entry::Drift(_) => EventKind::Drift,
        Entry::Dropped(_) => EventKind::Dropped,
        Entry::Lost(_) => EventKind::Lost,
        Entry::Back => EventKind::Back,
        Entry::Stopped => EventKind::Stopped,
    })
}

fn describe(alarm: &Alarm) -> String {
    let Alarm { direction, level, parts, beyond, explained, .. } = alarm;
    let side = match direction {
        Direction::Higher => "above",
        Direction::Lower => "below",
    };
    format!("{beyond} of {parts} parts {side} {level}, where {explained:.3} of them are explained")
}

/// Counts on, from what a file may have said.
fn add(counter: &mut u64, more: u64) {
    *counter = counter.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    use efficientad_evaluation::Verdict;
    use efficientad_stream::entry::{self, Dropped, Failure, Lost};

    fn log(fail_safe: FailSafe) -> LineLog {
        LineLog {
            station: "cell 4".to_owned(),
            line: "lids".to_owned(),
            log: PathBuf::new(),
            budget: None,
            fail_safe,
            trigger: None,
            running_since: "2026-11-24T11:00:00Z".parse().unwrap(),
            fault: Fault::default(),
        }
    }

    fn started(model: &str, threshold: Option<f32>) -> Entry {
        Entry::Started(entry::Session {
            program_version: "1".to_owned(),
            model: model.to_owned(),
            threshold,
            drift: None,
            engine: None,
        })
    }

    fn photo() -> PhotoFile {
        PhotoFile::new(Path::new("a/1.png"), 12, "2026-11-24T11:00:01Z".parse().unwrap())
    }

    fn judged(score: f32, anomalous: Option<bool>) -> Entry {
        let verdict = Verdict { score, anomalous, ..Verdict::default() };
        Entry::Judged(JudgedPhoto { photo: photo(), verdict })
    }

    /// The records of a log, each with whether the line is ready and rejects behind it.
    fn records(log: &LineLog, entries: Vec<Entry>) -> (LineState, Vec<(Record, bool, bool)>) {
        let mut state = LineState::default();
        let mut position = Position::default();
        let mut records = Vec::new();
        for entry in entries {
            position.lines += 1;
            position.last = LineHash::of(&[position.lines as u8]);
            let time = log.running_since + jiff::SignedDuration::from_secs(position.lines as i64);
            if let Some(record) = state.pass(log, &Line { time, entry }, &position) {
                records.push((record, state.is_ready(log), state.is_reject(log)));
            }
        }
        (state, records)
    }

    fn dropped() -> Entry {
        Entry::Dropped(Dropped { frames: 3, reason: "the queue is full".to_owned() })
    }

    fn lost() -> Entry {
        Entry::Lost(Lost { reason: "unplugged".to_owned() })
    }

    #[test]
    fn what_a_plc_acts_on_follows_the_fail_safe() {
        let failed = Entry::Failed(Failure { photo: photo(), reason: "torn".to_owned() });
        let entries = vec![
            started("m", Some(0.5)),
            judged(0.4, Some(false)),
            judged(0.6, Some(true)),
            failed,
            judged(0.4, None),
            dropped(),
            judged(0.4, Some(false)),
            lost(),
            Entry::Back,
            Entry::Stopped,
        ];
        let rejects = |fail_safe| {
            let (state, records) = records(&log(fail_safe), entries.clone());
            let Counters { good, anomalous, failed, undecided, dropped, late } = state.counters;
            assert_eq!((good, anomalous, failed, undecided, dropped, late), (2, 1, 1, 1, 3, 0));
            records.iter().map(|(record, ..)| u8::from(record.reject)).collect::<Vec<_>>()
        };
        assert_eq!(rejects(FailSafe::Reject), [0, 0, 1, 1, 1, 1, 0, 1, 0, 1]);
        assert_eq!(rejects(FailSafe::Stop), [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        let now = |fail_safe| {
            let (_, records) = records(&log(fail_safe), entries.clone());
            records.iter().map(|(_, ready, reject)| (*ready, *reject)).collect::<Vec<_>>()
        };
        let lost_and_after = [(false, true), (true, false), (false, true)];
        assert_eq!(now(FailSafe::Reject)[7..], lost_and_after);
        assert_eq!(now(FailSafe::Stop)[7..], [(false, false), (true, false), (false, false)]);
    }

    #[test]
    fn model_and_threshold_are_those_of_the_last_start() {
        let entries = vec![
            judged(0.4, Some(false)),
            started("first", Some(0.5)),
            judged(0.4, Some(false)),
            started("second", Some(0.3)),
            judged(0.4, Some(true)),
        ];
        let (_, records) = records(&log(FailSafe::Reject), entries);
        let of = |n: usize| (records[n].0.model.as_deref(), records[n].0.threshold);
        assert_eq!(of(0), (None, None));
        assert_eq!(of(2), (Some("first"), Some(0.5)));
        assert_eq!(of(4), (Some("second"), Some(0.3)));
        assert_eq!(records[2].0.id, records[4].0.id, "the same photo");
        assert_ne!(records[1].0.id, records[3].0.id, "two starts");
        assert_eq!(records[4].0.id, photo().key().digits());
    }

    #[test]
    fn a_session_that_was_killed_is_not_ready() {
        let killed = vec![started("m", None), judged(0.4, Some(false))];
        let mut log = log(FailSafe::Reject);
        let (state, _) = records(&log, killed);
        assert!(state.is_ready(&log) && !state.is_reject(&log));
        log.running_since += jiff::SignedDuration::from_secs(60);
        assert!(!state.is_ready(&log) && state.is_reject(&log), "another process goes on");
    }

    #[test]
    fn another_log_begins_at_nothing() {
        let log = log(FailSafe::Reject);
        let (mut state, _) = records(&log, vec![started("m", None), judged(0.4, Some(false))]);
        let first = Line { time: log.running_since, entry: Entry::Back };
        state.pass(&log, &first, &Position { lines: 1, ..Position::default() });
        assert_eq!(state, LineState::default());
    }

    #[test]
    fn where_a_reject_was_filed_does_not_go_out() {
        let filed = entry::FiledReject { photo: photo(), to: "a/1.png".to_owned(), to_hex: None };
        let (_, records) = records(&log(FailSafe::Reject), vec![Entry::Filed(filed)]);
        assert!(records.is_empty());
    }
}
