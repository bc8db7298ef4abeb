//! Watching a folder.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use efficientad::{Calibration, Detector, Inspection};
use efficientad_datasets::file_fingerprint;
use efficientad_evaluation::{InspectError, JudgeOptions, Judged, Photo, inspect_photos};
use efficientad_images::DecodeOptions;

use crate::arrivals::Arrivals;
use crate::drift::{DriftTest, FALSE_ALARM_RATE};
use crate::entry::{
    DriftSettings, Entry, Failure, FiledReject, Key, Line, PhotoFile, Session, Verdict,
};
use crate::error::WatchError;
use crate::folder::{Found, Listing, list};
use crate::journal::Journal;
use crate::known::Known;
use crate::rejects::Rejects;
use crate::replay::DriftReplay;

/// Longest time between two looks into the folder, unless these take long.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Looking into the folder takes at most this part of the time in which there is nothing to judge.
const LOOK_SHARE: u32 = 20;
/// Longest time until a request to stop is seen.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that photos arrive in.
    pub folder: PathBuf,
    /// The log.
    pub log: PathBuf,
    /// Where rejects go; none to leave them.
    pub rejects: Option<Rejects>,
    /// How long a photo must not change before it counts as complete.
    pub settle: Duration,
    /// Whether to end once every photo in the folder is judged.
    pub once: bool,
    /// How photos are decoded.
    pub decode: DecodeOptions,
    /// Photos that are decoded and judged at once; see [`JudgeOptions::workers`].
    pub workers: usize,
    /// The model's file, to be named in the log.
    pub model: PathBuf,
    /// Largest rate of defective parts that is no drift, from 0 to below 1.
    pub defect_rate: f64,
}

/// What happens while a folder is watched.
#[derive(Debug)]
pub enum Event<'a> {
    /// The log ended in the start of a line, which was cut off.
    Repaired {
        /// How long it was.
        bytes: u64,
    },
    /// A line was appended to the log.
    Logged(&'a Line),
    /// A reject could not be filed; it is tried again with every look into the folder.
    NotFiled {
        /// The reject.
        photo: &'a PhotoFile,
        /// Why.
        error: io::Error,
    },
    /// A file or subfolder can't be looked at; told once.
    NotListed(&'a str),
    /// The folder can't be listed any more; it is tried again.
    Lost(&'a io::Error),
    /// The folder can be listed again.
    Back,
    /// Every photo that is complete is judged; told with every look into the folder.
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
    /// Rejects that could not be filed yet.
    pub unfiled: usize,
    /// Alarms of the test for drift.
    pub alarms: usize,
}

/// Judges photos as they arrive, until `stop` says so, or with [`Options::once`] until all are
/// judged. `observe` is told what happens, after it is in the log.
///
/// # Errors
/// The log or the folder can't be used, or whatever `observe` returns. The next call goes on where
/// this one ended, also if the process was killed.
pub fn watch<E: From<WatchError>>(
    detector: &Detector,
    options: &Options,
    stop: &dyn Fn() -> bool,
    observe: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
) -> Result<Summary, E> {
    let mut watcher = Watcher::begin(detector, options, observe)?;
    watcher.run(detector, stop)?;
    watcher.end()
}

fn session(
    detector: &Detector,
    options: &Options,
    test: Option<&DriftTest>,
) -> Result<Session, WatchError> {
    let settings = DriftSettings {
        calibration_scores: calibration_scores(detector).len(),
        defect_rate: options.defect_rate,
        false_alarm_rate: FALSE_ALARM_RATE,
    };
    Ok(Session {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        model: file_fingerprint(&options.model).map_err(WatchError::Model)?.to_string(),
        threshold: detector.threshold(),
        drift: test.map(|_| settings),
    })
}

fn calibration_scores(detector: &Detector) -> &[f32] {
    detector.calibration().map_or(&[], Calibration::scores)
}

/// Why judging ended early.
enum Halt<E> {
    Stopped,
    Failed(E),
}

struct Watcher<'a, E> {
    options: &'a Options,
    observe: &'a mut dyn FnMut(Event<'_>) -> Result<(), E>,
    /// The folder of rejects as a path in the watched folder, if it lies there.
    inner_rejects: Option<PathBuf>,
    journal: Journal,
    known: Known,
    drift: Option<DriftTest>,
    arrivals: Arrivals,
    /// What was complained about already.
    told: HashSet<String>,
    not_filed: HashSet<Key>,
    is_lost: bool,
    summary: Summary,
}

impl<'a, E: From<WatchError>> Watcher<'a, E> {
    fn begin(
        detector: &Detector,
        options: &'a Options,
        observe: &'a mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let test = DriftTest::new(calibration_scores(detector), options.defect_rate);
        let session = session(detector, options, test.as_ref())?;
        let inner_rejects = prepare_folders(options, detector)?;
        let (mut journal, torn) = Journal::open(&options.log)?;
        let mut known = Known::default();
        let mut replay = DriftReplay::new(test, &session);
        journal.replay(|entry| {
            known.take(&entry);
            replay.take(&entry);
        })?;
        let DriftReplay { test, unlogged, .. } = replay;
        let mut watcher = Self {
            options,
            observe,
            inner_rejects,
            journal,
            known,
            drift: test,
            arrivals: Arrivals::new(options.settle),
            told: HashSet::new(),
            not_filed: HashSet::new(),
            is_lost: false,
            summary: Summary::default(),
        };
        if torn > 0 {
            (watcher.observe)(Event::Repaired { bytes: torn })?;
        }
        watcher.log(Entry::Started(session))?;
        if let Some(alarm) = unlogged {
            watcher.log(Entry::Drift(alarm))?;
        }
        Ok(watcher)
    }

    fn run(&mut self, detector: &Detector, stop: &dyn Fn() -> bool) -> Result<(), E> {
        self.note_filed()?;
        loop {
            let began = Instant::now();
            let listing = self.look()?;
            let took = began.elapsed();
            let new = self.file_left_rejects(listing.photos)?;
            let ready = self.arrivals.observe(new, Instant::now());
            let flow = if !ready.is_empty() {
                self.judge(detector, &ready, stop)?
            } else {
                self.journal.sync()?;
                if self.options.once && self.arrivals.due().is_none() {
                    return Ok(());
                }
                (self.observe)(Event::Waiting)?;
                self.wait(took, stop)
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }

    fn end(mut self) -> Result<Summary, E> {
        self.log(Entry::Stopped)?;
        self.journal.sync()?;
        Ok(Summary { unfiled: self.not_filed.len(), ..self.summary })
    }

    /// Lists the folder; nothing if it is gone for a while.
    fn look(&mut self) -> Result<Listing, E> {
        let folder = &self.options.folder;
        match list(folder, self.inner_rejects.as_deref()) {
            Ok(listing) => {
                if self.is_lost {
                    self.is_lost = false;
                    (self.observe)(Event::Back)?;
                }
                for problem in &listing.problems {
                    if self.told.insert(problem.clone()) {
                        (self.observe)(Event::NotListed(problem))?;
                    }
                }
                Ok(listing)
            }
            Err(source) if self.options.once => {
                Err(WatchError::Folder { path: folder.clone(), source }.into())
            }
            Err(error) => {
                if !self.is_lost {
                    self.is_lost = true;
                    (self.observe)(Event::Lost(&error))?;
                }
                Ok(Listing::default())
            }
        }
    }

    fn judge(
        &mut self,
        detector: &Detector,
        ready: &[Found],
        stop: &dyn Fn() -> bool,
    ) -> Result<ControlFlow<()>, E> {
        let photos: Vec<Photo> = ready.iter().map(Found::to_photo).collect();
        let Options { decode, workers, .. } = *self.options;
        let options = JudgeOptions { decode, workers };
        let judged = inspect_photos(detector, &photos, &options, |index, judged| {
            if stop() {
                return Err(Halt::Stopped);
            }
            self.take(&ready[index], judged).map_err(Halt::Failed)
        });
        match judged {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(Halt::Stopped) => Ok(ControlFlow::Break(())),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    fn take(&mut self, found: &Found, judged: Result<Judged, InspectError>) -> Result<(), E> {
        let path = &found.photo.path;
        if !found.is_unchanged() {
            // What was read may be half of the old photo and half of the new one.
            self.arrivals.forget(path);
            return Ok(());
        }
        match judged {
            Ok(judged) => {
                self.arrivals.forget(path);
                self.take_verdict(found, &judged.inspection)
            }
            Err(error) if self.arrivals.is_hopeless(path, Instant::now()) => {
                self.arrivals.forget(path);
                let reason = error.to_string();
                self.log(Entry::Failed(Failure { photo: found.photo.clone(), reason }))
            }
            Err(_) => Ok(()),
        }
    }

    fn take_verdict(&mut self, found: &Found, inspection: &Inspection) -> Result<(), E> {
        let Inspection { score, p_value, anomalous, .. } = *inspection;
        let photo = found.photo.clone();
        self.log(Entry::Judged(Verdict { photo, score, p_value, anomalous }))?;
        if let Some(alarm) = self.drift.as_mut().and_then(|test| test.observe(score)) {
            self.log(Entry::Drift(alarm))?;
        }
        if anomalous == Some(true) {
            self.file(found)?;
        }
        Ok(())
    }

    /// Files the rejects among photos that are known; returns the photos that are not.
    fn file_left_rejects(&mut self, photos: Vec<Found>) -> Result<Vec<Found>, E> {
        let mut new = Vec::new();
        for found in photos {
            let key = found.photo.key();
            if !self.known.is_done(key) {
                new.push(found);
            } else if self.known.is_unfiled(key) {
                self.file(&found)?;
            }
        }
        Ok(new)
    }

    fn file(&mut self, found: &Found) -> Result<(), E> {
        let Some(rejects) = &self.options.rejects else { return Ok(()) };
        // Whatever happens to the photo, its verdict must not be lost.
        self.journal.sync()?;
        let photo = found.photo.clone();
        match rejects.file(&found.path, &photo) {
            Ok(to) => {
                self.not_filed.remove(&photo.key());
                self.log(Entry::Filed(FiledReject { photo, to }))
            }
            Err(error) => {
                if self.not_filed.insert(photo.key()) {
                    (self.observe)(Event::NotFiled { photo: &photo, error })?;
                }
                Ok(())
            }
        }
    }

    /// Notes the rejects that were filed just before the program was killed.
    fn note_filed(&mut self) -> Result<(), E> {
        let Some(rejects) = &self.options.rejects else { return Ok(()) };
        let unfiled: Vec<PhotoFile> = self.known.unfiled().cloned().collect();
        for photo in unfiled {
            if self.options.folder.join(&photo.path).exists() {
                continue;
            }
            if let Some(to) = rejects.find(&photo) {
                self.log(Entry::Filed(FiledReject { photo, to }))?;
            }
        }
        Ok(())
    }

    fn log(&mut self, entry: Entry) -> Result<(), E> {
        let line = self.journal.append(entry)?;
        self.known.take(&line.entry);
        self.summary.take(&line.entry);
        (self.observe)(Event::Logged(&line))
    }

    /// Waits until the next look into the folder is due.
    fn wait(&self, look_took: Duration, stop: &dyn Fn() -> bool) -> ControlFlow<()> {
        let now = Instant::now();
        let earliest = now + look_took * LOOK_SHARE;
        let latest = earliest.max(now + LOOK_INTERVAL);
        let until = self.arrivals.due().map_or(latest, |due| due.clamp(earliest, latest));
        loop {
            if stop() {
                return ControlFlow::Break(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            thread::sleep(left.min(STOP_INTERVAL));
        }
    }
}

impl Summary {
    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Judged(verdict) => {
                self.judged += 1;
                self.anomalous += usize::from(verdict.anomalous == Some(true));
            }
            Entry::Failed(_) => self.failed += 1,
            Entry::Drift(_) => self.alarms += 1,
            Entry::Started(_) | Entry::Filed(_) | Entry::Stopped => {}
        }
    }
}

/// Checks the watched folder and makes that of rejects; the path of the latter as it is met while the watched folder is listed, if it
/// lies there.
fn prepare_folders(options: &Options, detector: &Detector) -> Result<Option<PathBuf>, WatchError> {
    let folder = fs::read_dir(&options.folder)
        .and_then(|_| fs::canonicalize(&options.folder))
        .map_err(|source| WatchError::Folder { path: options.folder.clone(), source })?;
    let Some(Rejects { folder: rejects, .. }) = &options.rejects else { return Ok(None) };
    if detector.threshold().is_none() {
        return Err(WatchError::NoThreshold);
    }
    let real = fs::create_dir_all(rejects)
        .and_then(|()| fs::canonicalize(rejects))
        .map_err(|source| WatchError::RejectsFolder { path: rejects.clone(), source })?;
    if folder.starts_with(&real) {
        return Err(WatchError::RejectsAroundPhotos(rejects.clone()));
    }
    Ok(real.strip_prefix(&folder).ok().map(|below| options.folder.join(below)))
}
