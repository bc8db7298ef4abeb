//! Taking a finished model's threshold from other photos.

use std::path::PathBuf;
use std::slice;
use std::sync::Arc;

use efficientad::{Arithmetic, FalseRejectRate, InspectionEngine, Model};
use efficientad_datasets::LeftOut;
use efficientad_evaluation as evaluation;
use efficientad_evaluation::{CalibrationPhotos, CalibrationReport, Photo, find_photos};

use crate::error::JobError;
use crate::event::{Event, Notifier, Observer, Stage};
use crate::files::check_writable;
use crate::meter::MeanLosses;
use crate::reading::Reading;

/// A calibration to be done.
pub struct CalibratePlan {
    /// The model's file.
    pub model: PathBuf,
    /// The file to write; the model's own if it is `None`.
    pub out: Option<PathBuf>,
    /// Photos of good parts that it was not trained on, and folders of such.
    pub good: Vec<PathBuf>,
    /// Folder of photos of defects, to see what is caught.
    pub defects: Option<PathBuf>,
    /// How photos are read. What is stated of their samples is kept in the model.
    pub reading: Reading,
    /// Share of good parts that the threshold may reject; that of the model's threshold, or the
    /// default, if it is `None`.
    pub false_reject: Option<FalseRejectRate>,
    /// What to compute with.
    pub engine: Arc<dyn InspectionEngine>,
}

/// A finished calibration.
pub struct Calibrated {
    /// The file that was written.
    pub path: PathBuf,
    /// The model with its new threshold.
    pub model: Model,
    /// What came out of it.
    pub report: CalibrationReport,
    /// Folders that could not be listed.
    pub not_listed: usize,
}

/// Calibrates by a plan: finds the photos, judges them, takes the threshold, and saves the model.
///
/// # Errors
/// When the model can't be read or written, or there are too few or too many photos;
/// [`JobError::Cancelled`] when `observe` breaks, and nothing is written: the photos are judged to
/// the end all the same.
pub fn calibrate(plan: &CalibratePlan, observe: &mut Observer<'_>) -> Result<Calibrated, JobError> {
    let mut notify = Notifier::new(observe);
    let model = Model::open(&plan.model)?;
    let out = plan.out.as_deref().unwrap_or(&plan.model);
    check_writable(out)?;
    let mut not_listed = 0;
    let photos = plan.photos(&model, &mut not_listed, &mut notify)?;
    let before = model.info().threshold.as_ref().and_then(|threshold| threshold.false_reject);
    let rate = plan.false_reject.or(before).unwrap_or_default();
    let samples = plan.reading.samples_for(model.info());
    let engine = Arc::clone(&plan.engine);
    let now = engine.id();
    if let (Some(calibrated), true) =
        (model.info().calibrated_by(), Arithmetic::between(model.info(), &now) != Arithmetic::Same)
    {
        let _ = notify.send(Event::OtherArithmetic { calibrated: &calibrated, now: &now });
    }
    let (model, report) =
        evaluation::calibrate(model, engine, &photos, rate, &mut |event| match event {
            evaluation::Event::Progress { done, total } => {
                let _ = notify.progress(Stage::Scores, done, total);
            }
            evaluation::Event::Failed(failure) => {
                let _ = notify.send(Event::NotJudged(failure));
            }
            evaluation::Event::Depth(remark) => {
                let _ = notify.send(Event::Depth(remark));
            }
            _ => (),
        })?;
    if notify.is_stopping() {
        return Err(JobError::Cancelled);
    }
    let model = model.with_samples(samples);
    model.save(out)?;
    Ok(Calibrated { path: out.to_owned(), model, report, not_listed })
}

impl CalibratePlan {
    fn photos(
        &self,
        model: &Model,
        not_listed: &mut usize,
        notify: &mut Notifier<'_, '_, MeanLosses>,
    ) -> Result<CalibrationPhotos, JobError> {
        let mut left_out = LeftOut::default();
        let mut find = |paths: &[PathBuf]| -> Result<Vec<Photo>, JobError> {
            let found = find_photos(paths, None);
            *not_listed += found.errors.len();
            left_out.extend(&found.left_out);
            found.errors.iter().try_for_each(|error| notify.tell(Event::NotListed(error)))?;
            Ok(found.photos)
        };
        let good = find(&self.good)?;
        let defects = self.defects.as_ref().map(|folder| find(slice::from_ref(folder)));
        let defects = defects.transpose()?;
        notify.tell_left_out(&left_out)?;
        if good.is_empty() {
            return Err(JobError::NothingToCalibrateWith);
        }
        let decode = self.reading.options_for(model.info());
        Ok(CalibrationPhotos { good, defects, decode })
    }
}
