//! The patch description network: what teacher and student are.

use crate::convolutions;
use efficientad_engine::{Layer, PdnSize, Shape, Tensor, TensorView, Weights, pdn_layers};
use efficientad_kernels::{Conv2d, Cpu, ForwardPass, SignMask, Workspace};

/// A patch description network ready to describe images.
pub(crate) struct Pdn {
    layers: Vec<Layer>,
    convs: Vec<Conv2d>,
}

/// The outputs of all layers but the last, and the signs that their backward passes need; memory
/// that the next pass on inputs of the same shape uses again, also one of another network.
#[derive(Default)]
pub(crate) struct HiddenMaps {
    pub maps: Vec<Tensor>,
    /// Empty where no backward pass follows.
    pub signs: Vec<SignMask>,
}

impl HiddenMaps {
    /// Makes room for the hidden layers of `layers` on inputs of `shape`; returns the shape that
    /// the last layer reads.
    pub(crate) fn prepare(&mut self, layers: &[Layer], mut shape: Shape, signs: bool) -> Shape {
        let hidden = &layers[..layers.len() - 1];
        self.maps.resize_with(hidden.len(), Tensor::default);
        self.signs.resize_with(if signs { hidden.len() } else { 0 }, SignMask::default);
        for (i, layer) in hidden.iter().enumerate() {
            let (height, width) = layer.conv.conv_size(shape.height, shape.width);
            let conv = Shape { height, width, channels: layer.conv.out_channels, ..shape };
            let (height, width) = layer.activation.output_size(height, width);
            shape = Shape { height, width, ..conv };
            if self.maps[i].shape() != shape {
                self.maps[i] = Tensor::zeros(shape);
                if signs {
                    self.signs[i] = SignMask::new(conv.len());
                }
            }
        }
        shape
    }
}

/// Runs all layers but the last.
pub(crate) fn forward_hidden<'a>(
    layers: &[Layer],
    convs: impl Iterator<Item = &'a Conv2d>,
    workspace: &mut Workspace,
    input: TensorView<'_>,
    hidden: &mut HiddenMaps,
) {
    let mut signs = hidden.signs.iter_mut();
    for (i, (layer, conv)) in layers[..layers.len() - 1].iter().zip(convs).enumerate() {
        let (done, rest) = hidden.maps.split_at_mut(i);
        conv.forward(
            workspace,
            ForwardPass {
                input: done.last().map_or(input, Tensor::view),
                channels: 0..layer.conv.out_channels,
                output: rest[0].view_mut(),
                signs: signs.next(),
            },
        );
    }
}

impl Pdn {
    /// Prepares the weights of a network whose last layer has `channels` channels.
    pub(crate) fn new(cpu: &Cpu, size: PdnSize, channels: usize, weights: &Weights) -> Self {
        let layers = pdn_layers(size, channels);
        Self { convs: convolutions(cpu, &layers, weights), layers }
    }

    /// Describes images (normalised, images × height × width × 3) by `features` (images × height ×
    /// width × channels).
    pub(crate) fn forward(
        &self,
        workspace: &mut Workspace,
        input: TensorView<'_>,
        hidden: &mut HiddenMaps,
        features: &mut Tensor,
    ) {
        let shape = hidden.prepare(&self.layers, input.shape, false);
        forward_hidden(&self.layers, self.convs.iter(), workspace, input, hidden);
        let last = self.convs.len() - 1;
        let spec = self.convs[last].spec();
        let (height, width) = spec.conv_size(shape.height, shape.width);
        let output = Shape { height, width, channels: spec.out_channels, ..shape };
        if features.shape() != output {
            *features = Tensor::zeros(output);
        }
        self.convs[last].forward(
            workspace,
            ForwardPass {
                input: hidden.maps[last - 1].view(),
                channels: 0..spec.out_channels,
                output: features.view_mut(),
                signs: None,
            },
        );
    }
}
