//! A training in progress, as the engine gives it away.

use super::conv::{network_state, set_moments};
use super::features::FeatureCache;
use super::step::{StepNetworks, StepWeights};
use efficientad_engine::{
    AutoencoderPlan, EngineError, Gradients, Learner, LearnerOptions, LearnerState, Losses,
    StepInputs, StepPlan, TrainingNetworks,
};
use efficientad_kernels::{Cpu, Workspace};
use std::sync::Arc;

/// The networks that learn, and the teacher's features that are kept from step to step.
pub(crate) struct CpuLearner {
    networks: StepNetworks,
    features: FeatureCache,
}

impl CpuLearner {
    pub(crate) fn new(
        cpu: &Arc<Cpu>,
        networks: TrainingNetworks<'_>,
        options: LearnerOptions,
    ) -> Self {
        let TrainingNetworks { size, input, teacher, state } = networks;
        let LearnerState { student, autoencoder } = state;
        let mut networks = StepNetworks::new(
            Workspace::new(Arc::clone(cpu)),
            &StepWeights {
                size,
                input,
                normalized_teacher: teacher,
                student: &student.weights,
                autoencoder: &autoencoder.weights,
            },
        );
        set_moments(&mut networks.student.pdn.convs, student);
        set_moments(&mut networks.autoencoder.convs, autoencoder);
        let features = FeatureCache::new(options.images, options.feature_cache_bytes);
        Self { networks, features }
    }
}

impl Learner for CpuLearner {
    fn step(&mut self, inputs: &StepInputs, plan: &StepPlan) -> Result<Vec<Losses>, EngineError> {
        let losses = self.networks.losses(inputs, &mut self.features, &plan.autoencoder);
        if losses.total().is_finite() {
            self.networks.update(plan);
        }
        Ok(vec![losses])
    }

    fn outstanding(&mut self) -> Result<Vec<Losses>, EngineError> {
        Ok(Vec::new())
    }

    fn gradients(
        &mut self,
        inputs: &StepInputs,
        plan: &AutoencoderPlan,
    ) -> Result<(Losses, Gradients), EngineError> {
        let losses = self.networks.losses(inputs, &mut self.features, plan);
        Ok((losses, self.networks.take_gradients(plan)))
    }

    fn state(&self) -> Result<LearnerState, EngineError> {
        Ok(LearnerState {
            student: network_state(&self.networks.student.pdn.convs),
            autoencoder: network_state(&self.networks.autoencoder.convs),
        })
    }
}
