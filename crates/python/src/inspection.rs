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
    /// The photo's path as text, or what errors call it: `bytes`, or the type of an array.
    #[getter]
    fn path(&self) -> &str {
        &self.record.path
    }

    /// The largest value of the map. Without unit: the threshold says how much is too much.
    #[getter]
    fn score(&self) -> f32 {
        self.record.verdict.score
    }

    /// Whether the score reaches the threshold; None without threshold.
    #[getter]
    fn anomalous(&self) -> Option<bool> {
        self.record.verdict.anomalous
    }

    /// How probable such a score is for a good photo, from 0 to 1; None without calibration scores.
    #[getter]
    fn p_value(&self) -> Option<f64> {
        self.record.verdict.p_value
    }

    /// Number of regions where the map reaches the threshold; None without threshold.
    #[getter]
    fn region_count(&self) -> Option<usize> {
        self.record.verdict.region_count
    }

    /// Those of the highest peaks, 100 at most; None without threshold.
    #[getter]
    fn regions(&self) -> Option<Vec<Region>> {
        let regions = self.record.verdict.regions.as_ref()?;
        Some(regions.iter().cloned().map(Region).collect())
    }

    /// The anomaly map: float32, (height, width) of the photo, without unit as the score. It is the memory that the
    /// map was computed in; reading it again gives the same array.
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
    /// The smallest upright rectangle that holds it: `(x, y, width, height)` in pixels from the upper left.
    #[getter]
    fn r#box(&self) -> (u32, u32, u32, u32) {
        let bounds = self.0.bounds;
        (bounds.x, bounds.y, bounds.width, bounds.height)
    }

    /// Number of pixels.
    #[getter]
    fn area(&self) -> u64 {
        self.0.area
    }

    /// Where the map is highest: `(value, x, y)`, x and y in pixels.
    #[getter]
    fn peak(&self) -> (f32, u32, u32) {
        (self.0.peak.value, self.0.peak.x, self.0.peak.y)
    }

    /// The mean of its pixels' positions: `(x, y)`.
    #[getter]
    fn centroid(&self) -> (f64, f64) {
        (self.0.centroid.x, self.0.centroid.y)
    }

    fn __repr__(&self) -> String {
        let (value, x, y) = self.peak();
        format!("Region(box={:?}, area={}, peak=({value}, {x}, {y}))", self.r#box(), self.area())
    }
}
