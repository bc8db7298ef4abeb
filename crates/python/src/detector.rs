//! A model that judges photos.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use efficientad::{FalseRejectRate, Model, TrainingEngine};
use efficientad_datasets::file_fingerprint;
use efficientad_evaluation as evaluation;
use efficientad_evaluation::{DepthCheck, Frame, InspectError, JudgeOptions, Judged};
use efficientad_images::DecodeOptions;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::errors::{in_python, raise, raise_option};
use crate::images::frame;
use crate::inspection::Inspection;
use crate::observer::{document, warn};

/// What judges.
#[derive(Clone, Default)]
pub(crate) struct Compute {
    pub(crate) device: Option<String>,
    pub(crate) precision: Option<String>,
    pub(crate) threads: Option<usize>,
}

impl Compute {
    pub(crate) fn engine(&self) -> anyhow::Result<Arc<dyn TrainingEngine>> {
        let Self { device, precision, threads } = self;
        efficientad_cli::named_engine(device.as_deref(), precision.as_deref(), *threads)
    }
}

/// A share from 0 to 1 as a rate.
pub(crate) fn false_reject_rate(rate: Option<f64>) -> PyResult<Option<FalseRejectRate>> {
    let invalid = |error| PyValueError::new_err(format!("false_reject= {error}"));
    rate.map(FalseRejectRate::try_from).transpose().map_err(invalid)
}

/// A model that judges photos. Any number of threads may share it; Python's lock is released while it works.
///
/// Args:
///     path: The model's file.
///     threads: As many as the CPU runs if None. Scores do not depend on it.
///     device: "cpu" (if None), "gpu", "gpu:1" or "auto", where the module was built with GPUs (docs/gpu.md).
///     precision: "f32" (if None), or "f16" or "bf16" where the device has it.
///     threshold: A threshold instead of the model's.
///     false_reject: Share of good parts that may be called anomalous, from 0 to 1, instead of the model's.
///
/// Raises:
///     ModelError: The file is no model, or keeps no scores to take a threshold from.
#[pyclass(frozen, module = "efficientad")]
pub(crate) struct Detector {
    pub(crate) path: PathBuf,
    pub(crate) detector: efficientad::Detector,
    sha256: String,
    decode: DecodeOptions,
    /// What was not yet said of the depth of photos.
    depth: Mutex<DepthCheck>,
}

impl Detector {
    pub(crate) fn open(path: PathBuf, compute: &Compute) -> anyhow::Result<Self> {
        let model = Model::open(&path)?;
        let sha256 = file_fingerprint(&path)?.to_string();
        let detector = efficientad::Detector::new(&model, compute.engine()?)?;
        Ok(Self::of(path, sha256, detector))
    }

    fn of(path: PathBuf, sha256: String, detector: efficientad::Detector) -> Self {
        let decode = detector.info().decode_options();
        let depth = Mutex::new(DepthCheck::new(decode.bits));
        Self { path, detector, sha256, decode, depth }
    }

    /// The same with another threshold.
    fn with(
        &self,
        py: Python<'_>,
        threshold: Option<f32>,
        rate: Option<FalseRejectRate>,
    ) -> PyResult<Self> {
        let mut detector = self.detector.clone();
        if let Some(threshold) = threshold {
            detector.set_threshold(threshold);
        }
        if let Some(rate) = rate {
            let chosen = detector.set_false_reject(rate);
            let failed = |error| anyhow::Error::new(error).context(self.path.display().to_string());
            chosen.map_err(|error| raise(py, &failed(error), &[&self.path]))?;
        }
        Ok(Self::of(self.path.clone(), self.sha256.clone(), detector))
    }

    fn inspection(&self, py: Python<'_>, name: String, judged: Judged) -> PyResult<Inspection> {
        let mut depth = self.depth.lock().unwrap_or_else(PoisonError::into_inner);
        let remark = depth.observe(judged.used_bits);
        drop(depth);
        if let Some(remark) = remark {
            let text = remark.to_string().replace("DecodeOptions::bits", "bits= of train");
            warn(py, &text)?;
        }
        Inspection::new(py, name, judged.inspection, self.detector.engine())
    }
}

/// An error about a photo, which has a path if it is a file.
fn raise_inspection(py: Python<'_>, error: InspectError, name: &Name) -> PyErr {
    let path = name.is_file.then_some(Path::new(&name.text));
    raise(py, &error.into(), path.as_slice())
}

/// What errors call a photo.
struct Name {
    text: String,
    is_file: bool,
}

impl Name {
    fn of(frame: &Frame<'_>) -> Self {
        Self { text: frame.name().into_owned(), is_file: matches!(frame, Frame::File(_)) }
    }
}

#[pymethods]
impl Detector {
    #[new]
    #[pyo3(signature = (path, *, threads = None, device = None, precision = None, threshold = None,
        false_reject = None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        threads: Option<usize>,
        device: Option<String>,
        precision: Option<String>,
        threshold: Option<f32>,
        false_reject: Option<f64>,
    ) -> PyResult<Self> {
        let rate = false_reject_rate(false_reject)?;
        let compute = Compute { device, precision, threads };
        let opened = py.detach(|| Self::open(path.clone(), &compute));
        let opened = opened.map_err(|error| raise_option(py, &error, &[&path]))?;
        let detector = opened.with(py, threshold, rate)?;
        if let Some(remark) = efficientad_cli::remark_on_arithmetic(&detector.detector) {
            warn(py, &in_python(&remark))?;
        }
        Ok(detector)
    }

    /// The model's file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// SHA-256 of the model's file, 64 hexadecimal digits.
    #[getter]
    fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Threads: with as many calls at once, each takes one.
    #[getter]
    fn threads(&self) -> usize {
        self.detector.threads()
    }

    /// The arithmetic of scores, such as `cpu (avx2, f32)`.
    #[getter]
    fn engine(&self) -> String {
        self.detector.engine().to_string()
    }

    /// The score from which on a photo is anomalous; None if the model has none.
    #[getter]
    fn threshold(&self) -> Option<f32> {
        self.detector.threshold()
    }

    /// The threshold and what it promises, in words.
    #[getter]
    fn promise(&self) -> Option<String> {
        self.detector.guarantee().map(|threshold| in_python(&threshold.to_string()))
    }

    /// What the model is and where it comes from, as `efficientad info --json` has it.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        document(py, self.detector.info())
    }

    /// The same model with another threshold; weights are shared.
    fn with_threshold(&self, py: Python<'_>, threshold: f32) -> PyResult<Self> {
        self.with(py, Some(threshold), None)
    }

    /// The same model with the threshold for another false-reject rate; weights are shared.
    fn with_false_reject(&self, py: Python<'_>, false_reject: f64) -> PyResult<Self> {
        self.with(py, None, false_reject_rate(Some(false_reject))?)
    }

    /// Judges a photo of any size.
    ///
    /// Args:
    ///     image: A path; the bytes of an image file; an array of uint8 or uint16, (height, width), (height, width, 3),
    ///         or of uint8 (height, width, 4), whose alpha is dropped; a PIL image; or whatever speaks DLPack.
    ///         Colours are red, green, blue. 16 bits are read as the photos that the model was trained on.
    ///
    /// Raises:
    ///     ImageError: It can't be read or judged; .path is its file, if it is one.
    fn inspect(&self, py: Python<'_>, image: &Bound<'_, PyAny>) -> PyResult<Inspection> {
        let frame = frame(image)?;
        let name = Name::of(&frame);
        let judged = py.detach(|| evaluation::inspect(&self.detector, &self.decode, &frame));
        match judged {
            Ok(judged) => self.inspection(py, name.text, judged),
            Err(error) => Err(raise_inspection(py, error, &name)),
        }
    }

    /// Judges photos with all threads: the same verdicts as one by one, in the order of the photos.
    ///
    /// Args:
    ///     images: Whatever can be iterated over. Photos are taken when their turn comes, and twice as many as threads
    ///         are in memory at most; verdicts with their maps stay, 4 bytes a pixel.
    ///     return_errors: Whether a photo that can't be judged has its exception in the list, instead of ending it all.
    #[pyo3(signature = (images, *, return_errors = false))]
    fn inspect_batch(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        return_errors: bool,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let mut batch = Batch {
            detector: self,
            images: images.try_iter()?.unbind(),
            names: VecDeque::new(),
            verdicts: Vec::new(),
            return_errors,
        };
        let options = JudgeOptions { decode: self.decode, workers: self.detector.threads() };
        py.detach(|| evaluation::judge(&self.detector, &options, &mut batch))?;
        Ok(batch.verdicts)
    }

    fn __repr__(&self) -> String {
        let threshold = self.threshold().map_or("None".to_owned(), |value| value.to_string());
        format!("<Detector {:?}, threshold={threshold}, {}>", self.path, self.engine())
    }
}

/// Photos of an iterator, each taken when its turn comes.
struct Batch<'d> {
    detector: &'d Detector,
    images: Py<PyIterator>,
    /// Of photos whose verdicts are not there yet.
    names: VecDeque<Name>,
    verdicts: Vec<Py<PyAny>>,
    return_errors: bool,
}

impl evaluation::Judging<'static> for Batch<'_> {
    type Error = PyErr;

    fn next_frame(&mut self) -> PyResult<Option<Frame<'static>>> {
        Python::attach(|py| {
            py.check_signals()?;
            let Some(image) = self.images.bind(py).clone().next() else { return Ok(None) };
            let frame = frame(&image?)?;
            self.names.push_back(Name::of(&frame));
            Ok(Some(frame))
        })
    }

    fn record_verdict(&mut self, judged: Result<Judged, InspectError>) -> PyResult<()> {
        // Verdicts come in the order of their photos.
        let Some(name) = self.names.pop_front() else { return Ok(()) };
        Python::attach(|py| {
            let verdict = match judged {
                Ok(judged) => {
                    Py::new(py, self.detector.inspection(py, name.text, judged)?)?.into_any()
                }
                Err(error) => {
                    let error = raise_inspection(py, error, &name);
                    if !self.return_errors {
                        return Err(error);
                    }
                    error.into_value(py).into_any()
                }
            };
            self.verdicts.push(verdict);
            Ok(())
        })
    }
}
