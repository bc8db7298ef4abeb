//! Panics of the runtime as errors: it expects of no device that its driver is reset, or that it is pulled out.

use crate::NAME;
use efficientad_engine::{
    AutoencoderPlan, DifferenceMaps, DistillationBatch, DistillationLearner, DistillationPlan,
    EngineError, Gradients, Learner, LearnerState, Losses, NetworkState, PreparedNetworks,
    PreparedTeacher, Share, StepInputs, StepPlan, Tensor, TensorView,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` gives; an error if it panics. What it works with is not to be used any more then.
pub(crate) fn fenced<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let reason =
            "the device failed, as the message above says; if it was lost, start the program again";
        Err(EngineError::new(NAME, reason))
    })
}

/// Networks on a device, whose calls are fenced.
pub(crate) struct Fenced<T>(pub T);

impl<T: PreparedNetworks> PreparedNetworks for Fenced<T> {
    fn compare(
        &self,
        images: TensorView<'_>,
        share: Share,
    ) -> Result<Vec<DifferenceMaps>, EngineError> {
        fenced(|| self.0.compare(images, share))
    }
}

impl<T: PreparedTeacher> PreparedTeacher for Fenced<T> {
    fn describe(&self, images: TensorView<'_>) -> Result<Tensor, EngineError> {
        fenced(|| self.0.describe(images))
    }
}

impl<T: Learner> Learner for Fenced<T> {
    fn step(&mut self, inputs: &StepInputs, plan: &StepPlan) -> Result<Vec<Losses>, EngineError> {
        fenced(|| self.0.step(inputs, plan))
    }

    fn outstanding(&mut self) -> Result<Vec<Losses>, EngineError> {
        fenced(|| self.0.outstanding())
    }

    fn gradients(
        &mut self,
        inputs: &StepInputs,
        plan: &AutoencoderPlan,
    ) -> Result<(Losses, Gradients), EngineError> {
        fenced(|| self.0.gradients(inputs, plan))
    }

    fn state(&self) -> Result<LearnerState, EngineError> {
        fenced(|| self.0.state())
    }
}

impl<T: DistillationLearner> DistillationLearner for Fenced<T> {
    fn step(
        &mut self,
        batch: &DistillationBatch,
        plan: &DistillationPlan,
    ) -> Result<Vec<f64>, EngineError> {
        fenced(|| self.0.step(batch, plan))
    }

    fn outstanding(&mut self) -> Result<Vec<f64>, EngineError> {
        fenced(|| self.0.outstanding())
    }

    fn state(&self) -> Result<NetworkState, EngineError> {
        fenced(|| self.0.state())
    }
}
