//! What people want to see of a line.

use std::collections::VecDeque;
use std::time::Duration;

use efficientad_stream::entry::{Entry, Line as LogLine, PhotoFile};
use jiff::Timestamp;

/// Photos whose times are looked at.
const RECENT: usize = 200;

/// A line since the station was started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineStatus {
    /// Photos judged.
    pub judged: u64,
    /// Photos among them that are anomalous.
    pub anomalous: u64,
    /// Photos that could not be judged.
    pub failed: u64,
    /// Photos that were taken and will not be judged.
    pub dropped: u64,
    /// Verdicts that were in the log after more than the line's budget.
    pub late: u64,
    /// The camera.
    pub camera: CameraState,
    /// From the photo to the line in the log, of the latest photos.
    recent: VecDeque<Duration>,
}

/// How a camera is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CameraState {
    /// It gave no photo yet.
    #[default]
    Waiting,
    /// It gives photos.
    There,
    /// It is out of reach; why.
    Lost(String),
}

impl LineStatus {
    /// Takes a line of the log.
    pub(crate) fn record(&mut self, line: &LogLine, budget: Option<Duration>) {
        match &line.entry {
            Entry::Judged(judged) => {
                self.judged += 1;
                self.anomalous += u64::from(judged.verdict.anomalous == Some(true));
                self.camera = CameraState::There;
                self.time(&judged.photo, line.time, budget);
            }
            Entry::Failed(failure) => {
                self.failed += 1;
                self.time(&failure.photo, line.time, budget);
            }
            Entry::Dropped(dropped) => self.dropped += dropped.frames,
            Entry::Lost(lost) => self.camera = CameraState::Lost(lost.reason.clone()),
            Entry::Back => self.camera = CameraState::There,
            _ => {}
        }
    }

    fn time(&mut self, photo: &PhotoFile, now: Timestamp, budget: Option<Duration>) {
        let took = Duration::try_from(now.duration_since(photo.modified)).unwrap_or_default();
        self.late += u64::from(budget.is_some_and(|budget| took > budget));
        self.recent.push_back(took);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// The time from the photo to the line in the log that a share of the latest photos did not
    /// exceed, 0.5 for the median; `None` without photos.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get((share * last as f64).round() as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use efficientad_evaluation::Verdict;
    use efficientad_stream::entry::{Dropped, JudgedPhoto, Lost};

    #[test]
    fn photos_are_counted_and_timed() {
        let taken: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let mut status = LineStatus::default();
        assert_eq!(status.latency(0.5), None);
        let budget = Some(Duration::from_millis(3));
        let mut record = |after: i64, entry| {
            let time = taken + jiff::SignedDuration::from_millis(after);
            status.record(&LogLine { time, entry }, budget);
        };
        for after in [1, 2, 3, 4, 5] {
            let photo = PhotoFile::new(Path::new("top/1"), 9, taken);
            let verdict = Verdict { anomalous: Some(after == 2), ..Verdict::default() };
            record(after, Entry::Judged(JudgedPhoto { photo, verdict }));
        }
        record(6, Entry::Dropped(Dropped { frames: 7, reason: "full".to_owned() }));
        record(7, Entry::Lost(Lost { reason: "away".to_owned() }));
        assert_eq!((status.judged, status.anomalous, status.late, status.dropped), (5, 1, 2, 7));
        assert_eq!(status.camera, CameraState::Lost("away".to_owned()));
        let latencies = [0.0, 0.5, 1.0].map(|share| status.latency(share).unwrap().as_millis());
        assert_eq!(latencies, [1, 3, 5]);
    }
}
