//! Exceptions by cause. Each carries `path`, the file or folder that it is about, if it is about one, and
//! `reason`.

use std::path::{Path, PathBuf};

use efficientad::{Error as MethodError, SourceError};
use efficientad_evaluation::{EvaluationError, InspectError};
use efficientad_images::ImageError as PhotoError;
use efficientad_jobs::JobError;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyUserWarning, PyValueError};
use pyo3::prelude::*;

create_exception!(
    efficientad,
    EfficientADError,
    PyException,
    "What efficientad could not do. `path` is the file or folder concerned or None, `reason` says why."
);
create_exception!(
    efficientad,
    ImageError,
    EfficientADError,
    "A photo, mask or array can't be read or judged."
);
create_exception!(
    efficientad,
    ModelError,
    EfficientADError,
    "A file of a model, teacher or checkpoint can't be read, written or used."
);
create_exception!(
    efficientad,
    DataError,
    EfficientADError,
    "A data set or folder is not what the work needs."
);
create_exception!(
    efficientad,
    EfficientADWarning,
    PyUserWarning,
    "Something that the result does not say, such as a photo that was skipped."
);

/// What an error is about.
#[derive(Clone, Copy)]
enum Cause {
    Image,
    Model,
    Data,
    Option,
    Other,
}

/// An error as Python gets it; `paths` are those that the call was given.
pub(crate) fn raise(py: Python<'_>, error: &anyhow::Error, paths: &[&Path]) -> PyErr {
    raise_as(py, error, paths, Cause::Other)
}

/// The same of what the command line says about options: what no library refused, an option is to blame for.
pub(crate) fn raise_option(py: Python<'_>, error: &anyhow::Error, paths: &[&Path]) -> PyErr {
    raise_as(py, error, paths, Cause::Option)
}

fn raise_as(py: Python<'_>, error: &anyhow::Error, paths: &[&Path], otherwise: Cause) -> PyErr {
    let cause = error.chain().find_map(cause_of).unwrap_or(otherwise);
    let (path, reason) = located(&efficientad_cli::message(error), paths);
    let reason = in_python(&reason);
    let text = match &path {
        Some(path) => format!("{}: {reason}", path.display()),
        None => reason.clone(),
    };
    let exception = match cause {
        Cause::Image => ImageError::new_err(text),
        Cause::Model => ModelError::new_err(text),
        Cause::Data => DataError::new_err(text),
        Cause::Option => return PyValueError::new_err(text),
        Cause::Other => EfficientADError::new_err(text),
    };
    let value = exception.value(py);
    match value.setattr("path", path).and_then(|()| value.setattr("reason", reason)) {
        Ok(()) => exception,
        Err(error) => error,
    }
}

fn cause_of(error: &(dyn std::error::Error + 'static)) -> Option<Cause> {
    if let Some(error) = error.downcast_ref() {
        Some(of_job(error))
    } else if let Some(error) = error.downcast_ref() {
        Some(of_method(error))
    } else if let Some(error) = error.downcast_ref() {
        Some(of_inspection(error))
    } else if error.is::<PhotoError>() {
        Some(Cause::Image)
    } else if error.is::<efficientad_datasets::DatasetError>() {
        Some(Cause::Data)
    } else {
        None
    }
}

fn of_job(error: &JobError) -> Cause {
    match error {
        JobError::Method(error) => of_method(error),
        JobError::Image(error) => of_source(error),
        JobError::Evaluation(EvaluationError::Calibration(error)) => of_method(error),
        JobError::Judging { source, .. } => of_method(source),
        JobError::Step { source, .. } | JobError::Finish { source, .. } => of_job(source),
        JobError::CheckpointExists { .. }
        | JobError::NoCheckpoint { .. }
        | JobError::TeacherFinished { .. }
        | JobError::BeganAnew { .. }
        | JobError::BeganWithModel { .. }
        | JobError::AlreadyFinished { .. }
        | JobError::OtherModel { .. }
        | JobError::InitialTooLarge { .. }
        | JobError::NoBackup { .. } => Cause::Model,
        JobError::Dataset(_)
        | JobError::Region(_)
        | JobError::Evaluation(_)
        | JobError::TooFewReadable { .. }
        | JobError::NothingNew { .. }
        | JobError::OldTwice { .. }
        | JobError::OldUnknown { .. }
        | JobError::OldChanged { .. }
        | JobError::IsDataset { .. }
        | JobError::TrainedOn { .. }
        | JobError::NothingToCalibrateWith => Cause::Data,
        _ => Cause::Other,
    }
}

fn of_method(error: &MethodError) -> Cause {
    match error {
        MethodError::Image { source, .. } => of_source(source),
        MethodError::Region(_) | MethodError::TooMuchMemory { .. } => Cause::Image,
        MethodError::TooFewImages { .. } | MethodError::TooManyImages { .. } => Cause::Data,
        MethodError::InputSize(_) | MethodError::View(_) | MethodError::EndlessThreshold { .. } => {
            Cause::Option
        }
        MethodError::Weights(_)
        | MethodError::NoCalibration
        | MethodError::LowerPrecision { .. }
        | MethodError::NotATeacher { .. }
        | MethodError::TeacherSize { .. }
        | MethodError::OtherData { .. }
        | MethodError::NotFinite
        | MethodError::Import(_) => Cause::Model,
        _ => Cause::Other,
    }
}

fn of_source(error: &SourceError) -> Cause {
    cause_of(error.as_ref()).unwrap_or(Cause::Image)
}

fn of_inspection(error: &InspectError) -> Cause {
    match error {
        InspectError::Detector { source, .. } => of_method(source),
        _ => Cause::Image,
    }
}

/// The path that a message begins with, if it begins with one, and the rest of it.
fn located(text: &str, known: &[&Path]) -> (Option<PathBuf>, String) {
    let is_path = |path: &Path| known.contains(&path) || path.exists();
    for (end, _) in text.match_indices(": ") {
        let path = Path::new(&text[..end]);
        if is_path(path) {
            return (Some(path.to_owned()), text[end + 2..].to_owned());
        }
    }
    (None, text.to_owned())
}

/// A message of the command line with its options as keywords: `--false-reject` becomes `false_reject=`.
pub(crate) fn in_python(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let (before, option) = rest.split_at(at);
        let name = &option[2..];
        let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
        let begins_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '-');
        told.push_str(before);
        if begins_word && end > 0 {
            told.push_str(&name[..end].replace('-', "_"));
            told.push('=');
        } else {
            told.push_str(&option[..2 + end]);
        }
        rest = &name[end..];
    }
    told + rest
}
