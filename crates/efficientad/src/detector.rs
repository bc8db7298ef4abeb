//! Inspection of images by a model.

use crate::anomaly_map::AnomalyMap;
use crate::calibration::{Calibration, Quantiles};
use crate::error::Error;
use crate::inspection::Inspector;
use crate::model::{Model, ModelInfo};
use crate::regions::Regions;
use crate::threshold::{FalseRejectRate, Threshold};
use efficientad_engine::{EngineId, InspectionEngine, Share};
use efficientad_engine_cpu::{CpuEngine, NAME as CPU_ENGINE};
use efficientad_images::RgbImage;
use std::path::Path;
use std::sync::Arc;

/// A model that inspects. Clones share its weights, and any number of threads may inspect at once.
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
    inspector: Arc<Inspector>,
    quantiles: Quantiles,
    calibration: Option<Arc<Calibration>>,
    info: Arc<ModelInfo>,
    arithmetic: Arithmetic,
}

/// Whether a model's scores were computed as a detector computes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// By the same engine on the same kind of device, as far as the model says.
    Same,
    /// By another engine or device of the same precision, or a lower one: scores differ by rounding,
    /// so that a part right at the threshold may be judged otherwise.
    Other {
        /// What the model was calibrated with.
        calibrated: EngineId,
    },
    /// In a higher precision than the detector's: what the threshold and p-values promise does not
    /// hold here, so that the detector has neither until it is given a threshold.
    LowerPrecision {
        /// What the model was calibrated with.
        calibrated: EngineId,
    },
}

impl Arithmetic {
    /// Whether `engine` computes scores as those were computed that a model was calibrated with. Models
    /// of programs that had the CPU engine alone don't name its instruction set; on a CPU they are
    /// taken for the same.
    pub fn between(model: &ModelInfo, engine: &EngineId) -> Self {
        let names_none = model.engine.is_none() && engine.name == CPU_ENGINE;
        match model.calibrated_by().filter(|_| !names_none) {
            Some(calibrated) if engine.precision.is_lower_than(calibrated.precision) => {
                Self::LowerPrecision { calibrated }
            }
            Some(calibrated) if calibrated != *engine => Self::Other { calibrated },
            _ => Self::Same,
        }
    }
}

/// What a detector found in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The largest value of the anomaly map.
    pub score: f32,
    /// Whether the score reaches the threshold; `None` if there is no threshold.
    pub anomalous: Option<bool>,
    /// How probable such a score is for a good image (see [`Calibration::p_value`]); `None` if the
    /// model keeps no scores of good images, or they are of a higher precision.
    pub p_value: Option<f64>,
    /// Where the map reaches the threshold: nowhere if the image is not anomalous; `None` if there is
    /// no threshold.
    pub regions: Option<Regions>,
    /// The anomaly map at the image's size.
    pub map: AnomalyMap,
}

impl Detector {
    /// Opens a model file, to run on all cores.
    ///
    /// # Errors
    /// When the file is no model, or threads can't be started.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(&Model::open(path.as_ref())?, Arc::new(CpuEngine::on_all_cores()?))
    }

    /// Prepares a model to run on an engine.
    ///
    /// # Errors
    /// When the engine can't have the networks.
    pub fn new(model: &Model, engine: Arc<dyn InspectionEngine>) -> Result<Self, Error> {
        let mut info = model.info().clone();
        let arithmetic = Arithmetic::between(&info, &engine.id());
        let mut calibration = model.calibration().cloned().map(Arc::new);
        if let Arithmetic::LowerPrecision { .. } = arithmetic {
            info.threshold = None;
            calibration = None;
        }
        Ok(Self {
            inspector: Arc::new(Inspector::new(engine, &model.networks)?),
            quantiles: model.quantiles,
            calibration,
            info: Arc::new(info),
            arithmetic,
        })
    }

    /// What the model is and where it comes from, with the threshold that is in use.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The arithmetic of its scores.
    pub fn engine(&self) -> EngineId {
        self.inspector.engine_id()
    }

    /// Whether the model was calibrated with that arithmetic.
    pub fn arithmetic(&self) -> &Arithmetic {
        &self.arithmetic
    }

    /// Threads of the engine: with as many calls at once, each takes one.
    pub fn threads(&self) -> usize {
        self.inspector.threads()
    }

    /// The scores of good images that p-values are taken from.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_deref()
    }

    /// The image score from which on an image is anomalous.
    pub fn threshold(&self) -> Option<f32> {
        self.guarantee().map(|threshold| threshold.value)
    }

    /// Why the threshold is there, and what it guarantees.
    pub fn guarantee(&self) -> Option<&Threshold> {
        self.info.threshold.as_ref()
    }

    /// Takes another threshold than the model's.
    pub fn set_threshold(&mut self, threshold: f32) {
        let threshold = Threshold::given(threshold, self.calibration());
        Arc::make_mut(&mut self.info).threshold = Some(threshold);
    }

    /// Takes the threshold for another false-reject rate than the model's.
    ///
    /// # Errors
    /// When the model keeps no scores of good images of this precision, or no number is a threshold.
    pub fn set_false_reject(&mut self, rate: FalseRejectRate) -> Result<(), Error> {
        let threshold = match (&self.calibration, &self.arithmetic) {
            (Some(scores), _) => scores.threshold(rate)?,
            (None, Arithmetic::LowerPrecision { calibrated }) => {
                let (calibrated, engine) = (calibrated.clone().into(), self.engine().into());
                return Err(Error::LowerPrecision { calibrated, engine });
            }
            (None, _) => return Err(Error::NoCalibration),
        };
        Arc::make_mut(&mut self.info).threshold = Some(threshold);
        Ok(())
    }

    /// Judges an image of any size. Threads may do so at once: an image takes all threads of the
    /// engine, unless as many images are judged at once, which then take one each. The result is the
    /// same, to the last bit.
    ///
    /// # Errors
    /// When the model's region does not fit an image of this shape, the engine fails, or the anomaly
    /// map holds no numbers, as a damaged model may cause.
    pub fn inspect(&self, image: &RgbImage) -> Result<Inspection, Error> {
        let call = self.inspector.begin();
        self.inspect_with(image, call.share)
    }

    /// Judges images, each as [`Detector::inspect`] does: the same to the last bit, but more images a
    /// second than one after the other.
    pub fn inspect_batch(&self, images: &[&RgbImage]) -> Vec<Result<Inspection, Error>> {
        if images.len() < self.threads() {
            return images.iter().map(|image| self.inspect(image)).collect();
        }
        let mut results: Vec<_> = images.iter().map(|_| None).collect();
        self.inspector.for_each(&mut results, |index, result| {
            *result = Some(self.inspect_with(images[index], Share::OneThread));
        });
        results.into_iter().flatten().collect()
    }

    fn inspect_with(&self, image: &RgbImage, share: Share) -> Result<Inspection, Error> {
        let maps = self.inspector.compare(image, share)?;
        let map = self.inspector.anomaly_map(&maps, &self.quantiles, share);
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
fn regions(map: &AnomalyMap, score: f32, threshold: f32) -> Regions {
    if score < threshold { Regions::default() } else { Regions::of(map, threshold) }
}
