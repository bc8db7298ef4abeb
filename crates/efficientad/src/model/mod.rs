//! The model: everything that a verdict depends on, in one file (`docs/model-file.md`).

mod calibrating;
mod file;

pub(crate) use calibrating::calibrate;
pub(crate) use file::read_networks;

use crate::calibration::{Calibration, Quantiles};
use crate::channel_weights::ChannelWeights;
use crate::continuation::Continuation;
use crate::error::Error;
use crate::inspection::NetworkWeights;
use crate::position::PositionWeights;
use crate::recipe::Recipe;
use crate::samples::Samples;
use crate::threshold::{FalseRejectRate, Threshold};
use crate::view::{Framing, MapBorder, View};
use efficientad_engine::{EngineId, ExportedNetworks, InputSize, PdnSize, Precision};
use efficientad_images::{DecodeOptions, Orientation, RegionOfInterest};
use serde::{Deserialize, Serialize};

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
    /// How it was trained; `None` if it was imported.
    pub recipe: Option<Recipe>,
    /// What it was trained on; `None` if it was imported.
    pub data: Option<DataDescription>,
    /// How its training went on later, in order.
    pub continuations: Vec<Continuation>,
    /// Images that the threshold was last taken from by [`Model::with_calibration`]; `None` if from those
    /// held back from training.
    pub calibration: Option<CalibrationImages>,
    /// From which image score on a part is anomalous; `None` if never calibrated.
    pub threshold: Option<Threshold>,
    /// The arithmetic of the scores that the threshold and p-values come from; `None` if never
    /// calibrated, or by a program that did not say: by its CPU engine then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineId>,
    /// What the samples of photos stand for, if it was stated otherwise than `data` says when the
    /// model was imported, continued or calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// Version of the program that made it.
    pub program_version: String,
}

impl ModelInfo {
    /// How photos are shown to the networks.
    pub fn view(&self) -> View {
        self.recipe.as_ref().map(|recipe| recipe.view).unwrap_or_default()
    }

    /// What maps show along the border of photos.
    pub fn map_border(&self) -> MapBorder {
        self.recipe.as_ref().map(|recipe| recipe.map_border).unwrap_or_default()
    }

    /// Whether the student–autoencoder map is smoothed.
    pub fn autoencoder_smoothing(&self) -> bool {
        self.recipe.as_ref().is_some_and(|recipe| recipe.autoencoder_smoothing)
    }

    /// Which part of photos is inspected; all of it if there is none.
    pub fn region(&self) -> Option<&RegionOfInterest> {
        self.recipe.as_ref().and_then(|recipe| recipe.region.as_ref())
    }

    /// What the samples of photos stand for.
    pub fn photo_samples(&self) -> Samples {
        let trained = || self.data.as_ref().map(|data| data.samples);
        self.samples.or_else(trained).unwrap_or_default()
    }

    /// How photos are decoded that it is to judge: as those that it was trained on.
    pub fn decode_options(&self) -> DecodeOptions {
        let orientation = self.data.as_ref().map(|data| data.orientation).unwrap_or_default();
        self.photo_samples().apply(DecodeOptions { orientation, ..DecodeOptions::default() })
    }

    /// The arithmetic that the model was calibrated with, as far as it says: models of programs that
    /// knew of one engine alone don't.
    pub fn calibrated_by(&self) -> Option<EngineId> {
        let unnamed = || EngineId {
            name: efficientad_engine_cpu::NAME.to_owned(),
            device: "not named".to_owned(),
            precision: Precision::F32,
        };
        self.threshold.as_ref().map(|_| self.engine.clone().unwrap_or_else(unnamed))
    }

    fn framing(&self) -> Result<Framing, Error> {
        let framing = Framing::new(self.input, self.view(), self.region().cloned())?;
        Ok(framing.with_maps(self.map_border(), self.autoencoder_smoothing()))
    }
}

/// What a model was trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// What their samples stand for, likewise.
    #[serde(default, skip_serializing_if = "Samples::is_default")]
    pub samples: Samples,
    /// Which folders they lay in, and what was taken for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<PhotoFolder>,
    /// What of the folders was not taken, in words; empty if all was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub left_out: String,
    /// The first 16 hexadecimal digits of the SHA-256 of each training image's file, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train_files: Vec<String>,
}

/// Files of one folder that were taken for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoFolder {
    /// The folder below the data set's root; empty for the root itself.
    pub folder: String,
    /// What they were taken for.
    pub taken_as: String,
    /// How many there were.
    pub files: usize,
}

impl DataDescription {
    /// Whether another describes the same images, whatever else their folders hold.
    pub(crate) fn is_of_same_images(&self, other: &Self) -> bool {
        let images = |data: &Self| Self {
            folders: Vec::new(),
            left_out: String::new(),
            train_files: Vec::new(),
            ..data.clone()
        };
        images(self) == images(other)
    }
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
            engine: None,
            samples: None,
            program_version: program_version(),
        };
        Self { networks, quantiles, calibration: None, info }
    }

    /// The same model with its threshold taken from other good images: `scores` are what a
    /// [`Detector`](crate::Detector) with this model gives them on `engine`; `rate` is `None` for their
    /// [`Calibration::usual_threshold`]. The maps' normalisation stays as it was trained, so that scores keep
    /// their meaning.
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is a threshold for the rate.
    pub fn with_calibration(
        mut self,
        scores: Calibration,
        images: CalibrationImages,
        rate: Option<FalseRejectRate>,
        engine: EngineId,
    ) -> Result<Self, Error> {
        self.info.engine = Some(engine);
        self.info.calibration = Some(images);
        self.info.threshold = Some(scores.threshold_for(rate)?);
        self.calibration = Some(scores);
        Ok(self)
    }

    /// The same model, to judge photos whose samples stand for this.
    pub fn with_samples(mut self, samples: Samples) -> Self {
        self.info.samples = None;
        if !self.info.photo_samples().reads_as(samples) {
            self.info.samples = Some(samples);
        }
        self
    }

    /// Takes the threshold for another false-reject rate from the calibration scores.
    ///
    /// # Errors
    /// When the model keeps none, or no number is a threshold for `rate`.
    pub fn set_false_reject(&mut self, rate: FalseRejectRate) -> Result<(), Error> {
        let scores = self.calibration.as_ref().ok_or(Error::NoCalibration)?;
        self.info.threshold = Some(scores.threshold(rate)?);
        Ok(())
    }

    /// Takes a threshold that was chosen by other means than the calibration scores, which tell what it
    /// promises.
    pub fn set_threshold(&mut self, value: f32) {
        self.info.threshold = Some(Threshold::given(value, self.calibration.as_ref()));
    }

    /// The false-reject rate that its threshold was wished for; `None` if that is its images'
    /// [`Calibration::usual_threshold`], or the threshold was given.
    pub fn wished_rate(&self) -> Option<FalseRejectRate> {
        let threshold = self.info.threshold.as_ref()?;
        let usual = self.calibration.as_ref().and_then(|scores| scores.usual_threshold().ok());
        threshold.false_reject.filter(|_| usual.as_ref() != Some(threshold))
    }

    /// Its networks, layer by layer: copies of all weights.
    pub fn networks(&self) -> ExportedNetworks {
        ExportedNetworks::of(&self.networks.networks())
    }

    /// How the two difference maps are normalised before they are averaged.
    pub fn quantiles(&self) -> &Quantiles {
        &self.quantiles
    }

    /// Scores of good images that it was not trained on; `None` if it was never calibrated.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// What each channel counts in the student–teacher map; `None` if all count alike.
    pub fn channel_weights(&self) -> Option<&ChannelWeights> {
        self.networks.channel_weights.as_ref()
    }

    /// What the student–autoencoder map is multiplied by, before it is normalised; `None` if it is
    /// left as it is.
    pub fn position_weights(&self) -> Option<&PositionWeights> {
        self.networks.position_weights.as_ref()
    }

    /// What it is and where it comes from.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }
}
