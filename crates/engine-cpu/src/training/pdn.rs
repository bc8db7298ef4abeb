//! A patch description network as it learns.

use super::conv::{TrainableConv, trainable};
use crate::pdn::{HiddenMaps, forward_hidden};
use efficientad_engine::{Layer, PdnSize, Shape, Tensor, TensorView, Weights, pdn_layers};
use efficientad_kernels::{BackwardPass, Cpu, ForwardPass, Workspace};
use std::ops::Range;

/// A patch description network as it learns. The last layer has passes of its own, as not all of
/// its channels are wanted of every image.
pub(crate) struct TrainablePdn {
    layers: Vec<Layer>,
    pub convs: Vec<TrainableConv>,
    hidden: HiddenMaps,
    hidden_gradients: Vec<Tensor>,
}

impl TrainablePdn {
    pub(crate) fn new(cpu: &Cpu, size: PdnSize, channels: usize, weights: &Weights) -> Self {
        let layers = pdn_layers(size, channels);
        Self {
            convs: trainable(cpu, &layers, weights),
            layers,
            hidden: HiddenMaps::default(),
            hidden_gradients: Vec::new(),
        }
    }

    fn last(&self) -> usize {
        self.layers.len() - 1
    }

    /// Runs all layers but the last on a batch (normalised); the shape of the last layer's output.
    pub(crate) fn forward_hidden(
        &mut self,
        workspace: &mut Workspace,
        batch: TensorView<'_>,
    ) -> Shape {
        let read = self.hidden.prepare(&self.layers, batch.shape, true);
        let shapes = self.hidden.maps.iter().map(Tensor::shape);
        if !shapes.eq(self.hidden_gradients.iter().map(Tensor::shape)) {
            let maps = self.hidden.maps.iter();
            self.hidden_gradients = maps.map(|map| Tensor::zeros(map.shape())).collect();
        }
        let convs = self.convs.iter().map(|layer| &layer.conv);
        forward_hidden(&self.layers, convs, workspace, batch, &mut self.hidden);
        let conv = self.layers[self.last()].conv;
        let (height, width) = conv.conv_size(read.height, read.width);
        Shape { height, width, channels: conv.out_channels, ..read }
    }

    /// Runs the last layer on some images for some channels.
    pub(crate) fn forward_last(
        &self,
        workspace: &mut Workspace,
        images: Range<usize>,
        channels: Range<usize>,
        output: &mut Tensor,
    ) {
        let last = self.last();
        self.convs[last].conv.forward(
            workspace,
            ForwardPass {
                input: self.hidden.maps[last - 1].images(images),
                channels,
                output: output.view_mut(),
                signs: None,
            },
        );
    }

    /// Backpropagates the gradient of what [`TrainablePdn::forward_last`] gave through the last layer.
    pub(crate) fn backward_last(
        &mut self,
        workspace: &mut Workspace,
        images: Range<usize>,
        channels: Range<usize>,
        gradient: &Tensor,
    ) {
        let last = self.last();
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

    /// Backpropagates the gradient through the other layers, after the last one's passes.
    pub(crate) fn backward_hidden(&mut self, workspace: &mut Workspace, batch: TensorView<'_>) {
        for i in (0..self.last()).rev() {
            let (before, after) = self.hidden_gradients.split_at_mut(i);
            self.convs[i].backward(
                workspace,
                BackwardPass {
                    input: i.checked_sub(1).map_or(batch, |i| self.hidden.maps[i].view()),
                    channels: 0..self.layers[i].conv.out_channels,
                    output_gradient: after[0].view(),
                    signs: Some(&self.hidden.signs[i]),
                    input_gradient: before.last_mut().map(Tensor::view_mut),
                },
            );
        }
    }
}
