//! EfficientAD's networks on GPUs: inspection and training by Burn, through Vulkan, Metal or
//! DirectX 12, whose drivers are loaded at run time.
//!
//! `GpuEngine` is the whole of it, and `devices` says what there is. The crate is empty without its
//! feature `wgpu`.
//!
//! Convolutions are matrix products here: the windows of a map are the rows of one matrix, the
//! weights the other. Kernels are chosen by rule and not by timing, so that a device with a driver
//! gives the same bits at every start.
#![cfg(feature = "wgpu")]
#![forbid(unsafe_code)]

mod check;
mod conv;
mod device;
mod distillation;
mod error;
mod fence;
mod inspection;
mod learner;
mod losses;
mod network;
mod optimizer;
mod outstanding;
mod parameters;
mod pdn;
mod precision;
mod resize;
mod sum;
mod transfer;

pub use device::{GpuDevice, GpuKind, devices};
pub use error::GpuError;

use burn_tensor::{DType, Device};
use distillation::GpuDistillation;
use efficientad_engine::{
    DistillationLearner, EngineError, EngineId, InspectionEngine, Learner, LearnerOptions,
    NetworkState, Networks, PdnSize, Precision, PreparedNetworks, PreparedTeacher, Threads,
    TrainingEngine, TrainingNetworks, Weights,
};
use fence::{Fenced, fenced};
use inspection::{GpuNetworks, GpuTeacher};
use learner::GpuLearner;
use std::sync::Arc;

/// The engine's name, as in [`EngineId::name`].
pub const NAME: &str = "gpu";

/// What an engine computes in; single precision by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precisions {
    /// When it describes and compares images.
    pub inspection: Precision,
    /// When it trains and distils.
    pub training: Precision,
}

impl Default for Precisions {
    fn default() -> Self {
        Self { inspection: Precision::F32, training: Precision::F32 }
    }
}

/// A GPU, and the CPU's threads that work around it. Clones share both.
#[derive(Clone)]
pub struct GpuEngine {
    device: Device,
    /// What inspection computes in.
    numbers: DType,
    /// What steps of training compute in.
    step_numbers: DType,
    id: EngineId,
    learning_id: EngineId,
    threads: Arc<Threads>,
}

impl GpuEngine {
    /// Opens a device of [`devices`], to inspect and to train in precisions of
    /// [`GpuDevice::precisions`]. Weights that learn, optimizers' means and losses are in single
    /// precision, whatever steps compute in.
    ///
    /// # Errors
    /// When the driver refuses; when the device lacks a precision, or computes wrongly; when threads
    /// can't be started.
    pub fn new(
        device: &GpuDevice,
        threads: usize,
        precisions: Precisions,
    ) -> Result<Self, GpuError> {
        let Precisions { inspection, training } = precisions;
        let (numbers, step_numbers) = (device.numbers(inspection)?, device.numbers(training)?);
        let id =
            |precision| EngineId { name: NAME.to_owned(), device: device.to_string(), precision };
        let threads = Arc::new(Threads::new(threads.max(1))?);
        Ok(Self {
            device: device.open()?,
            numbers,
            step_numbers,
            id: id(inspection),
            learning_id: id(training),
            threads,
        })
    }
}

impl InspectionEngine for GpuEngine {
    fn id(&self) -> EngineId {
        self.id.clone()
    }

    fn threads(&self) -> &Threads {
        &self.threads
    }

    fn batch(&self) -> usize {
        inspection::AT_ONCE
    }

    fn prepare(&self, networks: &Networks) -> Result<Box<dyn PreparedNetworks>, EngineError> {
        fenced(|| {
            let networks = GpuNetworks::new(&self.device, self.numbers, networks);
            Ok(Box::new(Fenced(networks)) as Box<dyn PreparedNetworks>)
        })
    }

    fn prepare_teacher(
        &self,
        size: PdnSize,
        weights: &Weights,
    ) -> Result<Box<dyn PreparedTeacher>, EngineError> {
        fenced(|| {
            let teacher = GpuTeacher::new(&self.device, self.numbers, size, weights);
            Ok(Box::new(Fenced(teacher)) as Box<dyn PreparedTeacher>)
        })
    }
}

impl TrainingEngine for GpuEngine {
    fn learning_id(&self) -> EngineId {
        self.learning_id.clone()
    }

    fn learner(
        &self,
        networks: TrainingNetworks<'_>,
        options: LearnerOptions,
    ) -> Result<Box<dyn Learner>, EngineError> {
        fenced(|| {
            let learner = GpuLearner::new(&self.device, self.step_numbers, networks, options);
            Ok(Box::new(Fenced(learner)) as Box<dyn Learner>)
        })
    }

    fn distillation_learner(
        &self,
        size: PdnSize,
        state: NetworkState,
    ) -> Result<Box<dyn DistillationLearner>, EngineError> {
        fenced(|| {
            let learner = GpuDistillation::new(&self.device, self.step_numbers, size, state);
            Ok(Box::new(Fenced(learner)) as Box<dyn DistillationLearner>)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_engine::{
        Adam, DistillationBatch, DistillationPlan, Purpose, Random, Shape, TEACHER_CHANNELS,
        Tensor, pdn_layers,
    };

    /// A driver that was reset, or a card that was pulled out: what is asked then ends in an error, and
    /// neither in a panic nor in numbers.
    #[test]
    fn a_lost_device_is_an_error() {
        if devices().is_empty() {
            efficientad_testing::skipped("no device was found");
            return;
        }
        // Not one of those that `GpuDevice::open` shares among all tests.
        let (device, handles) = Device::wgpu_options().init_with_setup().unwrap();
        let id =
            EngineId { name: NAME.to_owned(), device: String::new(), precision: Precision::F32 };
        let engine = GpuEngine {
            device,
            numbers: DType::F32,
            step_numbers: DType::F32,
            id: id.clone(),
            learning_id: id,
            threads: Arc::new(Threads::new(1).unwrap()),
        };
        let layers = pdn_layers(PdnSize::Small, TEACHER_CHANNELS);
        let weights =
            Weights::initialized(&layers, &mut Random::new(0, Purpose::TeacherWeights, 0));
        let shape = |side, channels| Shape { images: 1, height: side, width: side, channels };
        let (image, target) =
            (Tensor::zeros(shape(40, 3)), Tensor::zeros(shape(2, TEACHER_CHANNELS)));
        let teacher = engine.prepare_teacher(PdnSize::Small, &weights).unwrap();
        let features = teacher.describe(image.view()).unwrap();
        assert_eq!(features.shape(), target.shape());
        let state = NetworkState::new(weights);
        let mut learner = engine.distillation_learner(PdnSize::Small, state).unwrap();
        learner.state().unwrap();

        handles.device.destroy();
        let error = teacher.describe(image.view()).err().unwrap().to_string();
        assert!(error.contains("the device failed"), "{error}");
        let batch = DistillationBatch { images: image, targets: target };
        let plan = DistillationPlan::Adam(Adam::usual(1e-3, 0.0, 1));
        let stepped = learner.step(&batch, &plan).and_then(|_| learner.outstanding());
        assert!(stepped.is_err(), "{stepped:?}");
        assert!(learner.state().is_err());
    }
}
