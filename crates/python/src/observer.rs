//! What Python hears of a job: progress, warnings; and what it says to it: signals and exceptions.

use std::ffi::CString;
use std::ops::ControlFlow;

use efficientad_jobs::{Event, StepReport};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;

use crate::errors::{EfficientADWarning, in_python};

/// Says what a result does not say.
pub(crate) fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let text = CString::new(text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    PyErr::warn(py, &py.get_type::<EfficientADWarning>(), &text, 1)
}

/// A value as the program's JSON, read by Python: dicts, lists, numbers and texts.
pub(crate) fn document<'py>(
    py: Python<'py>,
    value: &impl Serialize,
) -> PyResult<Bound<'py, PyAny>> {
    let text =
        serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    py.import("json")?.call_method1("loads", (text,))
}

/// A job's observer. The first exception, or Ctrl-C, ends the job as soon as what is done can be kept.
pub(crate) struct PyObserver {
    progress: Option<Py<PyAny>>,
    /// What Python raised.
    pub(crate) raised: Option<PyErr>,
}

impl PyObserver {
    pub(crate) fn new(progress: Option<Py<PyAny>>) -> Self {
        Self { progress, raised: None }
    }

    /// Tells an event.
    pub(crate) fn observe(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        if self.raised.is_none() {
            self.raised = Python::attach(|py| self.tell(py, event)).err();
        }
        if self.raised.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn tell(&self, py: Python<'_>, event: &Event<'_>) -> PyResult<()> {
        py.check_signals()?;
        match event {
            Event::Progress { stage, done, total } => {
                self.call(py, &stage.to_string(), *done as u64, *total as u64, None)
            }
            Event::Step(report) => {
                let stage = efficientad_jobs::Stage::Steps.to_string();
                self.call(py, &stage, report.step, report.steps, Some(report))
            }
            _ => remark(event).map_or(Ok(()), |text| warn(py, &in_python(&text))),
        }
    }

    fn call(
        &self,
        py: Python<'_>,
        stage: &str,
        done: u64,
        total: u64,
        report: Option<&StepReport>,
    ) -> PyResult<()> {
        let Some(progress) = &self.progress else { return Ok(()) };
        let report = report.map(|report| document(py, report)).transpose()?;
        progress.call1(py, (stage, done, total, report)).map(drop)
    }
}

/// What is to be said of an event, if it is nothing usual.
fn remark(event: &Event<'_>) -> Option<String> {
    match event {
        Event::CheckpointFailed { reason, .. } => {
            Some(format!("no checkpoint, but training goes on: {reason}"))
        }
        Event::CheckpointLeft { path, reason } => {
            Some(format!("{}: not removed ({reason})", path.display()))
        }
        Event::ThresholdMoved { before, after } => Some(format!(
            "the threshold was {before:.4} and is {after:.4} now: look whether all of these photos are \
             of good parts, taken as those that the model was trained on"
        )),
        Event::OtherArithmetic { calibrated, now } => Some(format!(
            "the model was calibrated by {calibrated}; {now} computes the scores that replace those"
        )),
        Event::NotListed(error) => Some(format!("skipped: {error}")),
        Event::AlreadyKnown { dataset, photos } => {
            Some(format!("{}: {photos} photos are among those of old=, not new", dataset.display()))
        }
        Event::OldMissing { datasets } => Some(format!(
            "the model was trained on {datasets} more data sets than are given with old=; what becomes \
             of their parts stays unknown"
        )),
        _ => efficientad_cli::remark(event),
    }
}
