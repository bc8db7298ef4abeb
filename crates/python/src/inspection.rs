//! What a detector says about a photo.

use efficientad_evaluation::{Verdict, VerdictRecord};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::errors::EfficientADError;

/// What a detector says about a photo.
#[pyclass(frozen, module = "efficientad")]
pub(crate) struct Inspection {
    record: VerdictRecord,
    map: Py<PyArray2<f32>>,
}

impl Inspection {
    /// Takes the map over without a copy.
    pub(crate) fn new(
        py: Python<'_>,
        path: String,
        found: efficientad::Inspection,
        engine: efficientad::EngineId,
    ) -> PyResult<Self> {
        let verdict = Verdict::from(&found);
        let shape = [found.map.height as usize, found.map.width as usize];
        let map = PyArray1::from_vec(py, found.map.values).reshape(shape)?.unbind();
        Ok(Self { record: VerdictRecord { path, verdict, engine: Some(engine) }, map })
    }
}

#[pymethods]
impl Inspection {
    #[getter]
    fn path(&self) -> &str {
        &self.record.path
    }

    #[getter]
    fn score(&self) -> f32 {
        self.record.verdict.score
    }

    #[getter]
    fn anomalous(&self) -> Option<bool> {
        self.record.verdict.anomalous
    }

    #[getter]
    fn p_value(&self) -> Option<f64> {
        self.record.verdict.p_value
    }

    #[getter]
    fn region_count(&self) -> Option<usize> {
        self.record.verdict.region_count
    }

    #[getter]
    fn regions(&self) -> Option<Vec<Region>> {
        let regions = self.record.verdict.regions.as_ref()?;
        Some(regions.iter().cloned().map(Region).collect())
    }

    #[getter]
    fn map(&self, py: Python<'_>) -> Py<PyArray2<f32>> {
        self.map.clone_ref(py)
    }

    /// The verdict as a line of `efficientad predict --json`.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.record)
            .map_err(|error| EfficientADError::new_err(error.to_string()))
    }

    fn __repr__(&self) -> String {
        format!("<Inspection: {}>", self.record.verdict.text(&self.record.path).trim_start())
    }
}

/// Pixels where the map reaches the threshold, touching by side or corner.
#[pyclass(frozen, module = "efficientad")]
pub(crate) struct Region(efficientad::Region);

#[pymethods]
impl Region {
    /// `(x, y, width, height)`.
    #[getter]
    fn r#box(&self) -> (u32, u32, u32, u32) {
        let bounds = self.0.bounds;
        (bounds.x, bounds.y, bounds.width, bounds.height)
    }

    #[getter]
    fn area(&self) -> u64 {
        self.0.area
    }

    /// `(value, x, y)`.
    #[getter]
    fn peak(&self) -> (f32, u32, u32) {
        (self.0.peak.value, self.0.peak.x, self.0.peak.y)
    }

    /// `(x, y)`.
    #[getter]
    fn centroid(&self) -> (f64, f64) {
        (self.0.centroid.x, self.0.centroid.y)
    }

    fn __repr__(&self) -> String {
        let (value, x, y) = self.peak();
        format!("Region(box={:?}, area={}, peak=({value}, {x}, {y}))", self.r#box(), self.area())
    }
}
