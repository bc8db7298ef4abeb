//! A teacher that learns to give targets.

use super::conv::{network_state, set_moments};
use super::pdn::TrainablePdn;
use efficientad_engine::{
    DistillationBatch, DistillationLearner, DistillationPlan, EngineError, NetworkState, PdnSize,
    TEACHER_CHANNELS, Tensor, TensorView, Weights,
};
use efficientad_kernels::{Cpu, Workspace};
use std::sync::Arc;

/// Samples of a batch that are computed at once: it bounds the memory, and rounding depends on it.
const AT_ONCE: usize = 4;
/// Values that one task handles.
const CHUNK: usize = 1 << 16;

/// A distillation in progress.
pub(crate) struct CpuDistillation {
    workspace: Workspace,
    network: TrainablePdn,
    /// Features; after the loss, their gradient.
    features: Tensor,
    /// The gradient of the whole batch.
    gradient: Weights,
}

impl CpuDistillation {
    pub(crate) fn new(cpu: &Arc<Cpu>, size: PdnSize, state: NetworkState) -> Self {
        let mut network = TrainablePdn::new(cpu, size, TEACHER_CHANNELS, &state.weights);
        let gradient = state.weights.zeros_like();
        set_moments(&mut network.convs, state);
        let workspace = Workspace::new(Arc::clone(cpu));
        Self { workspace, network, features: Tensor::default(), gradient }
    }

    /// Computes loss and gradient of a batch in parts, and updates the weights.
    fn learn(&mut self, batch: &DistillationBatch, plan: &DistillationPlan) -> f64 {
        self.gradient.clear();
        let samples = batch.images.shape().images;
        let values = batch.targets.shape().len();
        let parts = (0..samples).step_by(AT_ONCE).map(|start| start..samples.min(start + AT_ONCE));
        let squares = parts.map(|part| {
            let (images, targets) = (batch.images.images(part.clone()), batch.targets.images(part));
            self.add_gradient(images, targets.data, values)
        });
        let loss = squares.sum::<f64>() / values as f64;
        if loss.is_finite() {
            self.update(plan);
        }
        loss
    }

    /// Updates the weights by the gradient of the batch.
    fn update(&mut self, plan: &DistillationPlan) {
        let (cpu, gradients) = (self.workspace.cpu(), &self.gradient.0);
        cpu.for_each_chunk(&mut self.network.convs, 1, |i, conv| match plan {
            DistillationPlan::Muon { muon, adam } if i > 0 => {
                conv[0].update_by_muon(cpu, muon, adam, &gradients[i]);
            }
            DistillationPlan::Adam(adam) | DistillationPlan::Muon { adam, .. } => {
                conv[0].update_by(cpu, adam, &gradients[i]);
            }
        });
    }

    /// Adds the gradient of the squared differences of some samples over `values`; returns the sum
    /// of the squares.
    fn add_gradient(&mut self, samples: TensorView<'_>, targets: &[f32], values: usize) -> f64 {
        let Self { network, workspace, features, gradient } = self;
        let shape = network.forward_hidden(workspace, samples);
        if features.shape() != shape {
            *features = Tensor::zeros(shape);
        }
        let (images, channels) = (0..shape.images, 0..TEACHER_CHANNELS);
        network.forward_last(workspace, images.clone(), channels.clone(), features);
        let scale = 2.0 / values as f32;
        let squares = workspace.cpu().map_chunks(features.data_mut(), CHUNK, |chunk, features| {
            let targets = &targets[chunk * CHUNK..];
            let mut sum = 0.0;
            for (feature, target) in features.iter_mut().zip(targets) {
                let difference = *feature - target;
                sum += f64::from(difference * difference);
                *feature = scale * difference;
            }
            sum
        });
        network.backward_last(workspace, images, channels, features);
        network.backward_hidden(workspace, samples);
        for (conv, sum) in network.convs.iter_mut().zip(&mut gradient.0) {
            conv.add_gradient_to(workspace.cpu(), sum);
        }
        squares.iter().sum()
    }
}

impl DistillationLearner for CpuDistillation {
    fn step(
        &mut self,
        batch: &DistillationBatch,
        plan: &DistillationPlan,
    ) -> Result<Vec<f64>, EngineError> {
        Ok(vec![Arc::clone(self.workspace.cpu()).run(|| self.learn(batch, plan))])
    }

    fn outstanding(&mut self) -> Result<Vec<f64>, EngineError> {
        Ok(Vec::new())
    }

    fn state(&self) -> Result<NetworkState, EngineError> {
        Ok(network_state(&self.network.convs))
    }
}
