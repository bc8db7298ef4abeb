//! The autoencoder: the whole image through 64 numbers, and back to the teacher's features.

use crate::convolutions;
use efficientad_engine::{
    InputSize, Layer, Shape, TEACHER_CHANNELS, Tensor, TensorView, Weights, autoencoder_layers,
    resized_size,
};
use efficientad_kernels::{Conv2d, Cpu, ForwardPass, SignMask, Workspace, resize_bilinear};

/// An autoencoder ready to predict features.
pub(crate) struct Autoencoder {
    layers: Vec<Layer>,
    convs: Vec<Conv2d>,
}

/// All that a forward pass writes; memory is used again by the next pass of the same shape.
#[derive(Default)]
pub(crate) struct AutoencoderMaps {
    /// What each layer reads where that is not just the output before it: the decoder's resized
    /// maps.
    pub resized: Vec<Option<Tensor>>,
    /// Each layer's output.
    pub outputs: Vec<Tensor>,
    /// Signs before ReLU; empty where no backward pass follows.
    pub signs: Vec<SignMask>,
}

impl AutoencoderMaps {
    /// Makes room for one image.
    fn prepare(&mut self, layers: &[Layer], size: InputSize, signs: bool) {
        if self
            .outputs
            .last()
            .is_some_and(|output| output.shape() == size.feature_shape(1, TEACHER_CHANNELS))
        {
            return;
        }
        *self = Self::default();
        let mut shape = size.shape(1);
        for (i, layer) in layers.iter().enumerate() {
            let resized = resized_size(i, size).map(|(height, width)| {
                shape = Shape { height, width, ..shape };
                Tensor::zeros(shape)
            });
            let (height, width) = layer.conv.conv_size(shape.height, shape.width);
            shape = Shape { images: 1, height, width, channels: layer.conv.out_channels };
            self.resized.push(resized);
            self.outputs.push(Tensor::zeros(shape));
            if signs {
                self.signs.push(SignMask::new(shape.len()));
            }
        }
    }

    /// What layer `i` reads.
    pub(crate) fn input<'a>(&'a self, i: usize, image: TensorView<'a>) -> TensorView<'a> {
        match (&self.resized[i], i) {
            (Some(resized), _) => resized.view(),
            (None, 0) => image,
            (None, _) => self.outputs[i - 1].view(),
        }
    }

    /// The predicted features: 1 × height × width × 384.
    pub(crate) fn features(&self) -> &Tensor {
        &self.outputs[self.outputs.len() - 1]
    }
}

/// Changes the output (and signs) of a layer, given by number.
pub(crate) type AfterLayer<'a> = dyn FnMut(&Cpu, usize, &mut Tensor, &mut SignMask) + 'a;

/// Runs an autoencoder; `after` may change the output (and signs) of a layer, as dropout does.
pub(crate) fn forward<'a>(
    layers: &[Layer],
    convs: impl Iterator<Item = &'a Conv2d>,
    workspace: &mut Workspace,
    input: TensorView<'_>,
    size: InputSize,
    maps: &mut AutoencoderMaps,
    mut after: Option<&mut AfterLayer<'_>>,
) {
    maps.prepare(layers, size, after.is_some());
    for (i, (layer, conv)) in layers.iter().zip(convs).enumerate() {
        let (done, rest) = maps.outputs.split_at_mut(i);
        let before = done.last().map_or(input, Tensor::view);
        let read = match &mut maps.resized[i] {
            Some(resized) => {
                resize_bilinear(workspace.cpu(), before, resized.view_mut());
                resized.view()
            }
            None => before,
        };
        conv.forward(
            workspace,
            ForwardPass {
                input: read,
                channels: 0..layer.conv.out_channels,
                output: rest[0].view_mut(),
                signs: maps.signs.get_mut(i),
            },
        );
        if let Some(after) = &mut after {
            after(workspace.cpu(), i, &mut rest[0], &mut maps.signs[i]);
        }
    }
}

impl Autoencoder {
    /// Prepares the weights.
    pub(crate) fn new(cpu: &Cpu, weights: &Weights) -> Self {
        let layers = autoencoder_layers();
        Self { convs: convolutions(cpu, &layers, weights), layers }
    }

    /// Predicts the features of one image (normalised, 1 × height × width × 3).
    pub(crate) fn forward(
        &self,
        workspace: &mut Workspace,
        input: TensorView<'_>,
        size: InputSize,
        maps: &mut AutoencoderMaps,
    ) {
        forward(&self.layers, self.convs.iter(), workspace, input, size, maps, None);
    }
}
