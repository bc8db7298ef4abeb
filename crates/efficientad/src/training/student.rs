//! The student as it learns: one pass over all images of a step.

use super::conv::{TrainableConv, trainable};
use crate::network::{
    HiddenMaps, Layer, PdnSize, TEACHER_CHANNELS, Weights, forward_hidden, pdn_layers,
};
use efficientad_kernels::{
    BackwardPass, Cpu, ForwardPass, Shape, SignMask, Tensor, TensorView, Workspace,
};
use std::ops::Range;

/// Channels of the student: the first half predicts the teacher, the second the autoencoder.
pub(crate) const STUDENT_CHANNELS: usize = 2 * TEACHER_CHANNELS;

/// The half of the student's channels that predicts the teacher.
const TEACHER_HALF: Range<usize> = 0..TEACHER_CHANNELS;
/// The half that predicts the autoencoder.
const AUTOENCODER_HALF: Range<usize> = TEACHER_CHANNELS..STUDENT_CHANNELS;

/// The student as it learns.
///
/// A step's images are one batch: first those whose features are to be (or, for the penalty photo,
/// not to be) the teacher's, last the augmented image whose features are to be the autoencoder's.
/// Each needs only its half of the last layer.
pub(crate) struct TrainableStudent {
    layers: Vec<Layer>,
    pub convs: Vec<TrainableConv>,
    hidden: HiddenMaps,
    hidden_gradients: Vec<Tensor>,
    /// Features of all images but the last; after the losses, their gradient.
    pub teacher_half: Tensor,
    /// Features of the last image; after the losses, their gradient.
    pub autoencoder_half: Tensor,
}

impl TrainableStudent {
    pub(crate) fn new(cpu: &Cpu, size: PdnSize, weights: &Weights) -> Self {
        let layers = pdn_layers(size, STUDENT_CHANNELS);
        Self {
            convs: trainable(cpu, &layers, weights),
            layers,
            hidden: HiddenMaps::default(),
            hidden_gradients: Vec::new(),
            teacher_half: Tensor::default(),
            autoencoder_half: Tensor::default(),
        }
    }

    /// Makes room for a batch of `shape`.
    fn prepare(&mut self, shape: Shape) {
        let shape = self.hidden.prepare(&self.layers, shape, true);
        let (height, width) = self.last_layer().conv.conv_size(shape.height, shape.width);
        let one = Shape { images: 1, height, width, channels: TEACHER_CHANNELS };
        if self.autoencoder_half.shape() != one || self.hidden_gradients.is_empty() {
            self.autoencoder_half = Tensor::zeros(one);
            self.teacher_half = Tensor::zeros(Shape { images: shape.images - 1, ..one });
            self.hidden_gradients =
                self.hidden.maps.iter().map(|map| Tensor::zeros(map.shape())).collect();
        }
    }

    fn last_layer(&self) -> &Layer {
        &self.layers[self.layers.len() - 1]
    }

    /// Describes a batch of at least two images (normalised).
    pub(crate) fn forward(&mut self, workspace: &mut Workspace, batch: TensorView<'_>) {
        self.prepare(batch.shape);
        let convs = self.convs.iter().map(|layer| &layer.conv);
        forward_hidden(&self.layers, convs, workspace, batch, &mut self.hidden);
        let images = batch.shape.images;
        let last = self.layers.len() - 1;
        let read = &self.hidden.maps[last - 1];
        for (images, channels, output) in [
            (0..images - 1, TEACHER_HALF, &mut self.teacher_half),
            (images - 1..images, AUTOENCODER_HALF, &mut self.autoencoder_half),
        ] {
            self.convs[last].conv.forward(
                workspace,
                ForwardPass {
                    input: read.images(images),
                    channels,
                    output: output.view_mut(),
                    signs: None,
                },
            );
        }
    }

    /// Leads the gradients that the losses left in both halves back to all weights.
    pub(crate) fn backward(&mut self, workspace: &mut Workspace, batch: TensorView<'_>) {
        let images = batch.shape.images;
        let last = self.layers.len() - 1;
        for (images, channels, gradient) in [
            (0..images - 1, TEACHER_HALF, &self.teacher_half),
            (images - 1..images, AUTOENCODER_HALF, &self.autoencoder_half),
        ] {
            self.convs[last].backward(
                workspace,
                BackwardPass {
                    input: self.hidden.maps[last - 1].images(images.clone()),
                    channels,
                    output_gradient: gradient.view(),
                    signs: None,
                    input_gradient: Some(self.hidden_gradients[last - 1].images_mut(images)),
                },
            );
        }
        for i in (0..last).rev() {
            let signs: &SignMask = &self.hidden.signs[i];
            let (before, after) = self.hidden_gradients.split_at_mut(i);
            self.convs[i].backward(
                workspace,
                BackwardPass {
                    input: i.checked_sub(1).map_or(batch, |i| self.hidden.maps[i].view()),
                    channels: 0..self.layers[i].conv.out_channels,
                    output_gradient: after[0].view(),
                    signs: Some(signs),
                    input_gradient: before.last_mut().map(Tensor::view_mut),
                },
            );
        }
    }
}
