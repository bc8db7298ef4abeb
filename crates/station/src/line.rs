//! One line: a camera, and the model that judges its photos.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use efficientad::{Arithmetic, Detector, InspectionEngine};
use efficientad_cameras::CameraConfig;
use efficientad_datasets::file_fingerprint;
use efficientad_evaluation::JudgeOptions;
use efficientad_jobs::Reading;
use efficientad_outputs::FailSafe;
use efficientad_stream::entry::{Entry, Line as LogLine};
use efficientad_stream::{
    Event as StreamEvent, Fault, Filing, Notice, Rejects, Sink, Stream, StreamError, StreamOptions,
    Trigger, Wake,
};

use crate::check::open_detector;
use crate::config::LineConfig;
use crate::event::LineEvent;
use crate::gate::{Gate, Pass};
use crate::pictures::Pictures;
use crate::status::LineStatus;

/// Time until a line is tried again that could not go on.
const RETRY: Duration = Duration::from_secs(5);

/// Takes what happens at lines.
pub(crate) type Tell = Arc<dyn Fn(LineEvent) + Send + Sync>;

/// A model ready to judge, and what the log calls it.
pub(crate) struct Judge {
    detector: Detector,
    sha256: String,
}

impl Judge {
    /// Opens the model of a line; why it can't.
    pub(crate) fn open(
        line: &LineConfig,
        engine: &Arc<dyn InspectionEngine>,
    ) -> Result<Self, String> {
        let sha256 = || {
            let fingerprint = file_fingerprint(&line.model).map_err(|error| error.to_string());
            fingerprint.map(|fingerprint| fingerprint.to_string())
        };
        let before = sha256()?;
        let detector = open_detector(line, engine)?;
        if sha256()? != before {
            return Err(format!("model: {}: it is being written", line.model.display()));
        }
        Ok(Self { detector, sha256: before })
    }

    /// What is to be said of it.
    fn remark(&self) -> Option<String> {
        let Arithmetic::Other { calibrated } = self.detector.arithmetic() else { return None };
        let engine = self.detector.engine();
        Some(format!(
            "the model was calibrated by {calibrated}, and {engine} computes now: scores differ by \
             rounding, so that a part right at the threshold may be judged otherwise"
        ))
    }
}

/// What a line is made of.
pub(crate) struct LineSetup {
    pub(crate) name: String,
    pub(crate) config: LineConfig,
    pub(crate) camera: CameraConfig,
    pub(crate) trigger: Trigger,
    pub(crate) log: std::path::PathBuf,
    pub(crate) wake: Wake,
    /// Set while the log can't say that the line does not judge.
    pub(crate) fault: Fault,
    pub(crate) tell: Tell,
}

/// A line at work, in a thread of its own.
pub(crate) struct Line {
    pass: Pass,
    /// The model that it is to go on with.
    next: Arc<Mutex<Option<Judge>>>,
    status: Arc<Mutex<LineStatus>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    /// Begins to judge what the camera gives.
    ///
    /// # Errors
    /// The camera can't be opened, or the system gives no thread.
    pub(crate) fn start(setup: LineSetup, judge: Judge) -> Result<Self, String> {
        let source = setup.camera.open(&setup.config.camera, setup.trigger.clone());
        let source = source.map_err(|error| error.to_string())?;
        let pass = Pass::default();
        let next = Arc::new(Mutex::new(Some(judge)));
        let status = Arc::new(Mutex::new(LineStatus::default()));
        let worker = Worker {
            gate: Gate::new(source, pass.clone()),
            next: Arc::clone(&next),
            status: Arc::clone(&status),
            setup,
        };
        let thread = thread::Builder::new().name(format!("line {}", worker.setup.name));
        let thread = thread.spawn(move || worker.run()).map_err(|error| error.to_string())?;
        Ok(Self { pass, next, status, thread: Some(thread) })
    }

    /// Goes on with another model after the photos that are in work.
    pub(crate) fn change_model(&self, judge: Judge) {
        *lock(&self.next) = Some(judge);
        self.pass.pause();
    }

    /// Ends after the photos that are in work; does not wait for that.
    pub(crate) fn close(&self) {
        self.pass.close();
    }

    /// Waits for the end; how it was then.
    pub(crate) fn join(mut self) -> LineStatus {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        self.status()
    }

    /// How it is.
    pub(crate) fn status(&self) -> LineStatus {
        lock(&self.status).clone()
    }
}

struct Worker {
    setup: LineSetup,
    gate: Gate,
    next: Arc<Mutex<Option<Judge>>>,
    status: Arc<Mutex<LineStatus>>,
}

impl Worker {
    fn run(mut self) {
        let Some(mut judge) = lock(&self.next).take() else { return };
        let mut rejects = self.rejects();
        loop {
            judge
                .remark()
                .into_iter()
                .for_each(|remark| (self.setup.tell)(LineEvent::Note(remark)));
            let judged = self.judge(&judge, &mut rejects);
            if let Err(error) = judged {
                self.fail(error.to_string());
            }
            if self.gate.pass.is_closed() {
                return;
            }
            if let Some(next) = lock(&self.next).take() {
                judge = next;
            }
            self.gate.pass.resume();
        }
    }

    /// Judges photos until the gate is shut.
    fn judge(
        &mut self,
        judge: &Judge,
        rejects: &mut Option<Box<dyn Sink>>,
    ) -> Result<(), StreamError> {
        let sink = rejects.as_mut().map(|rejects| &mut **rejects as &mut dyn Sink);
        let Judge { detector, sha256 } = judge;
        let options = StreamOptions {
            log: self.setup.log.clone(),
            model: sha256.clone(),
            judge: JudgeOptions {
                decode: Reading::default().options_for(detector.info()),
                workers: detector.threads(),
            },
            defect_rate: self.setup.config.defect_rate,
        };
        let Self { setup, gate, status, .. } = self;
        let pass = gate.pass.clone();
        let mut observe = |event: StreamEvent<'_>| {
            if let StreamEvent::Logged(line) = event {
                setup.fault.set(false);
                setup.wake.notify();
                lock(status).record(line, setup.config.budget());
                setup.halt_if_lost(line, &pass);
            }
            told(event).into_iter().for_each(|event| (setup.tell)(event));
            Ok::<_, StreamError>(())
        };
        let stream = Stream { source: gate, detector, sink, options };
        stream.run(&|| false, &mut observe).map(drop)
    }

    /// A log that can't be written, for example: without it there are no verdicts.
    fn fail(&self, reason: String) {
        self.setup.fault.set(true);
        if self.setup.config.fail_safe == FailSafe::Stop {
            self.gate.pass.close();
            return (self.setup.tell)(LineEvent::Halted { reason });
        }
        (self.setup.tell)(LineEvent::Failed { reason, after: RETRY });
        let until = Instant::now() + RETRY;
        while Instant::now() < until && !self.gate.pass.is_closed() {
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn rejects(&self) -> Option<Box<dyn Sink>> {
        let folder = self.setup.config.rejects.clone()?;
        Some(match self.setup.camera {
            CameraConfig::Folder(_) => Box::new(Rejects { folder, filing: Filing::Copy }),
            _ => Box::new(Pictures { folder }),
        })
    }
}

impl LineSetup {
    fn halt_if_lost(&self, line: &LogLine, pass: &Pass) {
        if let (Entry::Lost(lost), FailSafe::Stop) = (&line.entry, self.config.fail_safe) {
            pass.close();
            let reason = format!("the camera is lost: {}", lost.reason);
            (self.tell)(LineEvent::Halted { reason });
        }
    }
}

/// What is told of an event of the stream.
fn told(event: StreamEvent<'_>) -> Option<LineEvent> {
    Some(match event {
        StreamEvent::Logged(line) => LineEvent::Logged(Box::new(line.clone())),
        StreamEvent::Repaired { bytes } => LineEvent::Repaired(bytes),
        StreamEvent::NotFiled { photo, error } => {
            LineEvent::NotFiled { photo: photo.path.clone(), reason: error.to_string() }
        }
        StreamEvent::Depth(remark) => LineEvent::Note(remark.to_string()),
        StreamEvent::Notice(Notice::Skipped(reason) | Notice::NotListed(reason)) => {
            LineEvent::Note(format!("skipped: {reason}"))
        }
        _ => return None,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
