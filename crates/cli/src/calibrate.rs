//! `efficientad calibrate`.

use std::path::{Path, PathBuf};
use std::slice;

use anyhow::{Result, bail};
use efficientad::Model;
use efficientad_evaluation::{
    CalibrationPhotos, CalibrationReport, CaughtDefects, Event, Photo, calibrate, find_photos,
};
use serde::Serialize;

use crate::args::CalibrateArgs;
use crate::engine;
use crate::output::{self, Status, check_writable, note};
use crate::progress::{Progress, Style};

/// Takes a model's threshold anew.
pub fn run(args: CalibrateArgs) -> Result<Status> {
    let model = Model::open(&args.model)?;
    let out = args.out.as_deref().unwrap_or(&args.model);
    check_writable(out)?;
    let mut found = FoundPhotos::default();
    let photos = CalibrationPhotos {
        good: found.find(&args.good),
        defects: args.defects.as_ref().map(|folder| found.find(slice::from_ref(folder))),
        decode: args.decode.options_for(model.info()),
    };
    if photos.good.is_empty() {
        bail!("there are no photos of good parts to calibrate with");
    }
    let before = model.info().threshold.as_ref().and_then(|threshold| threshold.false_reject);
    let rate = args.false_reject.or(before).unwrap_or_default();
    let engine = engine::open(&args.engine)?;
    let (now, earlier) = (engine.id(), model.info().calibrated_by());
    if let Some(earlier) = earlier.filter(|earlier| *earlier != now) {
        note(format_args!(
            "the model was calibrated by {earlier}; {now} computes the scores that replace those"
        ));
    }
    let mut progress = Progress::new(Style::choose(false, args.json));
    let (model, report) = calibrate(model, engine, &photos, rate, &mut |event| match event {
        Event::Progress { done, total } => progress.count("calibration", done, total),
        Event::Judged(_) => (),
        Event::Failed(failure) => progress.note(format_args!("skipped: {}", failure.reason)),
    })?;
    drop(progress);
    model.save(out)?;
    if args.json {
        output::print_json(&Document { model: out, report: &report })?;
    } else {
        print_report(out, &report)?;
    }
    Ok(Status::from_failures(report.failed.len() + found.failed))
}

/// Photos, and the number of folders without any, which are named on the error output.
#[derive(Default)]
struct FoundPhotos {
    failed: usize,
}

impl FoundPhotos {
    fn find(&mut self, paths: &[PathBuf]) -> Vec<Photo> {
        let found = find_photos(paths, None);
        self.failed += found.errors.len();
        found.errors.into_iter().for_each(|error| output::complain(&error.into()));
        found.photos
    }
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
