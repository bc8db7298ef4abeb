//! A convolution that learns.

use efficientad_engine::{Adam, ConvWeights, Layer, Muon, NetworkState, Weights};
use efficientad_kernels::{BackwardPass, Conv2d, Conv2dGradient, Cpu, Moments, Workspace};

/// A convolution with its gradients and its optimizer's state.
pub(crate) struct TrainableConv {
    pub conv: Conv2d,
    pub weights: ConvWeights,
    pub moments: ConvMoments,
    gradient: Conv2dGradient,
    weight_gradient: Vec<f32>,
}

/// The optimizer's running means for a convolution.
#[derive(Clone, Default)]
pub(crate) struct ConvMoments {
    pub weight: Moments,
    pub bias: Moments,
}

impl TrainableConv {
    fn new(cpu: &Cpu, layer: &Layer, weights: &ConvWeights, input_gradient: bool) -> Self {
        let conv = Conv2d::new(cpu, layer.conv, layer.activation, &weights.weight, &weights.bias);
        let len = weights.weight.len();
        Self {
            gradient: Conv2dGradient::new(cpu, &conv, &weights.weight, input_gradient),
            conv,
            weights: weights.clone(),
            moments: ConvMoments {
                weight: Moments::zeros(len),
                bias: Moments::zeros(weights.bias.len()),
            },
            weight_gradient: vec![0.0; len],
        }
    }

    /// Backpropagates a gradient and keeps those of weights and bias until [`TrainableConv::update`].
    pub(crate) fn backward(&mut self, workspace: &mut Workspace, pass: BackwardPass<'_>) {
        self.gradient.backward(workspace, &self.conv, pass);
    }

    /// The gradients of the last backward pass: weights (kernel row × kernel column × input ×
    /// output channel) and bias.
    pub(crate) fn gradients(&mut self, cpu: &Cpu) -> (&[f32], &[f32]) {
        self.gradient.weight_gradient(cpu, &mut self.weight_gradient);
        (&self.weight_gradient, self.gradient.bias_gradient())
    }

    /// Adds the gradients of the last backward pass to `sum`.
    pub(crate) fn add_gradient_to(&mut self, cpu: &Cpu, sum: &mut ConvWeights) {
        /// Parameters that one task adds.
        const CHUNK: usize = 1 << 14;
        self.gradient.weight_gradient(cpu, &mut self.weight_gradient);
        let gradient = &self.weight_gradient;
        cpu.for_each_chunk(&mut sum.weight, CHUNK, |chunk, sum| {
            sum.iter_mut().zip(&gradient[chunk * CHUNK..]).for_each(|(sum, value)| *sum += value);
        });
        let bias = sum.bias.iter_mut().zip(self.gradient.bias_gradient());
        bias.for_each(|(sum, value)| *sum += value);
    }

    /// One step of Adam by the gradients of the last backward pass.
    pub(crate) fn update(&mut self, cpu: &Cpu, adam: &Adam) {
        self.gradient.weight_gradient(cpu, &mut self.weight_gradient);
        let ConvWeights { weight, bias } = &mut self.weights;
        adam.update(cpu, weight, &self.weight_gradient, &mut self.moments.weight);
        adam.update(cpu, bias, self.gradient.bias_gradient(), &mut self.moments.bias);
        self.use_weights(cpu);
    }

    /// One step of Adam by a gradient that was summed up.
    pub(crate) fn update_by(&mut self, cpu: &Cpu, adam: &Adam, gradient: &ConvWeights) {
        let ConvWeights { weight, bias } = &mut self.weights;
        adam.update(cpu, weight, &gradient.weight, &mut self.moments.weight);
        adam.update(cpu, bias, &gradient.bias, &mut self.moments.bias);
        self.use_weights(cpu);
    }

    /// One step by a gradient that was summed up: of Muon for the weights, of Adam for the bias.
    pub(crate) fn update_by_muon(
        &mut self,
        cpu: &Cpu,
        muon: &Muon,
        adam: &Adam,
        gradient: &ConvWeights,
    ) {
        let ConvWeights { weight, bias } = &mut self.weights;
        muon.update(cpu, bias.len(), weight, &gradient.weight, &mut self.moments.weight.first);
        adam.update(cpu, bias, &gradient.bias, &mut self.moments.bias);
        self.use_weights(cpu);
    }

    fn use_weights(&mut self, cpu: &Cpu) {
        let ConvWeights { weight, bias } = &self.weights;
        self.conv.set_weights(cpu, weight, bias);
        self.gradient.set_weights(cpu, weight);
    }
}

/// The weights of a network's layers as they are now.
pub(crate) fn weights(convs: &[TrainableConv]) -> Weights {
    Weights(convs.iter().map(|conv| conv.weights.clone()).collect())
}

/// A network between two steps.
pub(crate) fn network_state(convs: &[TrainableConv]) -> NetworkState {
    let moments = |of: fn(&Moments) -> &Vec<f32>| {
        let pair = |conv: &TrainableConv| ConvWeights {
            weight: of(&conv.moments.weight).clone(),
            bias: of(&conv.moments.bias).clone(),
        };
        Weights(convs.iter().map(pair).collect())
    };
    NetworkState {
        weights: weights(convs),
        first_moments: moments(|moments| &moments.first),
        second_moments: moments(|moments| &moments.second),
    }
}

/// Takes over the optimizer's running means.
pub(crate) fn set_moments(convs: &mut [TrainableConv], state: NetworkState) {
    let moments = state.first_moments.0.into_iter().zip(state.second_moments.0);
    for (conv, (first, second)) in convs.iter_mut().zip(moments) {
        conv.moments = ConvMoments {
            weight: Moments { first: first.weight, second: second.weight },
            bias: Moments { first: first.bias, second: second.bias },
        };
    }
}

/// Makes a network's layers learn; the first one reads images, of which no gradient is wanted.
pub(crate) fn trainable(cpu: &Cpu, layers: &[Layer], weights: &Weights) -> Vec<TrainableConv> {
    layers
        .iter()
        .zip(&weights.0)
        .enumerate()
        .map(|(i, (layer, weights))| TrainableConv::new(cpu, layer, weights, i > 0))
        .collect()
}
