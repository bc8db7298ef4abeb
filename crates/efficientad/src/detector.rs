//! Inspection of images by a model.

use crate::anomaly_map::Map;
use crate::calibration::Quantiles;
use crate::error::Error;
use crate::inspection::Networks;
use crate::model::{Model, ModelInfo};
use efficientad_images::RgbImage;
use efficientad_kernels::{Cpu, InstructionSet};
use std::path::Path;
use std::sync::Arc;

/// A model at work.
///
/// ```no_run
/// use efficientad::Detector;
///
/// let mut detector = Detector::open("part.model")?;
/// let image = efficientad_images::load("photo.png", &Default::default())?;
/// let inspection = detector.inspect(&image)?;
/// println!("{} {:?}", inspection.score, inspection.anomalous);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Detector {
    networks: Networks,
    quantiles: Quantiles,
    info: ModelInfo,
    threshold: Option<f32>,
}

/// What a detector found in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The largest value of the anomaly map.
    pub score: f32,
    /// Whether the score reaches the threshold; none if there is no threshold.
    pub anomalous: Option<bool>,
    /// The anomaly map at the image's size.
    pub map: Map,
}

impl Detector {
    /// Opens a model file, to run on all cores.
    ///
    /// # Errors
    /// When the file is no model, or threads can't be started.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = Arc::new(Cpu::new(threads, InstructionSet::best())?);
        Ok(Self::new(&Model::open(path.as_ref())?, cpu))
    }

    /// Prepares a model to run on `cpu`.
    pub fn new(model: &Model, cpu: Arc<Cpu>) -> Self {
        Self {
            networks: Networks::new(cpu, &model.networks),
            quantiles: model.quantiles,
            threshold: model.info().threshold.as_ref().map(|threshold| threshold.value),
            info: model.info().clone(),
        }
    }

    /// What the model is and where it comes from.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The image score from which on an image is anomalous.
    pub fn threshold(&self) -> Option<f32> {
        self.threshold
    }

    /// Takes another threshold than the model's.
    pub fn set_threshold(&mut self, threshold: f32) {
        self.threshold = Some(threshold);
    }

    /// Judges an image of any size.
    ///
    /// # Errors
    /// When the anomaly map holds no numbers, as a damaged model may cause.
    pub fn inspect(&mut self, image: &RgbImage) -> Result<Inspection, Error> {
        let differences = self.networks.compare(image);
        let combined = differences.combine(&self.quantiles);
        let cpu = self.networks.cpu();
        let map = Map::from_locations(cpu, &combined, differences.width, image.dimensions());
        let score = map.max();
        if !map.values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite);
        }
        Ok(Inspection { score, anomalous: self.threshold.map(|t| score >= t), map })
    }
}
