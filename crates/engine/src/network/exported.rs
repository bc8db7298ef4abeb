//! Networks exported layer by layer, for programs that run them by other means.

use super::input::InputSize;
use super::layers::{
    Layer, STUDENT_CHANNELS, TEACHER_CHANNELS, autoencoder_layers, pdn_layers, resized_size,
};
use super::weights::Weights;
use crate::inspection::Networks;
use efficientad_kernels::{Activation, ConvSpec, oihw_from_hwio};

/// Copies of a model's networks as inspection runs them, layer by layer.
///
/// All three read the same image: resized to the model's input size, scaled to [0, 1], normalised
/// by [`INPUT_MEAN`](crate::INPUT_MEAN) and [`INPUT_STD`](crate::INPUT_STD). All three give
/// features of [`InputSize::feature_size`].
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedNetworks {
    /// The teacher, to 384 channels. Its normalisation, (output − mean) / std (paper, section 3.1),
    /// is folded into the last layer.
    pub teacher: Vec<ExportedLayer>,
    /// The student, to 768 channels: 384 that predict the teacher, then 384 that predict the
    /// autoencoder.
    pub student: Vec<ExportedLayer>,
    /// The autoencoder, encoder and decoder, to 384 channels.
    pub autoencoder: Vec<ExportedLayer>,
}

/// One layer: a resize if there is one, a convolution, and what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedLayer {
    /// Its name within the network, as in model files: `conv1`, or `decoder.conv1`.
    pub name: String,
    /// Rows and columns that its input is resized to first, bilinearly with half-pixel centres.
    pub resize_to: Option<(usize, usize)>,
    /// The convolution.
    pub conv: ConvSpec,
    /// Its weights: output × input × row × column.
    pub weight: Vec<f32>,
    /// Its bias: one number for each output channel.
    pub bias: Vec<f32>,
    /// What follows the convolution.
    pub activation: Activation,
}

impl ExportedNetworks {
    /// Exports networks.
    pub fn of(networks: &Networks) -> Self {
        let pdn = |channels, weights| {
            exported_layers(pdn_layers(networks.size, channels), weights, |_| None)
        };
        Self {
            teacher: pdn(TEACHER_CHANNELS, &networks.teacher),
            student: pdn(STUDENT_CHANNELS, &networks.student),
            autoencoder: autoencoder(networks.input, &networks.autoencoder),
        }
    }
}

fn autoencoder(input: InputSize, weights: &Weights) -> Vec<ExportedLayer> {
    exported_layers(autoencoder_layers(), weights, |i| resized_size(i, input))
}

fn exported_layers(
    layers: Vec<Layer>,
    weights: &Weights,
    resize_to: impl Fn(usize) -> Option<(usize, usize)>,
) -> Vec<ExportedLayer> {
    let layers = layers.into_iter().zip(&weights.0).enumerate();
    layers
        .map(|(i, (layer, weights))| ExportedLayer {
            resize_to: resize_to(i),
            weight: oihw_from_hwio(&layer.conv, &weights.weight),
            bias: weights.bias.clone(),
            name: layer.name,
            conv: layer.conv,
            activation: layer.activation,
        })
        .collect()
}
