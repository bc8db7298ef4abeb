//! The three networks as data: layers, sizes and weights.

mod exported;
mod input;
mod layers;
mod weights;

pub use exported::{ExportedLayer, ExportedNetworks};
pub use input::{INPUT_MEAN, INPUT_STD, InputSize, InputSizeError, MAX_INPUT, MIN_INPUT};
pub use layers::{
    DROPOUT_LAYERS, ENCODER_LAYERS, Layer, PdnSize, STUDENT_CHANNELS, TEACHER_CHANNELS,
    autoencoder_layers, pdn_layers, resized_size,
};
pub use weights::{ConvWeights, Weights};
