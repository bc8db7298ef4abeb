//! efficientad for Python: the extension module `efficientad._native`. What users see of it is in
//! `python/efficientad`.
//!
//! | module | what it does |
//! |---|---|
//! | `detector` | `Detector` |
//! | `inspection` | `Inspection`, `Region` |
//! | `images` | arrays, PIL images, paths and bytes as photos |
//! | `jobs` | `train`, `calibrate`, `evaluate`, `import_weights`, `export_onnx` |
//! | `observer` | progress, warnings and signals while a job works |
//! | `errors` | exceptions by cause |
#![deny(unsafe_code)]

mod detector;
mod errors;
mod images;
mod inspection;
mod jobs;
mod observer;

/// The extension module.
#[pyo3::pymodule]
mod _native {
    use std::ffi::OsString;

    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::detector::Detector;
    #[pymodule_export]
    use crate::errors::{DataError, EfficientADError, EfficientADWarning, ImageError, ModelError};
    #[pymodule_export]
    use crate::inspection::{Inspection, Region};
    #[pymodule_export]
    use crate::jobs::{calibrate, evaluate, export_onnx, import_weights, train};

    /// Runs a command line; returns the exit code.
    #[pyfunction]
    fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        let words = std::iter::once("efficientad".into()).chain(arguments);
        py.detach(|| efficientad_cli::main(words))
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
