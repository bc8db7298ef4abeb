//! Judging a data set's test images, and measuring how well that works.

use std::path::PathBuf;

use efficientad::Detector;
use efficientad_datasets::{DatasetSource, Layout, Purpose};
use efficientad_evaluation as evaluation;
use efficientad_evaluation::{MaskReading, Options, Report};
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
    let report = evaluation::evaluate(detector, &dataset, &options, &mut |event| match event {
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
