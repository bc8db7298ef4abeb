//! The autoencoder as it learns.

use super::conv::{TrainableConv, trainable};
use super::dropout;
use crate::autoencoder::{AutoencoderMaps, forward as forward_autoencoder};
use efficientad_engine::{
    Adam, DROPOUT_LAYERS, Dropout, ENCODER_LAYERS, InputSize, Layer, Muon, Tensor, TensorView,
    Weights, autoencoder_layers,
};
use efficientad_kernels::{BackwardPass, Cpu, SignMask, Workspace, resize_bilinear_adjoint};

/// The autoencoder as it learns, one image at a time.
pub(crate) struct TrainableAutoencoder {
    layers: Vec<Layer>,
    pub convs: Vec<TrainableConv>,
    size: InputSize,
    maps: AutoencoderMaps,
    /// Gradients with respect to each layer's output.
    gradients: Vec<Tensor>,
    /// Gradients with respect to what each layer reads, where that was resized.
    resized_gradients: Vec<Option<Tensor>>,
    /// Gradients with respect to weights, summed over the images of a step.
    summed_gradient: Weights,
}

/// Whether a layer is followed by dropout.
fn has_dropout(i: usize) -> bool {
    (ENCODER_LAYERS..ENCODER_LAYERS + DROPOUT_LAYERS).contains(&i)
}

impl TrainableAutoencoder {
    pub(crate) fn new(cpu: &Cpu, size: InputSize, weights: &Weights) -> Self {
        let layers = autoencoder_layers();
        Self {
            convs: trainable(cpu, &layers, weights),
            layers,
            size,
            maps: AutoencoderMaps::default(),
            gradients: Vec::new(),
            resized_gradients: Vec::new(),
            summed_gradient: weights.zeros_like(),
        }
    }

    /// Predicts features, with dropout if given.
    pub(crate) fn forward(
        &mut self,
        workspace: &mut Workspace,
        image: TensorView<'_>,
        dropout: Option<Dropout>,
    ) {
        let mut after = |cpu: &Cpu, i: usize, output: &mut Tensor, signs: &mut SignMask| {
            if let Some(dropout) = dropout.filter(|_| has_dropout(i)) {
                let layer = (i - ENCODER_LAYERS) as u8;
                dropout::apply(dropout, cpu, layer, output.data_mut(), signs.bytes_mut());
            }
        };
        forward_autoencoder(
            &self.layers,
            self.convs.iter().map(|layer| &layer.conv),
            workspace,
            image,
            self.size,
            &mut self.maps,
            Some(&mut after),
        );
        if self.gradients.is_empty() {
            let like = |tensor: &Tensor| Tensor::zeros(tensor.shape());
            self.gradients = self.maps.outputs.iter().map(like).collect();
            self.resized_gradients =
                self.maps.resized.iter().map(|map| map.as_ref().map(like)).collect();
        }
    }

    /// The features of the last image, and where the losses leave their gradient.
    pub(crate) fn features_and_gradient(&mut self) -> (&Tensor, &mut Tensor) {
        let last = self.gradients.len() - 1;
        (self.maps.features(), &mut self.gradients[last])
    }

    /// Backpropagates the features' gradient to all weights; `dropout` as in the forward pass.
    pub(crate) fn backward(
        &mut self,
        workspace: &mut Workspace,
        image: TensorView<'_>,
        dropout: Option<Dropout>,
    ) {
        for i in (0..self.layers.len()).rev() {
            let (before, after) = self.gradients.split_at_mut(i);
            if dropout.is_some() && has_dropout(i) {
                dropout::scale_gradient(workspace.cpu(), after[0].data_mut());
            }
            let resized = &mut self.resized_gradients[i];
            let input_gradient = match resized {
                Some(resized) => Some(resized.view_mut()),
                None => before.last_mut().map(Tensor::view_mut),
            };
            self.convs[i].backward(
                workspace,
                BackwardPass {
                    input: self.maps.input(i, image),
                    channels: 0..self.layers[i].conv.out_channels,
                    output_gradient: after[0].view(),
                    signs: Some(&self.maps.signs[i]),
                    input_gradient,
                },
            );
            if let (Some(resized), Some(before)) = (resized, before.last_mut()) {
                resize_bilinear_adjoint(workspace.cpu(), resized.view(), before.view_mut());
            }
        }
    }

    /// Adds the gradients of the last backward pass to those of the other images of the step.
    pub(crate) fn sum_gradient(&mut self, cpu: &Cpu) {
        for (conv, sum) in self.convs.iter_mut().zip(&mut self.summed_gradient.0) {
            conv.add_gradient_to(cpu, sum);
        }
    }

    /// The gradients that were summed up; the sum begins anew.
    pub(crate) fn take_summed_gradient(&mut self) -> Weights {
        let zeros = self.summed_gradient.zeros_like();
        std::mem::replace(&mut self.summed_gradient, zeros)
    }

    /// One step by the gradients that were summed up: of Muon for the weights, but for those of the
    /// last layer, and of Adam for all others.
    pub(crate) fn update_by_muon(&mut self, cpu: &Cpu, muon: &Muon, adam: &Adam) {
        let gradients = &self.summed_gradient.0;
        let last = gradients.len() - 1;
        cpu.for_each_chunk(&mut self.convs, 1, |i, conv| {
            if i < last {
                conv[0].update_by_muon(cpu, muon, adam, &gradients[i]);
            } else {
                conv[0].update_by(cpu, adam, &gradients[i]);
            }
        });
        self.summed_gradient.clear();
    }
}
