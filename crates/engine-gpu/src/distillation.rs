//! A teacher that learns to give targets.

use crate::network::{backward_all, forward_all};
use crate::optimizer;
use crate::parameters::{Parameters, joined};
use crate::sum::sum;
use crate::transfer::{maps, read};
use burn_tensor::{Device, Tensor};
use efficientad_engine::{
    Adam, DistillationBatch, DistillationLearner, EngineError, NetworkState, PdnSize,
    TEACHER_CHANNELS, pdn_layers,
};

/// Samples of a batch that are computed at once: it bounds the memory, and rounding depends on it.
const AT_ONCE: usize = 4;

/// A distillation in progress.
pub(crate) struct GpuDistillation {
    device: Device,
    network: Parameters,
}

impl GpuDistillation {
    pub(crate) fn new(device: &Device, size: PdnSize, state: NetworkState) -> Self {
        let network = Parameters::new(device, pdn_layers(size, TEACHER_CHANNELS), &state);
        Self { device: device.clone(), network }
    }

    /// The sum of the squared differences over some samples, and the gradient of their mean over
    /// `values`.
    fn learn(
        &self,
        batch: &DistillationBatch,
        samples: std::ops::Range<usize>,
        values: usize,
    ) -> (Tensor<1>, Tensor<1>) {
        let images = maps(&self.device, batch.images.images(samples.clone()));
        let targets = maps(&self.device, batch.targets.images(samples));
        let convs = self.network.convs();
        let (features, passed) = forward_all(&self.network.layers, &convs, images);
        let difference = features - targets;
        let squares = sum(difference.clone().square());
        let gradient = difference * (2.0 / values as f32);
        let gradients = backward_all(&self.network.layers, &convs, passed, gradient);
        (squares, joined(gradients))
    }
}

impl DistillationLearner for GpuDistillation {
    fn step(&mut self, batch: &DistillationBatch, adam: &Adam) -> Result<f64, EngineError> {
        let samples = batch.images.shape().images;
        let values = batch.targets.shape().len();
        let parts = (0..samples).step_by(AT_ONCE).map(|start| start..samples.min(start + AT_ONCE));
        let (squares, gradients): (Vec<_>, Vec<_>) =
            parts.map(|part| self.learn(batch, part, values)).unzip();
        let squares = read(Tensor::cat(squares, 0))?;
        let loss = squares.into_iter().map(f64::from).sum::<f64>() / values as f64;
        if loss.is_finite()
            && let Some(gradient) = gradients.into_iter().reduce(|sum, gradient| sum + gradient)
        {
            optimizer::adam(&mut self.network, adam, gradient);
        }
        Ok(loss)
    }

    fn state(&self) -> Result<NetworkState, EngineError> {
        self.network.state()
    }
}
