//! Inspection of images by a model.

use crate::anomaly_map::Map;
use crate::calibration::{Calibration, Quantiles};
use crate::error::Error;
use crate::inspection::Networks;
use crate::model::{Model, ModelInfo};
use crate::regions::Regions;
use crate::threshold::{FalseRejectRate, Threshold};
use efficientad_images::RgbImage;
use efficientad_kernels::{Cpu, InstructionSet};
use std::path::Path;
use std::sync::Arc;

/// A model at work. Clones share its weights, and threads may inspect at once.
///
/// ```no_run
/// use efficientad::Detector;
///
/// let detector = Detector::open("part.model")?;
/// let image = efficientad_images::load("photo.png", &Default::default())?;
/// let inspection = detector.inspect(&image)?;
/// println!("{} {:?}", inspection.score, inspection.anomalous);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Detector {
    networks: Arc<Networks>,
    quantiles: Quantiles,
    calibration: Option<Calibration>,
    info: ModelInfo,
    threshold: Option<Threshold>,
}

/// What a detector found in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The largest value of the anomaly map.
    pub score: f32,
    /// Whether the score reaches the threshold; none if there is no threshold.
    pub anomalous: Option<bool>,
    /// How probable such a score is for a good image (see [`Calibration::p_value`]); none if the
    /// model keeps no scores of good images.
    pub p_value: Option<f64>,
    /// Where the map reaches the threshold: nowhere if the image is not anomalous; none if there is
    /// no threshold.
    pub regions: Option<Regions>,
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
            networks: Arc::new(Networks::new(cpu, &model.networks)),
            quantiles: model.quantiles,
            calibration: model.calibration().cloned(),
            threshold: model.info().threshold.clone(),
            info: model.info().clone(),
        }
    }

    /// What the model is and where it comes from.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The instructions that the networks run on; scores depend on them by rounding.
    pub fn instruction_set(&self) -> InstructionSet {
        self.networks.cpu().instruction_set()
    }

    /// The scores of good images that p-values are taken from.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The image score from which on an image is anomalous.
    pub fn threshold(&self) -> Option<f32> {
        self.threshold.as_ref().map(|threshold| threshold.value)
    }

    /// Why the threshold is there, and what it promises.
    pub fn promise(&self) -> Option<&Threshold> {
        self.threshold.as_ref()
    }

    /// Takes another threshold than the model's.
    pub fn set_threshold(&mut self, threshold: f32) {
        self.threshold = Some(Threshold::given(threshold, self.calibration.as_ref()));
    }

    /// Takes the threshold for another false-reject rate than the model's.
    ///
    /// # Errors
    /// When the model keeps no scores of good images.
    pub fn set_false_reject(&mut self, rate: FalseRejectRate) -> Result<(), Error> {
        let scores = self.calibration.as_ref().ok_or(Error::NoCalibration)?;
        self.threshold = Some(scores.threshold(rate));
        Ok(())
    }

    /// Judges an image of any size.
    ///
    /// # Errors
    /// When the model's region does not fit an image of this shape, or the anomaly map holds no
    /// numbers, as a damaged model may cause.
    pub fn inspect(&self, image: &RgbImage) -> Result<Inspection, Error> {
        let map = self.networks.compare(image)?.anomaly_map(self.networks.cpu(), &self.quantiles);
        let score = map.max();
        if !map.values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite);
        }
        let threshold = self.threshold();
        Ok(Inspection {
            score,
            anomalous: threshold.map(|threshold| score >= threshold),
            p_value: self.calibration.as_ref().map(|scores| scores.p_value(score)),
            regions: threshold.map(|threshold| regions(&map, score, threshold)),
            map,
        })
    }
}

/// The regions of a map whose largest value is `score`: most maps have none.
fn regions(map: &Map, score: f32, threshold: f32) -> Regions {
    if score < threshold { Regions::default() } else { Regions::of(map, threshold) }
}
