//! From a source, through the detector, to the log and a sink.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use efficientad::{Calibration, Detector};
use efficientad_evaluation::{
    DepthCheck, DepthRemark, Frame, InspectError, JudgeOptions, Judged, Judging, Verdict, judge,
};

use crate::attempts::{Attempts, MAX_KILLS};
use crate::drift::{DriftTest, FALSE_ALARM_RATE};
use crate::entry::{
    DriftSettings, Dropped, Entry, Failure, FiledReject, JudgedPhoto, Key, Line, Lost, PhotoFile,
    Session,
};
use crate::error::StreamError;
use crate::journal::Journal;
use crate::known::Known;
use crate::replay::DriftReplay;
use crate::sink::{Receipt, Sink};
use crate::source::{Arrival, Notice, Source, Supply};

/// Longest time until a request to stop is seen while there is nothing to judge.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// How often a source is asked that does not say when.
const ASK_INTERVAL: Duration = Duration::from_millis(5);

/// How long after the start photos wait during whose judging the program was killed. Whoever kills
/// it twice in a row from outside does so within this time, as a rule, so that no good photo is
/// taken for one that ends the program.
const SUSPECT_DELAY: Duration = Duration::from_secs(30);

/// More photos than are in work at any time: of a source that shows none again, so many of the
/// latest are looked for among those that a kill interrupted.
const MAX_IN_WORK: usize = 1024;

/// A source, what judges its photos, and where the verdicts go.
pub struct Stream<'a> {
    /// Where photos come from.
    pub source: &'a mut dyn Source,
    /// What judges them.
    pub detector: &'a Detector,
    /// Where verdicts go beside the log; `None` for the log alone.
    pub sink: Option<&'a mut dyn Sink>,
    /// How they are judged and logged.
    pub options: StreamOptions,
}

/// How a stream is judged and logged.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The log.
    pub log: PathBuf,
    /// What the log calls the model: the SHA-256 of its file, 64 hexadecimal digits.
    pub model: String,
    /// How photos are decoded, and how many are judged at once.
    pub judge: JudgeOptions,
    /// Largest rate of defective parts that is no drift, from 0 to below 1.
    pub defect_rate: f64,
}

/// What happens in a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The log ended in the start of a line, which was cut off.
    Repaired {
        /// How long it was.
        bytes: u64,
    },
    /// A line was appended to the log.
    Logged(&'a Line),
    /// A reject could not be filed; it is tried again as often as the source gives it.
    NotFiled {
        /// The reject.
        photo: &'a PhotoFile,
        /// Why.
        error: io::Error,
    },
    /// Something to be said of the depth of the photos.
    Depth(DepthRemark),
    /// Something happened at the source.
    Notice(&'a Notice),
    /// Every photo that is complete is judged; told as often as the source is asked in vain.
    Waiting,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Photos judged.
    pub judged: usize,
    /// Photos among them that are anomalous.
    pub anomalous: usize,
    /// Photos that could not be judged.
    pub failed: usize,
    /// Photos that were taken and will not be judged.
    pub dropped: u64,
    /// Parts of the source that could not be looked into.
    pub not_listed: usize,
    /// Rejects that could not be filed yet.
    pub unfiled: usize,
    /// Alarms of the test for drift.
    pub alarms: usize,
}

impl Stream<'_> {
    /// Judges photos as they arrive, until the source ends or `stop` says so; then at most the
    /// photo whose verdict comes next is still judged. `observe` is told what happens, after it is
    /// in the log.
    ///
    /// # Errors
    /// The log or the source can't be used, or whatever `observe` returns. The next call goes on
    /// where this one ended, also if the process was killed.
    pub fn run<E: From<StreamError>>(
        self,
        stop: &dyn Fn() -> bool,
        observe: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Summary, E> {
        let (detector, judge) = (self.detector, self.options.judge);
        let mut run = Run::begin(self, stop, observe)?;
        let judged = run.note_delivered().and_then(|()| run.judge_all(detector, &judge));
        // An error is not the fault of the photos that were in work. Those that won't come again are
        // counted by the next call.
        if run.source.repeats() || judged.is_ok() && run.in_work.is_empty() {
            run.attempts.close();
        }
        judged.and_then(|()| run.end())
    }

    fn session(&self, test: Option<&DriftTest>) -> Session {
        let settings = DriftSettings {
            calibration_scores: calibration_scores(self.detector).len(),
            defect_rate: self.options.defect_rate,
            false_alarm_rate: FALSE_ALARM_RATE,
        };
        Session {
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: self.options.model.clone(),
            threshold: self.detector.threshold(),
            drift: test.map(|_| settings),
            engine: Some(self.detector.engine()),
        }
    }
}

fn calibration_scores(detector: &Detector) -> &[f32] {
    detector.calibration().map_or(&[], Calibration::scores)
}

/// Why judging ended early.
enum Halt<E> {
    Stopped,
    Failed(E),
}

impl<E> From<E> for Halt<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

/// A stream at work.
struct Run<'s, 'o, E> {
    source: &'s mut dyn Source,
    sink: Option<&'s mut dyn Sink>,
    stop: &'o dyn Fn() -> bool,
    observe: &'o mut dyn FnMut(Event<'_>) -> Result<(), E>,
    journal: Journal,
    known: Known,
    attempts: Attempts,
    drift: Option<DriftTest>,
    depth: DepthCheck,
    /// Photos that were given to be judged, the earliest first.
    in_work: VecDeque<Arrival>,
    /// Photos during whose judging the program was killed: they are judged alone, and later.
    suspects: VecDeque<(Arrival, Frame<'static>)>,
    suspects_from: Instant,
    /// Whether the photo in work is to be alone.
    is_alone: bool,
    /// When to ask the source again.
    ask_again: Option<Instant>,
    has_ended: bool,
    not_filed: HashSet<Key>,
    summary: Summary,
}

impl<'s, 'o, E: From<StreamError>> Run<'s, 'o, E> {
    fn begin(
        stream: Stream<'s>,
        stop: &'o dyn Fn() -> bool,
        observe: &'o mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let scores = calibration_scores(stream.detector);
        let test = DriftTest::new(scores, stream.options.defect_rate);
        let session = stream.session(test.as_ref());
        let Stream { source, sink, options, .. } = stream;
        let (mut journal, torn) = Journal::open(&options.log)?;
        let mut known = Known::default();
        let mut replay = DriftReplay::new(test, &session);
        let mut latest = VecDeque::new();
        journal.replay(|entry| {
            if !source.repeats() {
                latest.extend(entry.done().map(PhotoFile::key));
                latest.drain(..latest.len().saturating_sub(MAX_IN_WORK));
                // A kill can have kept only the last one's delivery from being noted.
                if matches!(entry, Entry::Judged(_)) {
                    known = Known::default();
                }
            }
            known.record_entry(&entry, |verdict| is_wanted(sink.as_deref(), verdict));
            replay.record_entry(&entry);
        })?;
        let DriftReplay { test, unlogged, .. } = replay;
        let is_done = |key| known.is_done_key(key) || latest.contains(&key);
        let attempts = Attempts::open(&options.log, is_done)?;
        let mut run = Self {
            source,
            sink,
            stop,
            observe,
            journal,
            known,
            attempts,
            drift: test,
            depth: DepthCheck::new(options.judge.decode.bits),
            in_work: VecDeque::new(),
            suspects: VecDeque::new(),
            suspects_from: Instant::now() + SUSPECT_DELAY,
            is_alone: false,
            ask_again: None,
            has_ended: false,
            not_filed: HashSet::new(),
            summary: Summary::default(),
        };
        if torn > 0 {
            (run.observe)(Event::Repaired { bytes: torn })?;
        }
        run.log(Entry::Started(session))?;
        if let Some(alarm) = unlogged {
            run.log(Entry::Drift(alarm))?;
        }
        run.count_interrupted()?;
        Ok(run)
    }

    /// Counts photos that were in work when the program was killed, if they won't come again. They are
    /// forgotten once the log has them: a full disk or another kill must not lose the count.
    fn count_interrupted(&mut self) -> Result<(), E> {
        if self.source.repeats() {
            return Ok(self.attempts.keep_interrupted()?);
        }
        let frames = self.attempts.interrupted();
        if frames > 0 {
            let reason = "judging ended before their verdicts were in the log".to_owned();
            let dropped = Dropped { frames, reason };
            self.log(Entry::Dropped(dropped.clone()))?;
            (self.observe)(Event::Notice(&Notice::Dropped(dropped)))?;
        }
        Ok(self.attempts.forget_interrupted()?)
    }

    fn judge_all(&mut self, detector: &Detector, options: &JudgeOptions) -> Result<(), E> {
        loop {
            match judge(detector, options, self) {
                Ok(()) => {}
                Err(Halt::Stopped) => return Ok(()),
                Err(Halt::Failed(error)) => return Err(error),
            }
            self.journal.sync()?;
            if self.has_ended && self.suspects.is_empty() {
                return Ok(());
            }
            (self.observe)(Event::Waiting)?;
            if self.wait().is_break() {
                return Ok(());
            }
        }
    }

    fn end(mut self) -> Result<Summary, E> {
        if let Some(remark) = self.depth.end() {
            (self.observe)(Event::Depth(remark))?;
        }
        self.log(Entry::Stopped)?;
        self.journal.sync()?;
        Ok(Summary { unfiled: self.not_filed.len(), ..self.summary })
    }

    /// The next photo that is to be judged now.
    fn next_photo(&mut self) -> Result<Option<(Arrival, Frame<'static>)>, E> {
        let is_time_for_suspects =
            !self.suspects.is_empty() && Instant::now() >= self.suspects_from;
        if !self.in_work.is_empty() && (self.is_alone || is_time_for_suspects) {
            return Ok(None);
        }
        self.is_alone = is_time_for_suspects;
        let photo =
            if is_time_for_suspects { self.suspects.pop_front() } else { self.next_innocent()? };
        if let Some((arrival, _)) = &photo {
            self.begin_photo(arrival)?;
        }
        Ok(photo)
    }

    /// Notes that a photo is in work, so that it is counted whatever happens.
    fn begin_photo(&mut self, arrival: &Arrival) -> Result<(), E> {
        let begun = self.attempts.begin(arrival.photo.key());
        if let Err(error) = &begun {
            let reason = error.to_string();
            self.source.take_back(Notice::Dropped(Dropped { frames: 1, reason }));
        }
        Ok(begun?)
    }

    /// The next new photo that may be judged beside others.
    fn next_innocent(&mut self) -> Result<Option<(Arrival, Frame<'static>)>, E> {
        while let Some((arrival, frame)) = self.next_new()? {
            match self.attempts.kills(arrival.photo.key()) {
                0 => return Ok(Some((arrival, frame))),
                MAX_KILLS.. => self.give_up(&arrival, killing(&arrival.photo))?,
                _ => self.suspects.push_back((arrival, frame)),
            }
        }
        Ok(None)
    }

    /// The next photo from the source that is neither in the log nor in work.
    fn next_new(&mut self) -> Result<Option<(Arrival, Frame<'static>)>, E> {
        while !self.has_ended {
            match self.source.next(&self.known)? {
                Supply::Photo(arrival, _) if self.known.is_done(&arrival.photo) => {
                    if let Some(verdict) = self.known.undelivered_verdict(&arrival.photo).cloned() {
                        self.deliver(&arrival, &verdict, None)?;
                    }
                    self.source.acknowledge(&arrival);
                }
                Supply::Photo(arrival, frame) => {
                    if !self.is_taken(&arrival.photo) {
                        return Ok(Some((arrival, frame)));
                    }
                }
                Supply::Lost(arrival, reason) => {
                    self.begin_photo(&arrival)?;
                    self.give_up(&arrival, reason)?;
                }
                Supply::Notice(notice) => {
                    self.note(notice)?;
                }
                Supply::Nothing { until } => {
                    self.ask_again = until;
                    return Ok(None);
                }
                Supply::End => self.has_ended = true,
            }
        }
        Ok(None)
    }

    /// Whether a photo is in work, or waits as a suspect.
    fn is_taken(&self, photo: &PhotoFile) -> bool {
        let suspects = self.suspects.iter().map(|(arrival, _)| arrival);
        self.in_work.iter().chain(suspects).any(|arrival| arrival.photo == *photo)
    }

    fn record(&mut self, arrival: &Arrival, judged: Result<Judged, InspectError>) -> Result<(), E> {
        self.record_judged(arrival, judged)?;
        Ok(self.attempts.end(arrival.photo.key())?)
    }

    fn record_judged(
        &mut self,
        arrival: &Arrival,
        judged: Result<Judged, InspectError>,
    ) -> Result<(), E> {
        if !self.source.is_unchanged(arrival) {
            // What was read may be half of the old photo and half of the new one.
            self.source.acknowledge(arrival);
            return Ok(());
        }
        match judged {
            Ok(judged) => {
                if let Some(remark) = self.depth.observe(judged.used_bits) {
                    (self.observe)(Event::Depth(remark))?;
                }
                self.record_verdict_on(arrival, &judged)?;
                self.source.acknowledge(arrival);
                Ok(())
            }
            Err(_) if self.source.retry(arrival) => Ok(()),
            Err(error) => self.give_up(arrival, error.to_string()),
        }
    }

    /// Takes what a source has to tell.
    fn note(&mut self, notice: Notice) -> Result<(), E> {
        self.summary.not_listed += usize::from(matches!(notice, Notice::NotListed(_)));
        let entry = match &notice {
            Notice::Dropped(dropped) => Some(Entry::Dropped(dropped.clone())),
            Notice::Lost(error) => Some(Entry::Lost(Lost { reason: error.to_string() })),
            Notice::Back => Some(Entry::Back),
            Notice::Skipped(_) | Notice::NotListed(_) => None,
        };
        if let Some(entry) = entry {
            match self.journal.append(entry) {
                Ok(line) => self.tell(&line)?,
                Err(error) => {
                    self.source.take_back(notice);
                    return Err(error.into());
                }
            }
        }
        (self.observe)(Event::Notice(&notice))
    }

    fn record_verdict_on(&mut self, arrival: &Arrival, judged: &Judged) -> Result<(), E> {
        let verdict = Verdict::from(&judged.inspection).without_regions();
        let photo = arrival.photo.clone();
        self.log(Entry::Judged(JudgedPhoto { photo, verdict: verdict.clone() }))?;
        if let Some(alarm) = self.drift.as_mut().and_then(|test| test.observe(verdict.score)) {
            self.log(Entry::Drift(alarm))?;
        }
        if is_wanted(self.sink.as_deref(), &verdict) {
            self.deliver(arrival, &verdict, Some(judged))
        } else {
            Ok(())
        }
    }

    fn give_up(&mut self, arrival: &Arrival, reason: String) -> Result<(), E> {
        self.log(Entry::Failed(Failure { photo: arrival.photo.clone(), reason }))?;
        self.attempts.end(arrival.photo.key())?;
        self.source.acknowledge(arrival);
        Ok(())
    }

    fn deliver(
        &mut self,
        arrival: &Arrival,
        verdict: &Verdict,
        judged: Option<&Judged>,
    ) -> Result<(), E> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        // Whatever happens to the photo, its verdict must not be lost.
        self.journal.sync()?;
        if !self.source.is_unchanged(arrival) {
            return Ok(());
        }
        let photo = arrival.photo.clone();
        match sink.deliver(arrival, verdict, judged) {
            Ok(receipt) => {
                self.not_filed.remove(&photo.key());
                self.log(filed(photo, receipt))
            }
            Err(error) => {
                if self.not_filed.insert(photo.key()) {
                    (self.observe)(Event::NotFiled { photo: &photo, error })?;
                }
                Ok(())
            }
        }
    }

    /// Notes what was delivered just before the program was killed.
    fn note_delivered(&mut self) -> Result<(), E> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let gone = self.known.undelivered().filter(|photo| !self.source.holds(photo));
        let found = gone.filter_map(|photo| Some(filed(photo.clone(), sink.find(photo)?)));
        let found: Vec<Entry> = found.collect();
        if !self.source.repeats() {
            self.known = Known::default();
        }
        found.into_iter().try_for_each(|entry| self.log(entry))
    }

    fn log(&mut self, entry: Entry) -> Result<(), E> {
        let line = self.journal.append(entry)?;
        self.tell(&line)
    }

    /// Tells of a line that is in the log.
    fn tell(&mut self, line: &Line) -> Result<(), E> {
        let sink = self.sink.as_deref();
        if self.source.repeats() {
            self.known.record_entry(&line.entry, |verdict| is_wanted(sink, verdict));
        }
        self.summary.record_entry(&line.entry);
        (self.observe)(Event::Logged(line))
    }

    /// Waits until the source is to be asked again, or suspects are to be judged.
    fn wait(&mut self) -> ControlFlow<()> {
        let source = self.ask_again.unwrap_or_else(|| Instant::now() + ASK_INTERVAL);
        let source = (!self.has_ended).then_some(source);
        let suspects = (!self.suspects.is_empty()).then_some(self.suspects_from);
        let Some(until) = source.into_iter().chain(suspects).min() else {
            return ControlFlow::Continue(());
        };
        loop {
            if (self.stop)() {
                return ControlFlow::Break(());
            }
            let now = Instant::now();
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            if self.source.wait(left.min(STOP_INTERVAL)) {
                return ControlFlow::Continue(());
            }
        }
    }
}

impl<E: From<StreamError>> Judging<'static> for Run<'_, '_, E> {
    type Error = Halt<E>;

    fn next_frame(&mut self) -> Result<Option<Frame<'static>>, Halt<E>> {
        if (self.stop)() {
            return Err(Halt::Stopped);
        }
        Ok(self.next_photo()?.map(|(arrival, frame)| {
            self.in_work.push_back(arrival);
            frame
        }))
    }

    fn record_verdict(&mut self, judged: Result<Judged, InspectError>) -> Result<(), Halt<E>> {
        let Some(arrival) = self.in_work.pop_front() else { return Ok(()) };
        Ok(self.record(&arrival, judged)?)
    }
}

fn is_wanted(sink: Option<&(dyn Sink + '_)>, verdict: &Verdict) -> bool {
    sink.is_some_and(|sink| sink.wants(verdict))
}

fn filed(photo: PhotoFile, receipt: Receipt) -> Entry {
    let Receipt { to, to_hex } = receipt;
    Entry::Filed(FiledReject { photo, to, to_hex })
}

fn killing(photo: &PhotoFile) -> String {
    format!(
        "{}: the program ended {MAX_KILLS} times while this photo was being judged; it is left alone \
         until it changes",
        photo.path
    )
}

impl Summary {
    fn record_entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Judged(judged) => {
                self.judged += 1;
                self.anomalous += usize::from(judged.verdict.anomalous == Some(true));
            }
            Entry::Failed(_) => self.failed += 1,
            Entry::Drift(_) => self.alarms += 1,
            Entry::Dropped(dropped) => self.dropped += dropped.frames,
            Entry::Lost(_) | Entry::Back => {}
            Entry::Started(_) | Entry::Filed(_) | Entry::Stopped => {}
        }
    }
}
