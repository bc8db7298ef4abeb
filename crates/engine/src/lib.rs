//! What EfficientAD's networks are, and what an engine does with them.
//!
//! An *engine* runs whole networks on some device. Four operations are all that the method asks of
//! one, so that an engine decides itself where its data lie:
//!
//! | operation | from | to | trait |
//! |---|---|---|---|
//! | describe | images | the teacher's features | [`InspectionEngine::prepare_teacher`] |
//! | compare | images | the two difference maps | [`InspectionEngine::prepare`] |
//! | a training step | [`StepInputs`] and a [`StepPlan`] | [`Losses`] and changed weights | [`TrainingEngine::learner`] |
//! | a distillation step | images and targets | a loss and changed weights | [`TrainingEngine::distillation_learner`] |
//!
//! An engine names its arithmetic by an [`EngineId`]. Whatever implements these traits has to pass
//! the suite of the crate `efficientad-engine-conformance`: the same weights and the same batch give
//! the same features, maps, losses and gradients, to tolerances stated for each precision.
//!
//! Maps are batches of images × height × width × channels, channels innermost, in `f32`.

mod dropout;
mod error;
mod id;
mod inspection;
mod losses;
mod network;
mod random;
mod training;
mod valid_mask;

pub use dropout::Dropout;
pub use efficientad_kernels::{
    Activation, Adam, ConvSpec, Muon, NEGLIGIBLE_MEAN, NEGLIGIBLE_WEIGHT, Shape, Taps, Tensor,
    TensorView, TensorViewMut, Threads, ThreadsError, bilinear_taps, hwio_from_oihw,
    oihw_from_hwio,
};
pub use error::EngineError;
pub use id::{EngineId, Precision};
pub use inspection::{
    DifferenceMaps, InspectionEngine, Networks, PreparedNetworks, PreparedTeacher, Share,
};
pub use losses::Losses;
pub use network::{
    ConvWeights, DROPOUT_LAYERS, ENCODER_LAYERS, ExportedLayer, ExportedNetworks, INPUT_MEAN,
    INPUT_STD, InputSize, InputSizeError, Layer, MAX_INPUT, MIN_INPUT, PdnSize, STUDENT_CHANNELS,
    TEACHER_CHANNELS, Weights, autoencoder_layers, pdn_layers, resized_size,
};
pub use random::{Purpose, Random};
pub use training::{
    AutoencoderInput, AutoencoderPlan, DistillationBatch, DistillationLearner, DistillationPlan,
    Gradients, Learner, LearnerOptions, LearnerState, NetworkState, StepInputs, StepPlan,
    TrainingEngine, TrainingNetworks,
};
pub use valid_mask::ValidMask;
