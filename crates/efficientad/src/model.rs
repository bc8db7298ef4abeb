//! The model: everything that a verdict depends on, in one file (`docs/model-file.md`).

use crate::anomaly_map::PhotoMaps;
use crate::calibration::{
    Calibration, MAX_CALIBRATION_IMAGES, MapQuantiles, Quantiles, check_count,
};
use crate::continuation::Continuation;
use crate::error::Error;
use crate::inspection::{NetworkWeights, Networks};
use crate::network::{
    InputSize, PdnSize, TEACHER_CHANNELS, Weights, autoencoder_layers, pdn_layers,
};
use crate::position::PositionWeights;
use crate::progress::{Progress, ProgressFn, Stage, report};
use crate::recipe::Recipe;
use crate::source::{ImageSource, load};
use crate::teacher::{TeacherStatistics, size_of_pdn};
use crate::threshold::{FalseRejectRate, Threshold};
use crate::trained::TrainedNetworks;
use crate::training::STUDENT_CHANNELS;
use crate::view::{Framing, View};
use efficientad_images::{Orientation, RegionOfInterest};
use efficientad_kernels::Cpu;
use efficientad_weights::{Cause, Contents, Tensor, Tensors};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Kind of a model's file.
const KIND: &str = "efficientad-model";

/// A trained and calibrated model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(crate) networks: NetworkWeights,
    pub(crate) quantiles: Quantiles,
    calibration: Option<Calibration>,
    info: ModelInfo,
}

/// What a model is and where it comes from: the document in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Which patch description networks it has.
    pub size: PdnSize,
    /// The size that images are resized to.
    pub input: InputSize,
    /// How it was trained; none if it was imported.
    pub recipe: Option<Recipe>,
    /// What it was trained on; none if it was imported.
    pub data: Option<DataDescription>,
    /// How its training went on later, in order.
    pub continuations: Vec<Continuation>,
    /// Images that the threshold was last taken from by [`Model::calibrated`]; none if from those
    /// held back from training.
    pub calibration: Option<CalibrationImages>,
    /// From which image score on a part is anomalous; none if never calibrated.
    pub threshold: Option<Threshold>,
    /// Version of the program that made it.
    pub program_version: String,
}

impl ModelInfo {
    /// How photos are shown to the networks.
    pub fn view(&self) -> View {
        self.recipe.as_ref().map(|recipe| recipe.view).unwrap_or_default()
    }

    /// Which part of photos is inspected; all of it if there is none.
    pub fn region(&self) -> Option<&RegionOfInterest> {
        self.recipe.as_ref().and_then(|recipe| recipe.region.as_ref())
    }

    fn framing(&self) -> Result<Framing, Error> {
        Ok(Framing::new(self.input, self.view(), self.region().cloned())?)
    }
}

/// What a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDescription {
    /// Fingerprint of the training and validation images.
    pub fingerprint: String,
    /// Number of training images.
    pub train_images: usize,
    /// Number of validation images, held back for calibration.
    pub validation_images: usize,
    /// Where the penalty's photos came from.
    pub photos: String,
    /// Which way up the images were taken; images to be judged are to be taken alike.
    pub orientation: Orientation,
}

/// Good images that a model was calibrated on after its training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalibrationImages {
    /// Fingerprint of the images.
    pub fingerprint: String,
    /// Their number.
    pub images: usize,
}

/// Version of this program.
pub(crate) fn program_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

impl NetworkWeights {
    /// Writes all tensors under their canonical names.
    pub(crate) fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let teacher_layers = pdn_layers(self.size, TEACHER_CHANNELS);
        self.teacher.write(&teacher_layers, tensors, "teacher")?;
        let student_layers = pdn_layers(self.size, STUDENT_CHANNELS);
        self.student.write(&student_layers, tensors, "student")?;
        self.autoencoder.write(&autoencoder_layers(), tensors, "autoencoder")?;
        let TeacherStatistics { mean, std } = &self.statistics;
        for (name, values) in [("teacher.mean", mean), ("teacher.std", std)] {
            tensors.insert(name, Tensor::new([values.len()], values.clone())?);
        }
        self.position_weights.iter().try_for_each(|weights| weights.write(tensors))
    }

    /// Reads what [`NetworkWeights::write`] writes.
    pub(crate) fn read(framing: Framing, tensors: &Tensors) -> Result<Self, Cause> {
        let statistic = |name| -> Result<Vec<f32>, Cause> {
            Ok(tensors.expect(name, &[TEACHER_CHANNELS])?.data().to_vec())
        };
        let statistics =
            TeacherStatistics { mean: statistic("teacher.mean")?, std: statistic("teacher.std")? };
        let (teacher, student, autoencoder) = read_networks(tensors)?;
        let position_weights = PositionWeights::read(framing.input(), tensors)?;
        Ok(Self {
            size: size_of_pdn(tensors, "teacher"),
            framing,
            teacher,
            statistics,
            student,
            autoencoder,
            position_weights,
        })
    }
}

/// Name of the tensor of position weights.
const POSITION_WEIGHTS: &str = "autoencoder_map.position_weights";

impl PositionWeights {
    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let (height, width) = self.size();
        tensors.insert(POSITION_WEIGHTS, Tensor::new([height, width], self.values().to_vec())?);
        Ok(())
    }

    /// Models whose recipe does without have none.
    fn read(input: InputSize, tensors: &Tensors) -> Result<Option<Self>, Cause> {
        if tensors.get(POSITION_WEIGHTS).is_none() {
            return Ok(None);
        }
        let size = input.feature_size();
        let tensor = tensors.expect(POSITION_WEIGHTS, &[size.0, size.1])?;
        Ok(Some(Self::new(size, tensor.data().to_vec())))
    }
}

/// Reads the weights of teacher, student and autoencoder, without what is negligible.
pub(crate) fn read_networks(tensors: &Tensors) -> Result<(Weights, Weights, Weights), Cause> {
    let size = size_of_pdn(tensors, "teacher");
    let read = |layers: &[_], prefix| {
        Weights::read(layers, tensors, prefix).map(Weights::without_negligible)
    };
    Ok((
        read(&pdn_layers(size, TEACHER_CHANNELS), "teacher")?,
        read(&pdn_layers(size, STUDENT_CHANNELS), "student")?,
        read(&autoencoder_layers(), "autoencoder")?,
    ))
}

impl Quantiles {
    fn names() -> [&'static str; 4] {
        ["quantiles.st_a", "quantiles.st_b", "quantiles.ae_a", "quantiles.ae_b"]
    }

    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let (st, ae) = (self.student_teacher, self.student_autoencoder);
        for (name, value) in Self::names().into_iter().zip([st.lower, st.upper, ae.lower, ae.upper])
        {
            tensors.insert(name, Tensor::new([1], vec![value])?);
        }
        Ok(())
    }

    pub(crate) fn read(tensors: &Tensors) -> Result<Self, Cause> {
        let mut values = [0.0; 4];
        for (value, name) in values.iter_mut().zip(Self::names()) {
            *value = tensors.expect(name, &[1])?.data()[0];
        }
        let [st_lower, st_upper, ae_lower, ae_upper] = values;
        Ok(Self {
            student_teacher: MapQuantiles { lower: st_lower, upper: st_upper },
            student_autoencoder: MapQuantiles { lower: ae_lower, upper: ae_upper },
        })
    }
}

/// Name of the tensor of calibration scores.
const SCORES: &str = "calibration.scores";

impl Calibration {
    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        tensors.insert(SCORES, Tensor::new([self.scores().len()], self.scores().to_vec())?);
        Ok(())
    }

    /// Models that were never calibrated have none.
    fn read(tensors: &Tensors) -> Result<Option<Self>, Cause> {
        let Some(tensor) = tensors.get(SCORES) else { return Ok(None) };
        let count = tensor.data().len().clamp(1, MAX_CALIBRATION_IMAGES);
        let scores = tensors.expect(SCORES, &[count])?.data().to_vec();
        Ok(Self::new(scores).ok())
    }
}

/// What is known of trained networks before they are calibrated.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Provenance {
    pub recipe: Option<Recipe>,
    pub data: Option<DataDescription>,
    pub continuations: Vec<Continuation>,
}

impl Model {
    /// Where its networks come from.
    pub(crate) fn provenance(&self) -> Provenance {
        let ModelInfo { recipe, data, continuations, .. } = self.info.clone();
        Provenance { recipe, data, continuations }
    }

    /// A model without a threshold.
    pub(crate) fn uncalibrated(networks: NetworkWeights, quantiles: Quantiles) -> Self {
        let info = ModelInfo {
            size: networks.size,
            input: networks.framing.input(),
            recipe: None,
            data: None,
            continuations: Vec::new(),
            calibration: None,
            threshold: None,
            program_version: program_version(),
        };
        Self { networks, quantiles, calibration: None, info }
    }

    /// Calibrates networks on good images that they were not trained on: quantiles of the maps over
    /// all images, then the threshold from the image scores.
    pub(crate) fn calibrate(
        cpu: Arc<Cpu>,
        weights: NetworkWeights,
        provenance: Provenance,
        validation: &dyn ImageSource,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, Error> {
        let total = validation.len();
        check_count(total)?;
        let networks = Networks::new(cpu, &weights);
        let mut maps = Vec::with_capacity(total);
        for index in 0..total {
            report(progress, Progress { stage: Stage::Calibration, done: index, total })?;
            let image = load(validation, index)?;
            let of_image = networks.compare(&image);
            maps.push(of_image.map_err(|error| error.of_image(validation.name(index)))?);
        }
        report(progress, Progress { stage: Stage::Calibration, done: total, total })?;
        let quantiles = Quantiles::of(&maps)?;
        let score = |maps: &PhotoMaps| maps.anomaly_map(networks.cpu(), &quantiles).max();
        let scores = Calibration::new(maps.iter().map(score).collect())?;
        let mut model = Self::uncalibrated(weights, quantiles);
        model.info.recipe = provenance.recipe;
        model.info.data = provenance.data;
        model.info.continuations = provenance.continuations;
        model.info.threshold = Some(scores.threshold(FalseRejectRate::default()));
        model.calibration = Some(scores);
        Ok(model)
    }

    /// The same model with its threshold taken from other good images: `scores` are what a
    /// [`Detector`](crate::Detector) with this model gives them. The maps' normalisation stays as it
    /// was trained, so that scores keep their meaning.
    pub fn calibrated(
        mut self,
        scores: Calibration,
        images: CalibrationImages,
        rate: FalseRejectRate,
    ) -> Self {
        self.info.calibration = Some(images);
        self.info.threshold = Some(scores.threshold(rate));
        self.calibration = Some(scores);
        self
    }

    /// Takes the threshold for another false-reject rate from the calibration scores.
    ///
    /// # Errors
    /// When the model keeps none.
    pub fn set_false_reject(&mut self, rate: FalseRejectRate) -> Result<(), Error> {
        let scores = self.calibration.as_ref().ok_or(Error::NoCalibration)?;
        self.info.threshold = Some(scores.threshold(rate));
        Ok(())
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or is no model of this version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let Contents { document, tensors } = efficientad_weights::load::<ModelInfo>(path, KIND)?;
        let framing = document.framing()?;
        Ok(Self::from_contents(document, framing, &tensors).map_err(|cause| cause.in_file(path))?)
    }

    fn from_contents(info: ModelInfo, framing: Framing, tensors: &Tensors) -> Result<Self, Cause> {
        let networks = NetworkWeights::read(framing, tensors)?;
        let (quantiles, calibration) = (Quantiles::read(tensors)?, Calibration::read(tensors)?);
        Ok(Self { networks, quantiles, calibration, info })
    }

    /// Writes the model file: the same model gives the same bytes.
    ///
    /// # Errors
    /// When it can't be written; an earlier file of that name is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::new();
        self.networks
            .write(&mut tensors)
            .and_then(|()| self.quantiles.write(&mut tensors))
            .and_then(|()| self.calibration.iter().try_for_each(|it| it.write(&mut tensors)))
            .map_err(|cause| cause.in_file(path))?;
        Ok(efficientad_weights::save(path, KIND, &self.info, &tensors)?)
    }

    /// Its networks, laid open: copies of all weights.
    pub fn networks(&self) -> TrainedNetworks {
        TrainedNetworks::of(&self.networks)
    }

    /// How the two difference maps are normalised before they are averaged.
    pub fn quantiles(&self) -> &Quantiles {
        &self.quantiles
    }

    /// Scores of good images that it was not trained on; none if it was never calibrated.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// What the student–autoencoder map is multiplied by, before it is normalised; none if it is left
    /// as it is.
    pub fn position_weights(&self) -> Option<&PositionWeights> {
        self.networks.position_weights.as_ref()
    }

    /// What it is and where it comes from.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }
}
