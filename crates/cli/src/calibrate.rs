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
use crate::remarks::remark;
use crate::taking::Taking;

/// Takes a model's threshold anew.
pub fn run(args: CalibrateArgs) -> Result<Status> {
    let surely_good = !args.surely_good.is_empty();
    let plan = CalibratePlan {
        model: args.model,
        out: args.out,
        good: if surely_good { args.surely_good } else { args.good },
        surely_good,
        defects: args.defects,
        reading: args.decode.reading(),
        false_reject: args.false_reject,
        engine: engine::open(&args.engine)?,
    };
    let taking = Taking { dry_run: args.dry_run, json: args.json, quiet: false };
    let mut progress = Progress::new(Style::choose(false, args.json));
    let calibrated = taking.end(calibrate(&plan, &mut |event| {
        match event {
            Event::Taking { layout, taken } => taking.show(layout, taken)?,
            Event::ThresholdMoved { before, after } => progress.note(format_args!(
                "the threshold was {before:.4} and is {after:.4} now: look whether all of these photos \
                 are of good parts, taken as those that the model was trained on"
            )),
            Event::Progress { stage, done, total } => progress.count(stage, done, total),
            Event::OtherArithmetic { calibrated, now } => progress.note(format_args!(
                "the model was calibrated by {calibrated}; {now} computes the scores that replace \
                 those"
            )),
            Event::NotListed(error) => progress.note(format_args!("skipped: {error}")),
            _ => remark(&event).iter().for_each(|line| progress.note(line)),
        }
        ControlFlow::Continue(())
    }))?;
    drop(progress);
    let Some(Calibrated { path, report, not_listed, backup, .. }) = calibrated else {
        return Ok(Status::Done);
    };
    if args.json {
        let backup = backup.as_deref();
        output::print_json(&Document { model: &path, backup, report: &report })?;
    } else {
        print_report(&path, &report)?;
        backup.iter().try_for_each(|backup| {
            output::print(format_args!("the model before is kept in {}", backup.display()))
        })?;
    }
    Ok(Status::from_failures(report.failed.len() + not_listed))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    model: &'a Path,
    /// Copy of the model that was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a Path>,
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
