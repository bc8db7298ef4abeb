//! Judging a data set's test images, and measuring how well that works.

use std::path::{Path, PathBuf};

use efficientad::Detector;
use efficientad_datasets::{Dataset, DatasetSource, Layout, Purpose, file_fingerprint};
use efficientad_evaluation as evaluation;
use efficientad_evaluation::shards::{Merged, Run, Shard, ShardDone, Stored, judge_shard};
use efficientad_evaluation::{Failure, JudgeOptions, MaskReading, Options, Report, test_photos};
use efficientad_report::{ReportWriter, Subject};

use crate::error::JobError;
use crate::event::{Event, Notifier, Observer, Stage};
use crate::reading::Reading;

/// An evaluation to be done.
#[derive(Debug, Clone)]
pub struct EvaluatePlan {
    /// The model's file, as the page names it.
    pub model: PathBuf,
    /// The data set.
    pub dataset: DatasetSource,
    /// How photos are read.
    pub reading: Reading,
    /// How masks are read.
    pub masks: MaskReading,
    /// Folder for anomaly maps, overlays and `results.json`, if they are wanted.
    pub output: Option<PathBuf>,
    /// Folder for a page that shows the results, if it is wanted.
    pub page: Option<PathBuf>,
}

/// A finished evaluation.
#[derive(Debug)]
pub struct Evaluated {
    /// Metrics, verdicts and scores.
    pub report: Report,
    /// The data set's layout.
    pub layout: Layout,
    /// Folders that could not be listed.
    pub not_listed: usize,
    /// The page's file, if it was wanted.
    pub page: Option<PathBuf>,
}

/// Evaluates a detector by a plan: judges the test images, computes the metrics, and writes what is
/// wanted. An image that can't be judged counts nowhere ([`Event::NotJudged`]),
/// one whose mask can't be used for image metrics only ([`Event::MaskNotUsed`]).
///
/// # Errors
/// When the data set can't be read or has no test images, or results can't be written;
/// [`JobError::Cancelled`] when `observe` breaks: the images are judged to the end all the same, but
/// no page is written.
pub fn evaluate(
    plan: &EvaluatePlan,
    detector: &Detector,
    observe: &mut Observer<'_>,
) -> Result<Evaluated, JobError> {
    measure(plan, detector, observe, |dataset, options, observe| {
        Ok(evaluation::evaluate(detector, dataset, options, observe)?)
    })
}

/// As [`evaluate`], from what [`evaluate_shard`] kept in `results`: the same report.
///
/// # Errors
/// As [`evaluate`]; and when shards are not finished, or of another run.
pub fn evaluate_merged(
    plan: &EvaluatePlan,
    results: &Path,
    detector: &Detector,
    observe: &mut Observer<'_>,
) -> Result<Evaluated, JobError> {
    measure(plan, detector, observe, |dataset, options, observe| {
        let run = shard_run(plan, dataset, detector)?;
        let merged = Merged::open(results, &run, &test_photos(dataset))?;
        Ok(evaluation::evaluate_merged(detector, dataset, options, merged, observe)?)
    })
}

/// Judges the test images of a shard, and keeps verdicts and maps in `results`; those that are there
/// already are not judged again.
///
/// # Errors
/// As [`evaluate`]; and when `results` are of another run, or in use.
pub fn evaluate_shard(
    plan: &EvaluatePlan,
    (shard, results): (Shard, &Path),
    detector: &Detector,
    observe: &mut Observer<'_>,
) -> Result<ShardDone, JobError> {
    let mut notify = Notifier::new(observe);
    let dataset = plan.dataset.open(Purpose::Evaluation)?;
    notify.tell_taking(&dataset, Purpose::Evaluation)?;
    let run = shard_run(plan, &dataset, detector)?;
    let decode = plan.reading.options_for(detector.info());
    let judging = JudgeOptions { decode, workers: detector.threads() };
    let photos = test_photos(&dataset);
    let total = shard.of(&photos).len();
    let mut done = 0;
    let what = (shard, results, &run);
    judge_shard(detector, &photos, &judging, what, |photo, stored, _| {
        if let Stored::Failed(reason) = stored {
            notify.tell(Event::NotJudged(&Failure { path: photo.relative.clone(), reason }))?;
        }
        done += 1;
        match notify.progress(Stage::Judging, done, total).is_break() {
            true => Err(JobError::Cancelled),
            false => Ok(()),
        }
    })
}

fn shard_run(plan: &EvaluatePlan, dataset: &Dataset, detector: &Detector) -> Result<Run, JobError> {
    let decode = plan.reading.options_for(detector.info());
    let model = file_fingerprint(&plan.model)?;
    Ok(Run::new(model, detector, &decode, &test_photos(dataset), true))
}

/// Has the test images measured, and writes what is wanted.
fn measure(
    plan: &EvaluatePlan,
    detector: &Detector,
    observe: &mut Observer<'_>,
    evaluate: impl FnOnce(
        &Dataset,
        &Options,
        &mut dyn FnMut(evaluation::Event<'_>),
    ) -> Result<Report, JobError>,
) -> Result<Evaluated, JobError> {
    let mut notify = Notifier::new(observe);
    let dataset = plan.dataset.open(Purpose::Evaluation)?;
    notify.tell_taking(&dataset, Purpose::Evaluation)?;
    let options = Options {
        decode: plan.reading.options_for(detector.info()),
        workers: detector.threads(),
        masks: plan.masks,
        output: plan.output.clone(),
    };
    let page = plan.page.as_deref();
    let page = page.map(|folder| ReportWriter::create(folder, detector.threshold()));
    let mut page = page.transpose()?;
    let report = evaluate(&dataset, &options, &mut |event| match event {
        evaluation::Event::Progress { done, total } => {
            let _ = notify.progress(Stage::Judging, done, total);
        }
        evaluation::Event::Judged(sample) => page.iter_mut().for_each(|page| page.add(sample)),
        evaluation::Event::Failed(failure) => {
            let _ = notify.send(Event::NotJudged(failure));
        }
        evaluation::Event::MaskNotUsed(failure) => {
            let _ = notify.send(Event::MaskNotUsed(failure));
        }
        evaluation::Event::MaskKind { kind, image } => {
            let _ = notify.send(Event::MaskKind { kind, image });
        }
        evaluation::Event::Depth(remark) => {
            let _ = notify.send(Event::Depth(remark));
        }
    })?;
    if notify.is_stopping() {
        return Err(JobError::Cancelled);
    }
    let subject = Subject {
        model: &plan.model,
        info: detector.info(),
        dataset: &dataset,
        options: &options,
        engine: &detector.engine(),
    };
    let page = page.map(|page| page.finish(&report, &subject)).transpose()?;
    Ok(Evaluated {
        report,
        layout: dataset.layout,
        not_listed: dataset.left_out.not_listed(),
        page,
    })
}
