//! A teacher that learns to give targets.

use crate::network::{backward_all, forward_all};
use crate::optimizer;
use crate::outstanding::{Outstanding, all_finite, nan_unless};
use crate::parameters::{Parameters, joined};
use crate::precision::StepNumbers;
use crate::sum::sum;
use crate::transfer::maps;
use burn_tensor::{DType, Device, Tensor};
use efficientad_engine::{
    DistillationBatch, DistillationLearner, DistillationPlan, EngineError, NetworkState, PdnSize,
    TEACHER_CHANNELS, pdn_layers,
};

/// Samples of a batch that are computed at once: it bounds the memory, and rounding depends on it.
const AT_ONCE: usize = 4;

/// A distillation in progress.
pub(crate) struct GpuDistillation {
    device: Device,
    numbers: DType,
    network: Parameters,
    outstanding: Outstanding,
}

impl GpuDistillation {
    pub(crate) fn new(device: &Device, numbers: DType, size: PdnSize, state: NetworkState) -> Self {
        Self {
            device: device.clone(),
            numbers,
            network: Parameters::new(device, pdn_layers(size, TEACHER_CHANNELS), &state),
            outstanding: Outstanding::default(),
        }
    }

    /// What some samples add to the mean of the squared differences over `values`, and its gradient.
    fn learn(
        &self,
        batch: &DistillationBatch,
        samples: std::ops::Range<usize>,
        values: usize,
    ) -> (Tensor<1>, Tensor<1>) {
        let numbers = StepNumbers::new(self.numbers, values);
        let images = numbers.maps(maps(&self.device, batch.images.images(samples.clone())));
        let targets = maps(&self.device, batch.targets.images(samples));
        let convs = self.network.convs(self.numbers);
        let (features, passed) = forward_all(&self.network.layers, &convs, images);
        let difference = features.cast(DType::F32) - targets;
        let loss = sum(difference.clone().square()) / values as f32;
        let gradient = numbers.gradient(difference * (2.0 / values as f32));
        let gradients = backward_all(&self.network.layers, &convs, passed, gradient);
        (loss, numbers.unscaled(joined(gradients)))
    }
}

/// The losses of steps, from what the parts of each add.
fn losses(steps: &[Vec<f32>]) -> Vec<f64> {
    steps.iter().map(|parts| parts.iter().copied().map(f64::from).sum()).collect()
}

impl DistillationLearner for GpuDistillation {
    fn step(
        &mut self,
        batch: &DistillationBatch,
        plan: &DistillationPlan,
    ) -> Result<Vec<f64>, EngineError> {
        let samples = batch.images.shape().images;
        let values = batch.targets.shape().len();
        let parts = (0..samples).step_by(AT_ONCE).map(|start| start..samples.min(start + AT_ONCE));
        let (losses_of_parts, gradients): (Vec<_>, Vec<_>) =
            parts.map(|part| self.learn(batch, part, values)).unzip();
        let Some(gradient) = gradients.into_iter().reduce(|sum, gradient| sum + gradient) else {
            return Ok(Vec::new());
        };
        let loss = Tensor::cat(losses_of_parts, 0);
        let sound = all_finite(&loss).bool_and(all_finite(&gradient));
        match plan {
            DistillationPlan::Adam(adam) => {
                optimizer::adam(&mut self.network, adam, gradient, &sound);
            }
            DistillationPlan::Muon { muon, adam } => {
                let by_muon = 1..self.network.layers.len();
                optimizer::muon(&mut self.network, by_muon, (muon, adam), gradient, &sound);
            }
        }
        Ok(losses(&self.outstanding.add(nan_unless(&sound, loss))?))
    }

    fn outstanding(&mut self) -> Result<Vec<f64>, EngineError> {
        Ok(losses(&self.outstanding.read()?))
    }

    fn state(&self) -> Result<NetworkState, EngineError> {
        self.network.state()
    }
}
