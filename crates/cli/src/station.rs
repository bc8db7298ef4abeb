//! `efficientad run`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use efficientad_outputs::OutputEvent;
use efficientad_station::{
    CameraState, Event, LineEvent, LineStatus, Station, StationConfig, StationOptions, check,
};
use efficientad_stream::entry::{Entry, Line};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::RunArgs;
use crate::interrupt::Interrupt;
use crate::output::{self, Status, note};
use crate::progress::Style;
use crate::wording::with_options;
use crate::{engine, machine};

/// Time between two updates of how lines are.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// Runs a station.
pub fn run(args: &RunArgs) -> Result<Status> {
    machine::return_freed_memory();
    let engine = engine::open(&args.engine)?;
    if args.check {
        let config = StationConfig::open(&args.station)?;
        let problems = check(&config, &engine);
        if !problems.is_empty() {
            bail!("{}:\n  {}", args.station.display(), problems.join("\n  "));
        }
        output::print(format_args!("{}: can work: {}", args.station.display(), summary(&config)))?;
        return Ok(Status::Done);
    }
    let interrupt = Interrupt::listen(
        "stopping when the photos in work are judged and delivered; once more to stop at once",
    )?;
    let options = StationOptions { file: args.station.clone(), engine, finish: args.finish };
    interrupt.hold();
    let station = Station::start(options)?;
    let mut report = Report::new(args);
    if report.style != Style::Silent {
        note(format_args!("{}: {}", station.config().name, summary(station.config())));
    }
    let show = &mut |station: &Station, event| report.show(station, event);
    let lines = station.run(&|| interrupt.is_requested(), show)?;
    interrupt.release();
    report.end(&lines);
    Ok(Status::from_failures(report.halted.len() + report.undelivered))
}

fn summary(config: &StationConfig) -> String {
    let count = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    format!(
        "{}, {}, {}",
        count(config.cameras.len(), "camera"),
        count(config.lines.len(), "line"),
        count(config.outputs.len(), "output")
    )
}

/// A line of a log, with the name of the station's line.
#[derive(Serialize)]
struct Named<'a> {
    line: &'a str,
    #[serde(flatten)]
    logged: &'a Line,
}

/// What is shown.
struct Report {
    json: bool,
    style: Style,
    status: ProgressBar,
    shown: Instant,
    halted: BTreeSet<String>,
    undelivered: usize,
}

impl Report {
    fn new(args: &RunArgs) -> Self {
        let style = Style::choose(false, args.json);
        let status =
            if style == Style::Bar { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Self {
            json: args.json,
            style,
            status,
            shown: Instant::now(),
            halted: BTreeSet::new(),
            undelivered: 0,
        }
    }

    fn show(&mut self, station: &Station, event: Option<Event>) -> Result<()> {
        match event {
            Some(Event::Line { line, event }) => self.show_line(&line, event)?,
            Some(Event::Output { output, event }) => self.show_output(&output, &event),
            Some(Event::Undelivered { output, records }) => {
                self.undelivered += 1;
                let count = records.total();
                self.note(format_args!(
                    "{output}: {count} records are not delivered yet; they are when the station is \
                     started again"
                ));
            }
            Some(Event::Changed(changes)) => {
                for change in changes {
                    self.note(format_args!("changed: {change}"));
                }
            }
            Some(Event::NotChanged { problems }) => {
                for problem in problems {
                    self.note(format_args!("not changed: {}", with_options(&problem)));
                }
            }
            Some(Event::Untold(count)) => {
                self.note(format_args!("{count} events are not shown, as there were too many"));
            }
            Some(_) | None => {}
        }
        if self.shown.elapsed() >= STATUS_INTERVAL {
            self.shown = Instant::now();
            self.show_status(station);
        }
        Ok(())
    }

    fn show_line(&mut self, line: &str, event: LineEvent) -> Result<()> {
        match event {
            LineEvent::Logged(logged) => self.show_logged(line, &logged)?,
            LineEvent::Repaired(bytes) => self.note(format_args!(
                "{line}: the log ended in the start of a line ({bytes} bytes), which was cut off"
            )),
            LineEvent::NotFiled { photo, reason } => {
                self.note(format_args!("{line}: no picture of {photo}: {reason}"));
            }
            LineEvent::Note(text) => self.note(format_args!("{line}: {}", with_options(&text))),
            LineEvent::Halted { reason } => {
                self.note(format_args!(
                    "{line}: HALTED, nothing is judged (fail_safe = \"stop\"): {reason}"
                ));
                self.halted.insert(line.to_owned());
            }
            LineEvent::Failed { reason, after } => self.note(format_args!(
                "{line}: nothing is judged: {}; tried again in {} s",
                with_options(&reason),
                after.as_secs()
            )),
            _ => {}
        }
        Ok(())
    }

    fn show_logged(&mut self, line: &str, logged: &Line) -> Result<()> {
        match &logged.entry {
            Entry::Started(_) => {
                self.halted.remove(line);
            }
            Entry::Judged(judged) if judged.verdict.anomalous == Some(true) && !self.json => {
                let text = judged.verdict.text(&format!("{line}: {}", judged.photo.path));
                self.status.suspend(|| output::print(text))?;
            }
            Entry::Failed(failure) => {
                self.note(format_args!("{line}: failed: {}", with_options(&failure.reason)));
            }
            Entry::Dropped(dropped) => {
                self.note(format_args!("{line}: {} dropped: {}", dropped.frames, dropped.reason));
            }
            Entry::Lost(lost) => {
                self.note(format_args!("{line}: the camera is lost: {}", lost.reason));
            }
            Entry::Back => self.note(format_args!("{line}: the camera is back")),
            Entry::Drift(alarm) => {
                self.note(format_args!("{line}: {}", crate::watch::describe(alarm)));
            }
            _ => {}
        }
        if self.json {
            self.status.suspend(|| output::print_json(&Named { line, logged }))?;
        }
        Ok(())
    }

    fn show_output(&self, output: &str, event: &OutputEvent) {
        match event {
            OutputEvent::Disconnected { reason } => {
                self.note(format_args!("{output}: not reached: {reason}"));
            }
            OutputEvent::Connected => self.note(format_args!("{output}: connected")),
            OutputEvent::Refused { id, reason, file } => self.note(format_args!(
                "{output}: record {id} was refused for good ({reason}); it is kept in {}",
                file.display()
            )),
            OutputEvent::AnotherLog { line } => self.note(format_args!(
                "{output}: the log of {line} is another one than before: it is sent from its beginning"
            )),
            OutputEvent::Trouble { reason } => self.note(format_args!("{output}: {reason}")),
            _ => {}
        }
    }

    fn note(&self, line: impl Display) {
        self.status.suspend(|| note(line));
    }

    fn show_status(&self, station: &Station) {
        let lines = station.status();
        let lines: Vec<String> = lines.iter().map(|(name, status)| text(name, status)).collect();
        self.status.set_message(lines.join("   |   "));
        self.status.tick();
    }

    /// What was done, in a line for each of the station's.
    fn end(&self, lines: &BTreeMap<String, LineStatus>) {
        self.status.finish_and_clear();
        if self.style != Style::Silent {
            lines.iter().for_each(|(name, status)| note(text(name, status)));
        }
    }
}

fn text(name: &str, status: &LineStatus) -> String {
    let LineStatus { judged, anomalous, failed, dropped, late, .. } = *status;
    let mut text = format!("{name}: {judged} judged, {anomalous} anomalous");
    for (count, what) in [(failed, "failed"), (dropped, "dropped"), (late, "late")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    if let (Some(median), Some(longest)) = (status.latency(0.5), status.latency(1.0)) {
        text += &format!(", {} ms (at most {})", median.as_millis(), longest.as_millis());
    }
    match &status.camera {
        CameraState::Lost(_) => text += ", camera lost",
        CameraState::Waiting => text += ", no photo yet",
        _ => {}
    }
    text
}
