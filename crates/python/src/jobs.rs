//! Training, calibration, evaluation, import and export.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use efficientad::{Model, Threshold};
use efficientad_evaluation::{CalibrationReport, MaskReading};
use efficientad_jobs::{
    CalibratePlan, Calibrated, Effect, EvaluatePlan, ImportOutcome, ImportPlan, JobError, Reading,
    Stopped, TrainOutcome, Trained,
};
use efficientad_onnx::InputKind;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;

use crate::detector::{Compute, Detector, false_reject_rate};
use crate::errors::{raise, raise_option};
use crate::observer::{PyObserver, document};

/// How often a training tells its losses.
const REPORT_EVERY: Duration = Duration::from_secs(1);

type Dictionary<'py> = PyResult<Bound<'py, PyAny>>;

/// Trains as `efficientad train` does with these options.
#[pyfunction]
pub(crate) fn train<'py>(
    py: Python<'py>,
    options: Vec<OsString>,
    progress: Option<Py<PyAny>>,
) -> Dictionary<'py> {
    let mut observer = PyObserver::new(progress);
    let paths: Vec<&Path> = options.iter().map(Path::new).collect();
    let plan = py.detach(|| efficientad_cli::train_plan(&options, REPORT_EVERY));
    let plan = plan.map_err(|error| raise_option(py, &error, &paths))?;
    let outcome =
        py.detach(|| efficientad_jobs::train(plan, &mut |event| observer.observe(&event)));
    match (outcome, observer.raised) {
        (Ok(TrainOutcome::Done(trained)), _) => document(py, &Training::of(&trained)),
        (Ok(TrainOutcome::Stopped(stopped)), Some(raised)) => {
            tell_how_to_go_on(py, &raised, &stopped);
            Err(raised)
        }
        (_, Some(raised)) => Err(raised),
        (Ok(TrainOutcome::Stopped(_)), None) => Err(raise(py, &JobError::Cancelled.into(), &paths)),
        (Err(error), None) => Err(raise(py, &error.into(), &paths)),
    }
}

/// A finished training.
#[derive(Serialize)]
struct Training<'a> {
    model: &'a Path,
    steps: u64,
    threshold: Option<&'a Threshold>,
    held_back: Option<&'a Effect>,
    skipped: usize,
}

impl<'a> Training<'a> {
    fn of(trained: &'a Trained) -> Self {
        let Trained { path, model, steps, effect, skipped } = trained;
        let threshold = model.info().threshold.as_ref();
        let held_back = effect.as_ref();
        Self { model: path, steps: *steps, threshold, held_back, skipped: *skipped }
    }
}

/// Adds to an exception where the checkpoint is (Python 3.11 and later).
fn tell_how_to_go_on(py: Python<'_>, raised: &PyErr, stopped: &Stopped) {
    let Stopped { step, checkpoint: Some(checkpoint), .. } = stopped else { return };
    let note = format!(
        "the training was stopped after step {step}; the checkpoint is in {}: go on with resume=True",
        checkpoint.display()
    );
    // The exception matters more than the note.
    let _ = raised.value(py).call_method1("add_note", (note,));
}

/// Takes a model's threshold from photos of other good parts.
#[pyfunction]
#[pyo3(signature = (model, good, *, out = None, defects = None, false_reject = None,
    surely_good = false, threads = None, device = None, precision = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "they are keywords")]
pub(crate) fn calibrate<'py>(
    py: Python<'py>,
    model: PathBuf,
    good: Paths,
    out: Option<PathBuf>,
    defects: Option<PathBuf>,
    false_reject: Option<f64>,
    surely_good: bool,
    threads: Option<usize>,
    device: Option<String>,
    precision: Option<String>,
    progress: Option<Py<PyAny>>,
) -> Dictionary<'py> {
    let rate = false_reject_rate(false_reject)?;
    let paths = [vec![model.clone()], good.clone().into()].concat();
    let calibrated = run(py, progress, &paths, |observe| {
        let plan = CalibratePlan {
            model,
            out,
            good: good.into(),
            surely_good,
            defects,
            reading: Reading::default(),
            false_reject: rate,
            engine: Compute { device, precision, threads }.engine()?,
        };
        Ok(efficientad_jobs::calibrate(&plan, &mut |event| observe.observe(&event))?)
    })?;
    let Calibrated { path, report, backup, .. } = &calibrated;
    document(py, &Calibration { model: path, backup: backup.as_deref(), report })
}

/// What `efficientad calibrate --json` prints.
#[derive(Serialize)]
struct Calibration<'a> {
    model: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a Path>,
    #[serde(flatten)]
    report: &'a CalibrationReport,
}

/// Judges a data set's test images and measures how well that works.
#[pyfunction]
#[pyo3(signature = (model, data, *, out = None, report = None, mask_threshold = None,
    invert_masks = false, threads = None, device = None, precision = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "they are keywords")]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    model: ModelOrDetector<'py>,
    data: PathBuf,
    out: Option<PathBuf>,
    report: Option<PathBuf>,
    mask_threshold: Option<u8>,
    invert_masks: bool,
    threads: Option<usize>,
    device: Option<String>,
    precision: Option<String>,
    progress: Option<Py<PyAny>>,
) -> Dictionary<'py> {
    let (path, detector) = match model {
        ModelOrDetector::Detector(it) => (it.get().path.clone(), Some(it.get().detector.clone())),
        ModelOrDetector::Model(path) => (path, None),
    };
    let masks = match (mask_threshold, invert_masks) {
        (None, false) => MaskReading::Recognised,
        (threshold, inverted) => {
            MaskReading::Stated { threshold: threshold.unwrap_or(1), inverted }
        }
    };
    let paths = [path.clone(), data.clone()];
    let evaluated = run(py, progress, &paths, |observe| {
        let detector = match detector {
            Some(detector) => detector,
            None => {
                let compute = Compute { device, precision, threads };
                Detector::open(path.clone(), &compute)?.detector
            }
        };
        let plan = EvaluatePlan {
            model: path,
            dataset: data.into(),
            reading: Reading::default(),
            masks,
            output: out,
            page: report,
        };
        Ok(efficientad_jobs::evaluate(&plan, &detector, &mut |event| observe.observe(&event))?)
    })?;
    document(py, &evaluated.report)
}

/// Turns weights of other programs into a file of a teacher or model.
#[pyfunction]
#[pyo3(signature = (files, out, *, good = None, threads = None, progress = None))]
pub(crate) fn import_weights<'py>(
    py: Python<'py>,
    files: Paths,
    out: PathBuf,
    good: Option<PathBuf>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> Dictionary<'py> {
    let paths = [files.clone().into(), vec![out.clone()]].concat();
    let outcome = run(py, progress, &paths, |observe| {
        let plan = ImportPlan {
            files: files.into(),
            out,
            good,
            reading: Reading::default(),
            engine: Compute { threads, ..Compute::default() }.engine()?,
        };
        Ok(efficientad_jobs::import(&plan, &mut |event| observe.observe(&event))?)
    })?;
    let of_model = |model: &Model, skipped| Import {
        kind: "model",
        size: model.info().size.to_string(),
        threshold: model.info().threshold.clone(),
        skipped,
    };
    let imported = match &outcome {
        ImportOutcome::Teacher(teacher) => Import {
            kind: "teacher",
            size: teacher.size().to_string(),
            threshold: None,
            skipped: 0,
        },
        ImportOutcome::Uncalibrated(model) => of_model(model, 0),
        ImportOutcome::Calibrated { model, skipped } => of_model(model, *skipped),
    };
    document(py, &imported)
}

#[derive(Serialize)]
struct Import {
    kind: &'static str,
    size: String,
    threshold: Option<Threshold>,
    skipped: usize,
}

/// Writes a model as an ONNX graph, byte for byte that of `efficientad export`.
///
/// Args:
///     model: The model's file.
///     out: The file to write.
///     input: "normalized" for float32, or "u8" for bytes from 0 to 255; both of shape (n, 3, height, width).
#[pyfunction]
#[pyo3(signature = (model, out, *, input = "normalized"))]
pub(crate) fn export_onnx(
    py: Python<'_>,
    model: PathBuf,
    out: PathBuf,
    input: &str,
) -> PyResult<()> {
    let input = match input {
        "normalized" => InputKind::Normalized,
        "u8" => InputKind::U8,
        _ => return Err(PyValueError::new_err("input= must be \"normalized\" or \"u8\"")),
    };
    let paths = [model.clone(), out.clone()];
    run(py, None, &paths, |_| {
        if out.exists() && out.canonicalize()? == model.canonicalize()? {
            anyhow::bail!(
                "{}: this is the model itself; give another name for out=",
                out.display()
            );
        }
        let read = Model::open(&model)?;
        efficientad_onnx::save(&read, input, &out).context(out.display().to_string())
    })
}

/// One path or several.
#[derive(Clone, FromPyObject)]
pub(crate) enum Paths {
    #[pyo3(transparent)]
    One(PathBuf),
    #[pyo3(transparent)]
    Several(Vec<PathBuf>),
}

impl From<Paths> for Vec<PathBuf> {
    fn from(paths: Paths) -> Self {
        match paths {
            Paths::One(path) => vec![path],
            Paths::Several(paths) => paths,
        }
    }
}

/// A model's file, or the model ready to judge.
#[derive(FromPyObject)]
pub(crate) enum ModelOrDetector<'py> {
    #[pyo3(transparent)]
    Detector(Bound<'py, Detector>),
    #[pyo3(transparent)]
    Model(PathBuf),
}

/// Does a job without Python's lock; what Python raised meanwhile comes before what came of it.
fn run<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    paths: &[PathBuf],
    job: impl FnOnce(&mut PyObserver) -> anyhow::Result<T> + Send,
) -> PyResult<T> {
    let mut observer = PyObserver::new(progress);
    let result = py.detach(|| job(&mut observer));
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    match (result, observer.raised) {
        (Ok(result), _) => Ok(result),
        (Err(_), Some(raised)) => Err(raised),
        (Err(error), None) => Err(raise(py, &error, &paths)),
    }
}
