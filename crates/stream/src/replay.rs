//! The state of the test for drift, from the log.

use crate::drift::{Alarm, DriftTest};
use crate::entry::{Entry, Session};

/// Takes the lines of the log, so that the test goes on where the last session ended.
#[derive(Debug)]
pub struct DriftReplay<'a> {
    /// The test; `None` without enough calibration scores.
    pub test: Option<DriftTest>,
    /// An alarm whose line is missing, because the program was killed before it could write it.
    pub unlogged: Option<Alarm>,
    session: &'a Session,
    is_of_this_model: bool,
}

impl<'a> DriftReplay<'a> {
    /// Before the first line, for a session that is about to begin.
    pub fn new(test: Option<DriftTest>, session: &'a Session) -> Self {
        Self { test, unlogged: None, session, is_of_this_model: false }
    }

    /// Takes a line.
    pub fn record_entry(&mut self, entry: &Entry) {
        let Some(test) = &mut self.test else { return };
        match entry {
            Entry::Started(earlier) => {
                let Session { model, drift, .. } = self.session;
                self.is_of_this_model = (&earlier.model, &earlier.drift) == (model, drift);
                if !self.is_of_this_model {
                    test.restart();
                    self.unlogged = None;
                }
            }
            Entry::Judged(judged) if self.is_of_this_model => {
                self.unlogged = test.observe(judged.verdict.score).or(self.unlogged);
            }
            Entry::Drift(_) => self.unlogged = None,
            Entry::Judged(_) | Entry::Failed(_) | Entry::Filed(_) => {}
            Entry::Dropped(_) | Entry::Lost(_) | Entry::Back | Entry::Stopped => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use efficientad_evaluation::Verdict;

    use crate::entry::{DriftSettings, JudgedPhoto, PhotoFile};

    fn session(model: &str) -> Session {
        let drift =
            DriftSettings { calibration_scores: 9, defect_rate: 0.07, false_alarm_rate: 0.01 };
        Session {
            program_version: "1".to_owned(),
            model: model.to_owned(),
            threshold: None,
            drift: Some(drift),
            engine: None,
        }
    }

    fn test() -> DriftTest {
        let scores: Vec<f32> = (0..9).map(|i| i as f32).collect();
        DriftTest::new(&scores, 0.07).unwrap()
    }

    fn judged(score: f32) -> Entry {
        let photo = PhotoFile::new(Path::new("1.png"), 1, jiff::Timestamp::UNIX_EPOCH);
        let verdict = Verdict { score, ..Verdict::default() };
        Entry::Judged(JudgedPhoto { photo, verdict })
    }

    /// Parts until the alarm of a test, all above calibration.
    fn parts_to_alarm(mut test: DriftTest) -> usize {
        (1..).find(|_| test.observe(9.0).is_some()).unwrap()
    }

    #[test]
    fn the_test_goes_on_across_sessions() {
        let all = parts_to_alarm(test());
        let session = session("a");
        let mut replay = DriftReplay::new(Some(test()), &session);
        replay.record_entry(&Entry::Started(session.clone()));
        replay.record_entry(&judged(9.0));
        replay.record_entry(&Entry::Stopped);
        replay.record_entry(&Entry::Started(session.clone()));
        replay.record_entry(&judged(9.0));
        assert_eq!(replay.unlogged, None);
        assert_eq!(parts_to_alarm(replay.test.unwrap()), all - 2);
    }

    #[test]
    fn another_model_begins_anew() {
        let (first, second) = (session("a"), session("b"));
        let mut replay = DriftReplay::new(Some(test()), &first);
        replay.record_entry(&Entry::Started(first.clone()));
        (0..5).for_each(|_| replay.record_entry(&judged(9.0)));
        replay.record_entry(&Entry::Started(second));
        (0..500).for_each(|_| replay.record_entry(&judged(9.0)));
        assert_eq!(replay.unlogged, None);
        assert_eq!(parts_to_alarm(replay.test.unwrap()), parts_to_alarm(test()));
    }

    #[test]
    fn an_alarm_that_was_not_written_is_not_lost() {
        let session = session("a");
        let mut replay = DriftReplay::new(Some(test()), &session);
        replay.record_entry(&Entry::Started(session.clone()));
        (0..parts_to_alarm(test())).for_each(|_| replay.record_entry(&judged(9.0)));
        let alarm = replay.unlogged.expect("an alarm without a line");
        replay.record_entry(&Entry::Started(session.clone()));
        assert_eq!(replay.unlogged, Some(alarm));
        replay.record_entry(&Entry::Drift(alarm));
        assert_eq!(replay.unlogged, None);
    }
}
