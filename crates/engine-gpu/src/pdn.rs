//! The patch description network: what the teacher is, and the student where it does not learn.

use crate::network::{ConvTensors, forward};
use crate::parameters::fixed;
use burn_tensor::{DType, Device, Tensor};
use efficientad_engine::{Layer, PdnSize, Weights, pdn_layers};

/// A patch description network ready to describe images.
pub(crate) struct Pdn {
    layers: Vec<Layer>,
    convs: Vec<ConvTensors>,
}

impl Pdn {
    /// Sends the weights of a network whose last layer has `channels` channels to the device.
    pub(crate) fn new(
        device: &Device,
        numbers: DType,
        (size, channels): (PdnSize, usize),
        weights: &Weights,
    ) -> Self {
        let layers = pdn_layers(size, channels);
        Self { convs: fixed(device, numbers, &layers, weights), layers }
    }

    /// Describes images (normalised, images × height × width × 3).
    pub(crate) fn describe(&self, images: Tensor<4>) -> Tensor<4> {
        let layers = self.layers.iter().zip(&self.convs);
        layers.fold(images, |maps, (layer, conv)| forward(layer, maps, conv).0)
    }
}
