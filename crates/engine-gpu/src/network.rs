//! Layers on the device, forwards and backwards.

use crate::conv;
use crate::resize::Resize;
use burn_tensor::{DType, Device, Tensor, activation, s};
use efficientad_engine::{Activation, InputSize, Layer, resized_size};

/// Weights and bias of a convolution, or their gradients.
#[derive(Clone)]
pub(crate) struct ConvTensors {
    /// Kernel row, kernel column and input channel × output channel.
    pub weight: Tensor<2>,
    pub bias: Tensor<1>,
}

impl ConvTensors {
    /// Those of some of the output channels.
    pub(crate) fn channels(&self, channels: std::ops::Range<usize>) -> Self {
        Self {
            weight: self.weight.clone().slice(s![.., channels.clone()]),
            bias: self.bias.clone().slice(channels),
        }
    }
}

/// What the backward pass of a layer needs of its forward pass.
pub(crate) struct Passed {
    input: Tensor<4>,
    /// After ReLU, before the pool.
    active: Option<Tensor<4>>,
}

/// Runs a layer.
pub(crate) fn forward(layer: &Layer, input: Tensor<4>, conv: &ConvTensors) -> (Tensor<4>, Passed) {
    let output = conv::forward(&layer.conv, input.clone(), conv.weight.clone(), conv.bias.clone());
    if layer.activation == Activation::Linear {
        return (output, Passed { input, active: None });
    }
    let active = activation::relu(output);
    let passed = Passed { input, active: Some(active.clone()) };
    match layer.activation {
        Activation::ReluAvgPool => (average_pool(active), passed),
        _ => (active, passed),
    }
}

/// The gradients of a layer's weights, and of its input where that is wanted, from that of its
/// output.
pub(crate) fn backward(
    layer: &Layer,
    passed: Passed,
    conv: &ConvTensors,
    output_gradient: Tensor<4>,
    wants_input_gradient: bool,
) -> (ConvTensors, Option<Tensor<4>>) {
    let Passed { input, active } = passed;
    let gradient = match active {
        None => output_gradient,
        Some(active) => {
            let gradient = match layer.activation {
                Activation::ReluAvgPool => average_pool_backward(output_gradient, active.dims()),
                _ => output_gradient,
            };
            gradient.mask_fill(active.lower_equal_scalar(0.0), 0.0)
        }
    };
    let [_, height, width, _] = input.dims();
    let (weight, bias) = conv::weight_gradient(&layer.conv, input, gradient.clone());
    let input_gradient = wants_input_gradient
        .then(|| conv::input_gradient(&layer.conv, gradient, conv.weight.clone(), [height, width]));
    (ConvTensors { weight, bias }, input_gradient)
}

/// Means of 2 × 2 values; an odd last row or column is left out.
fn average_pool(maps: Tensor<4>) -> Tensor<4> {
    let [_, height, width, _] = maps.dims();
    let (height, width) = (height / 2 * 2, width / 2 * 2);
    let every_other =
        |y: usize, x: usize| maps.clone().slice(s![.., y..height; 2, x..width; 2, ..]);
    let upper = every_other(0, 0) + every_other(0, 1);
    let lower = every_other(1, 0) + every_other(1, 1);
    (upper + lower) * 0.25
}

fn average_pool_backward(
    gradient: Tensor<4>,
    [images, height, width, channels]: [usize; 4],
) -> Tensor<4> {
    let [_, rows, columns, _] = gradient.dims();
    let quarters = (gradient * 0.25)
        .reshape([images, rows, 1, columns, 1, channels])
        .expand([images, rows, 2, columns, 2, channels])
        .reshape([images, 2 * rows, 2 * columns, channels]);
    if (2 * rows, 2 * columns) == (height, width) {
        return quarters;
    }
    conv::spread(quarters, 1, 0, [height, width])
}

/// Runs some layers one after the other.
pub(crate) fn forward_all(
    layers: &[Layer],
    convs: &[ConvTensors],
    input: Tensor<4>,
) -> (Tensor<4>, Vec<Passed>) {
    let mut passed = Vec::with_capacity(layers.len());
    let mut maps = input;
    for (layer, conv) in layers.iter().zip(convs) {
        let (output, pass) = forward(layer, maps, conv);
        maps = output;
        passed.push(pass);
    }
    (maps, passed)
}

/// The gradients of the weights of layers that ran one after the other; the first one reads images,
/// of which no gradient is wanted.
pub(crate) fn backward_all(
    layers: &[Layer],
    convs: &[ConvTensors],
    passed: Vec<Passed>,
    output_gradient: Tensor<4>,
) -> Vec<ConvTensors> {
    let mut gradients = Vec::with_capacity(layers.len());
    let mut gradient = Some(output_gradient);
    let all = layers.iter().zip(convs).zip(passed).enumerate().rev();
    for (i, ((layer, conv), passed)) in all {
        let output_gradient = gradient.take().expect("only the first layer has no input gradient");
        let (of_weights, of_input) = backward(layer, passed, conv, output_gradient, i > 0);
        gradients.push(of_weights);
        gradient = of_input;
    }
    gradients.reverse();
    gradients
}

/// How the autoencoder's maps are resized between its layers.
pub(crate) struct Resizes(Vec<Option<Resize>>);

impl Resizes {
    pub(crate) fn new(device: &Device, numbers: DType, layers: &[Layer], size: InputSize) -> Self {
        let (mut height, mut width) = (size.height(), size.width());
        let of_layer = |(i, layer): (usize, &Layer)| {
            let resize = resized_size(i, size).map(|to| {
                let resize = Resize::new(device, numbers, (height, width), to);
                (height, width) = to;
                resize
            });
            (height, width) = layer.conv.conv_size(height, width);
            resize
        };
        Self(layers.iter().enumerate().map(of_layer).collect())
    }

    /// What layer `i` reads, from the output of the layer before.
    pub(crate) fn forward(&self, i: usize, maps: Tensor<4>) -> Tensor<4> {
        match &self.0[i] {
            Some(resize) => resize.forward(maps),
            None => maps,
        }
    }

    /// The gradient of the output before layer `i`, from that of what the layer reads.
    pub(crate) fn backward(&self, i: usize, gradient: Tensor<4>) -> Tensor<4> {
        match &self.0[i] {
            Some(resize) => resize.backward(gradient),
            None => gradient,
        }
    }
}
