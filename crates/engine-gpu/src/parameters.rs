//! The weights of a network and its optimizer's means, each as one row of numbers, so that an update
//! is a few operations whatever the number of layers.

use crate::network::ConvTensors;
use crate::transfer::{numbers, read};
use burn_tensor::{DType, Device, Tensor};
use efficientad_engine::{ConvWeights, EngineError, Layer, NetworkState, Weights};

/// The numbers of a network: the weights of all layers one after the other, then all biases.
pub(crate) struct Parameters {
    pub layers: Vec<Layer>,
    pub values: Tensor<1>,
    pub first_moments: Tensor<1>,
    pub second_moments: Tensor<1>,
}

impl Parameters {
    pub(crate) fn new(device: &Device, layers: Vec<Layer>, state: &NetworkState) -> Self {
        let row = |weights: &Weights| numbers(device, row(weights));
        Self {
            layers,
            values: row(&state.weights),
            first_moments: row(&state.first_moments),
            second_moments: row(&state.second_moments),
        }
    }

    /// The layers' weights as matrices.
    pub(crate) fn convs(&self, numbers: DType) -> Vec<ConvTensors> {
        convs(&self.layers, &self.values.clone().cast(numbers))
    }

    pub(crate) fn state(&self) -> Result<NetworkState, EngineError> {
        let weights = |row: &Tensor<1>| -> Result<Weights, EngineError> {
            Ok(weights(&self.layers, &read(row.clone())?))
        };
        Ok(NetworkState {
            weights: weights(&self.values)?,
            first_moments: weights(&self.first_moments)?,
            second_moments: weights(&self.second_moments)?,
        })
    }
}

/// Layers' weights, or their gradients, as one row.
pub(crate) fn joined(convs: Vec<ConvTensors>) -> Tensor<1> {
    let weights = convs.iter().map(|conv| conv.weight.clone().flatten(0, 1));
    let biases = convs.iter().map(|conv| conv.bias.clone());
    Tensor::cat(weights.chain(biases).collect(), 0)
}

/// The layers' weights of networks that don't learn.
pub(crate) fn fixed(
    device: &Device,
    kind: DType,
    layers: &[Layer],
    weights: &Weights,
) -> Vec<ConvTensors> {
    convs(layers, &numbers(device, row(weights)).cast(kind))
}

fn convs(layers: &[Layer], row: &Tensor<1>) -> Vec<ConvTensors> {
    let mut bias_start = layers.iter().map(|layer| layer.conv.weight_len()).sum();
    let mut weight_start = 0;
    let conv = |layer: &Layer| {
        let take = |start: &mut usize, len: usize| {
            let part = row.clone().slice(*start..*start + len);
            *start += len;
            part
        };
        let (len, channels) = (layer.conv.weight_len(), layer.conv.out_channels);
        ConvTensors {
            weight: take(&mut weight_start, len).reshape([len / channels, channels]),
            bias: take(&mut bias_start, channels),
        }
    };
    layers.iter().map(conv).collect()
}

fn row(weights: &Weights) -> Vec<f32> {
    let all = weights.0.iter().flat_map(|conv| &conv.weight);
    all.chain(weights.0.iter().flat_map(|conv| &conv.bias)).copied().collect()
}

pub(crate) fn weights(layers: &[Layer], row: &[f32]) -> Weights {
    let all: usize = layers.iter().map(|layer| layer.conv.weight_len()).sum();
    let (mut weights, mut biases) = row.split_at(all);
    let conv = |layer: &Layer| ConvWeights {
        weight: taken(&mut weights, layer.conv.weight_len()),
        bias: taken(&mut biases, layer.conv.out_channels),
    };
    Weights(layers.iter().map(conv).collect())
}

fn taken(numbers: &mut &[f32], len: usize) -> Vec<f32> {
    let (taken, rest) = numbers.split_at(len);
    *numbers = rest;
    taken.to_vec()
}
