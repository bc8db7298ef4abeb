//! Taking a finished model's threshold from other photos.

use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;

use efficientad::{Arithmetic, FalseRejectRate, InspectionEngine, Model};
use efficientad_datasets::{Contents, LeftOut, Taken, TakenAs, refuse_doubtful_photo};
use efficientad_evaluation as evaluation;
use efficientad_evaluation::{CalibrationPhotos, CalibrationReport, Photo, find_photos};

use crate::backup;
use crate::error::JobError;
use crate::event::{Event, Notifier, Observer, Stage};
use crate::files::check_replaceable;
use crate::good_parts::{refuse_known, refuse_known_folder, refuse_other_parts};
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
    /// Whether the user says that these are of good parts, whatever they are called.
    pub surely_good: bool,
    /// Folder of photos of defects, to see what is caught.
    pub defects: Option<PathBuf>,
    /// How photos are read. What is stated of their samples is kept in the model.
    pub reading: Reading,
    /// Share of good parts that the threshold may reject; if it is `None`, the one that was wished for the
    /// model, else the lowest that the photos can show, but 1 % at least and 5 % at most.
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
    /// Copy of the model that was replaced.
    pub backup: Option<PathBuf>,
}

/// Calibrates by a plan: finds the photos, judges them, takes the threshold, and saves the model.
///
/// # Errors
/// When the model can't be read or written, there are too few or too many photos, or photos that are
/// not of good parts by their folders' names or that the model was trained on;
/// [`JobError::Cancelled`] when `observe` breaks, and nothing is written: the photos are judged to
/// the end all the same.
pub fn calibrate(plan: &CalibratePlan, observe: &mut Observer<'_>) -> Result<Calibrated, JobError> {
    let mut notify = Notifier::new(observe);
    let model = Model::open(&plan.model)?;
    let out = plan.out.as_deref().unwrap_or(&plan.model);
    check_replaceable(out, Model::is_file)?;
    let mut not_listed = 0;
    let photos = plan.photos(&model, &mut not_listed, &mut notify)?;
    let before = model.info().threshold.clone();
    let rate = plan.false_reject.or_else(|| model.wished_rate());
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
    let after = report.threshold.value;
    if let Some(before) = before.map(|before| before.value).filter(|&it| is_far(it, after)) {
        let _ = notify.send(Event::ThresholdMoved { before, after });
    }
    let keep = |path: &Path| {
        let failed = |source| JobError::NoBackup { path: path.to_owned(), source };
        backup::keep(path).map_err(failed)
    };
    let backup = out.is_file().then(|| keep(out)).transpose()?;
    let model = model.with_samples(samples);
    model.save(out)?;
    Ok(Calibrated { path: out.to_owned(), model, report, not_listed, backup })
}

/// Whether a threshold is more than twice, or less than half, another.
fn is_far(before: f32, after: f32) -> bool {
    (after - before).abs() > 0.5 * before.abs().max(after.abs())
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
        let (folders, photos): (Vec<_>, Vec<_>) = self.good.iter().partition(|path| path.is_dir());
        if !self.surely_good {
            folders.iter().try_for_each(|folder| refuse_other_parts(folder))?;
            photos.iter().try_for_each(|photo| refuse_doubtful_photo(photo))?;
        }
        folders.iter().try_for_each(|folder| refuse_known_folder(model.info(), folder))?;
        let mut good = find(&self.good)?;
        let defects = self.defects.as_ref().map(|folder| find(slice::from_ref(folder)));
        let defects = defects.transpose()?;
        let mut contents = Contents::default();
        contents.leave_out_copies(&mut good, |photo| &photo.path, &mut left_out);
        notify.tell_left_out(&left_out)?;
        if good.is_empty() {
            return Err(JobError::NothingToCalibrateWith);
        }
        let mut taken = Taken::count(&good, |photo| &photo.relative, TakenAs::Validation);
        let of_defects = defects.iter().flatten();
        taken.extend(Taken::count(of_defects, |photo| &photo.relative, TakenAs::TestDefects));
        notify.tell(Event::Taking { layout: None, taken: &taken })?;
        refuse_known(model.info(), &good)?;
        let decode = self.reading.options_for(model.info());
        Ok(CalibrationPhotos { good, defects, decode })
    }
}
