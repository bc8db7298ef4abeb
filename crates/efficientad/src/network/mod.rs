//! The three networks: patch description networks (teacher, student) and the autoencoder.

mod autoencoder;
mod input;
mod layers;
mod pdn;
mod weights;

pub(crate) use autoencoder::{
    Autoencoder, AutoencoderMaps, DROPOUT_LAYERS, ENCODER_LAYERS, forward as forward_autoencoder,
    resized_size,
};
pub use input::{INPUT_MEAN, INPUT_STD, InputSize, InputSizeError, MAX_INPUT, MIN_INPUT};
pub(crate) use input::{normalized, write_normalized};
pub(crate) use layers::{Layer, autoencoder_layers, pdn_layers};
pub use layers::{PdnSize, TEACHER_CHANNELS};
pub(crate) use pdn::{HiddenMaps, Pdn, forward_hidden};
pub(crate) use weights::{ConvWeights, Weights};
