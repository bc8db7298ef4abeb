//! `efficientad calibrate`.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use efficientad_evaluation::{CalibrationReport, CaughtDefects};
use efficientad_jobs::{CalibratePlan, Calibrated, Event, calibrate};
use serde::Serialize;

use crate::args::CalibrateArgs;
use crate::engine;
use crate::output::{self, Status};
use crate::progress::{Progress, Style};

/// Takes a model's threshold anew.
pub fn run(args: CalibrateArgs) -> Result<Status> {
    let plan = CalibratePlan {
        model: args.model,
        out: args.out,
        good: args.good,
        defects: args.defects,
        orientation: args.decode.orientation(),
        false_reject: args.false_reject,
        engine: engine::open(&args.engine)?,
    };
    let mut progress = Progress::new(Style::choose(false, args.json));
    let calibrated = calibrate(&plan, &mut |event| {
        match event {
            Event::Progress { stage, done, total } => progress.count(stage, done, total),
            Event::OtherArithmetic { calibrated, now } => progress.note(format_args!(
                "the model was calibrated by {calibrated}; {now} computes the scores that replace \
                 those"
            )),
            Event::NotListed(error) => progress.note(format_args!("skipped: {error}")),
            Event::NotJudged(failure) => {
                progress.note(format_args!("skipped: {}", failure.reason));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    drop(progress);
    let Calibrated { path, report, not_listed, .. } = calibrated;
    if args.json {
        output::print_json(&Document { model: &path, report: &report })?;
    } else {
        print_report(&path, &report)?;
    }
    Ok(Status::from_failures(report.failed.len() + not_listed))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    model: &'a Path,
    #[serde(flatten)]
    report: &'a CalibrationReport,
}

fn print_report(out: &Path, report: &CalibrationReport) -> Result<()> {
    let CalibrationReport { threshold, calibration, defects, failed } = report;
    let images = calibration.images;
    output::print(format_args!("{}: calibrated on {images} photos of good parts", out.display()))?;
    output::print(format_args!("threshold {threshold}"))?;
    defects.iter().flat_map(defect_lines).try_for_each(output::print)?;
    if !failed.is_empty() {
        output::note(format_args!("{} unreadable photos were skipped", failed.len()));
    }
    Ok(())
}

fn defect_lines(defects: &CaughtDefects) -> Vec<String> {
    let CaughtDefects { images, caught, interval, missed, .. } = defects;
    let [lower, upper] = interval.map(|rate| 100.0 * rate);
    let mut lines = vec![format!(
        "{caught} of {images} photos of defects are caught: {lower:.1} to {upper:.1} % of such \
         defects, with 95 % confidence"
    )];
    lines.extend(missed.iter().map(|missed| {
        let (score, p_value, path) = (missed.score, missed.p_value, missed.path.display());
        format!("missed  {score:>9.4}  p {p_value:.4}  {path}")
    }));
    lines
}
