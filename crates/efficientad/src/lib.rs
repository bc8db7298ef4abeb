//! EfficientAD: teacher, student and autoencoder; training, calibration, detection.
//!
//! The method is that of K. Batzner, L. Heckler and R. König, *EfficientAD: Accurate Visual Anomaly
//! Detection at Millisecond-Level Latencies*, WACV 2024. A frozen teacher describes every patch of
//! an image; a student learns on good images to predict it, and an autoencoder to predict it from
//! the image as a whole. Where they disagree on a new image, something is unusual.
//!
//! - [`Trainer`] trains student and autoencoder on an [`ImageSource`] and calibrates a [`Model`], or
//!   goes on with one on further images.
//! - [`Detector`] judges images by a model.
//! - [`Calibration`] holds the scores of good images; [`Threshold`] is chosen from them and says what
//!   it promises; [`Regions`] are where an image reaches it.
//! - [`View`] says how an image of any size is shown to the networks: stretched, padded or in tiles.
//! - [`Distiller`] distils a [`Teacher`] from targets that a [`DistillationSource`] gives.
//! - [`Teacher`] and [`import()`] take what other programs trained.
//! - [`Model::networks`] and [`Model::quantiles`] export a model for programs that run it by other
//!   means.
//! - An [`InspectionEngine`] or [`TrainingEngine`] computes: [`CpuEngine`], or one of another crate.
//!
//! Nothing in here knows where images come from, how results are shown, or what an engine computes
//! on.

mod anomaly_map;
pub mod benchmark;
mod calibration;
mod channel_weights;
mod channels;
mod continuation;
mod describer;
mod detector;
mod error;
mod import;
mod input;
mod inspection;
mod model;
#[cfg(test)]
mod parity;
mod position;
mod progress;
mod recipe;
mod regions;
mod samples;
mod smoothing;
mod source;
mod teacher;
mod threshold;
mod training;
mod view;

pub use anomaly_map::AnomalyMap;
pub use calibration::{Calibration, MAX_CALIBRATION_IMAGES, MapQuantiles, Quantiles};
pub use channel_weights::ChannelWeights;
pub use channels::ChannelSums;
pub use continuation::{Continuation, ContinuationRecipe, OldImages};
pub use describer::Describer;
pub use detector::{Arithmetic, Detector, Inspection};
pub use efficientad_engine as engine;
pub use efficientad_engine::{
    Activation, ConvSpec, EngineError, EngineId, ExportedLayer, ExportedNetworks, INPUT_MEAN,
    INPUT_STD, InputSize, InputSizeError, InspectionEngine, Losses, MAX_INPUT, MIN_INPUT, PdnSize,
    Precision, TEACHER_CHANNELS, TrainingEngine,
};
pub use efficientad_engine_cpu::{CpuEngine, CpuError, InstructionSet};
pub use efficientad_images::{RegionOfInterest, RgbImage};
pub use error::{Error, SourceError};
pub use import::{Imported, ImportedNetworks, import};
pub use model::{CalibrationImages, DataDescription, Model, ModelInfo, PhotoFolder};
pub use position::PositionWeights;
pub use progress::{Progress, ProgressFn, Stage};
pub use recipe::{AutoencoderOptimizer, LearningRateSchedule, Recipe, StudentStart};
pub use regions::{Bounds, Centroid, MAX_REGIONS, Peak, Region, Regions};
pub use samples::{RecognisedBits, Samples};
pub use smoothing::{SMOOTHING_REACH, smoothing_weights};
pub use source::{ImageSource, PhotoSource, penalty_crop};
pub use teacher::Teacher;
pub use threshold::{Basis, CONFIDENCE, FalseRejectRate, Threshold};
pub use training::distillation::{
    COARSE_CHANNELS, Distillation, DistillationData, DistillationOptimizer, DistillationRecipe,
    DistillationSample, DistillationSource, Distiller, FINE_CHANNELS, InitialTeacher, RSquared,
    TARGET_SIDE,
};
pub use training::{Augmentation, BegunTraining, TrainOptions, Trainer, TrainingData};
pub use view::{
    MAP_BORDER, MAX_TILE, MEMORY_ALLOWANCE, MEMORY_PER_PIXEL, MIN_TILE, MIN_TILE_OVERLAP,
    MapBorder, View, ViewError,
};
