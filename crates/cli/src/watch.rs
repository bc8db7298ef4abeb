//! `efficientad watch`.

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use efficientad::Detector;
use efficientad_evaluation::JudgeOptions;
use efficientad_stream::drift::{Alarm, Direction};
use efficientad_stream::entry::{Entry, Line, Session};
use efficientad_stream::{Event, Filing, Notice, Options, Rejects, Summary, watch};
use indicatif::ProgressBar;

use crate::args::WatchArgs;
use crate::detector::{self, Verdicts};
use crate::interrupt::Interrupt;
use crate::output::{self, Status, note};
use crate::progress::Style;
use crate::wording::with_options;

/// Judges photos as they arrive.
pub fn run(args: WatchArgs) -> Result<Status> {
    let detector = detector::open(&args.model, &args.threshold, &args.engine, Verdicts::Needed)?;
    let interrupt = Interrupt::listen("stopping after this photo; once more to stop at once")?;
    let mut report = Report::new(&args);
    let options = options(args, &detector)?;
    report.begin(&options);
    interrupt.hold();
    let summary =
        watch(&detector, &options, &|| interrupt.is_requested(), &mut |event| report.show(event))?;
    report.end(&summary);
    Ok(match (options.once, interrupt.release()) {
        (true, true) => Status::Interrupted,
        (true, false) => {
            Status::from_failures(summary.failed + summary.unfiled + summary.not_listed)
        }
        (false, _) => Status::Done,
    })
}

fn options(args: WatchArgs, detector: &Detector) -> Result<Options> {
    let filing = match (args.move_rejects, args.link) {
        (true, _) => Filing::Move,
        (_, true) => Filing::Link,
        _ => Filing::Copy,
    };
    Ok(Options {
        log: args.log.map_or_else(|| log_beside(&args.folder), Ok)?,
        folder: args.folder,
        rejects: args.rejects.map(|folder| Rejects { folder, filing }),
        settle: args.settle,
        once: args.once,
        judge: JudgeOptions {
            decode: args.decode.reading().options_for(detector.info()),
            workers: detector.threads(),
        },
        model: args.model,
        defect_rate: args.defect_rate,
    })
}

/// `FOLDER.jsonl`
fn log_beside(folder: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(folder).with_context(|| folder.display().to_string())?;
    let mut name = real.file_name().context("the root folder has no name: give --log")?.to_owned();
    name.push(".jsonl");
    Ok(real.with_file_name(name))
}

/// What is shown.
struct Report {
    json: bool,
    style: Style,
    status: ProgressBar,
    judged: usize,
    anomalous: usize,
    last_minute: VecDeque<Instant>,
}

impl Report {
    fn new(args: &WatchArgs) -> Self {
        Self {
            json: args.json,
            style: Style::choose(false, args.json),
            status: ProgressBar::hidden(),
            judged: 0,
            anomalous: 0,
            last_minute: VecDeque::new(),
        }
    }

    fn begin(&mut self, options: &Options) {
        if self.style != Style::Silent {
            let (folder, log) = (options.folder.display(), options.log.display());
            note(format_args!("watching {folder}, log: {log}"));
        }
        if self.style == Style::Bar {
            self.status = ProgressBar::new_spinner();
        }
    }

    fn show(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Logged(line) => self.show_line(line)?,
            Event::Waiting => {}
            Event::Repaired { bytes } => self.note(format_args!(
                "the log ended in the start of a line ({bytes} bytes), which was cut off"
            )),
            Event::NotFiled { photo, error } => {
                self.note(format_args!("not filed, to be tried again: {}: {error}", photo.path));
            }
            Event::Depth(remark) => self.note(with_options(&remark.to_string())),
            Event::Notice(notice) => self.show_notice(notice),
            _ => {}
        }
        self.show_status();
        Ok(())
    }

    fn show_notice(&self, notice: &Notice) {
        match notice {
            Notice::Skipped(problem) | Notice::NotListed(problem) => {
                self.note(format_args!("skipped: {problem}"));
            }
            Notice::Lost(error) => {
                self.note(format_args!("the folder cannot be listed ({error}); waiting for it"));
            }
            Notice::Back => self.note("the folder is back"),
            _ => {}
        }
    }

    fn show_line(&mut self, line: &Line) -> Result<()> {
        match &line.entry {
            Entry::Started(session) => self.note_session(session),
            Entry::Judged(judged) => {
                self.judged += 1;
                self.anomalous += usize::from(judged.verdict.anomalous == Some(true));
                self.last_minute.push_back(Instant::now());
                if !self.json {
                    let text = judged.verdict.text(&judged.photo.path);
                    self.status.suspend(|| output::print(text))?;
                }
            }
            Entry::Failed(failure) => {
                self.note(format_args!("failed: {}", with_options(&failure.reason)));
            }
            Entry::Drift(alarm) => self.note(describe(alarm)),
            // Told as notices of the source.
            Entry::Dropped(_) | Entry::Lost(_) | Entry::Back => {}
            Entry::Filed(_) | Entry::Stopped => {}
        }
        if self.json { self.status.suspend(|| output::print_json(line)) } else { Ok(()) }
    }

    fn note_session(&self, session: &Session) {
        if session.threshold.is_none() {
            self.note("the model has no threshold: give --threshold for verdicts");
        }
        if session.drift.is_none() {
            self.note("drift is not tested: the model holds too few scores of calibration images");
        }
    }

    fn note(&self, line: impl Display) {
        self.status.suspend(|| note(line));
    }

    fn show_status(&mut self) {
        let minute_ago = Instant::now().checked_sub(Duration::from_secs(60));
        while self.last_minute.front().is_some_and(|&judged| Some(judged) < minute_ago) {
            self.last_minute.pop_front();
        }
        self.status.set_message(format!(
            "{} judged, {} rejects, {} in the last minute",
            self.judged,
            self.anomalous,
            self.last_minute.len()
        ));
        self.status.tick();
    }

    fn end(&self, summary: &Summary) {
        self.status.finish_and_clear();
        let Summary { judged, anomalous, failed, unfiled, alarms, .. } = summary;
        if self.style != Style::Silent {
            note(format_args!("{judged} judged, {anomalous} anomalous, {failed} failed"));
        }
        if *unfiled > 0 {
            note(format_args!("{unfiled} rejects are not filed yet"));
        }
        if *alarms > 0 {
            note(format_args!("{alarms} alarms of drift"));
        }
    }
}

pub(crate) fn describe(alarm: &Alarm) -> String {
    let Alarm { direction, level, parts, beyond, explained, .. } = alarm;
    let (way, side, hint) = match direction {
        Direction::Higher => ("higher", "above", "the lamp, the camera, the parts"),
        Direction::Lower => ("lower", "below", "the lens, the focus, the lamp"),
    };
    format!(
        "DRIFT: scores are {way} than in calibration: {beyond} of the last {parts} parts are {side} \
         {level:.4}, but only {:.0} % can be explained; look at {hint}, or calibrate again",
        explained * 100.0
    )
}
