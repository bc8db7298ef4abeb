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
mod inspection;
mod learner;
mod losses;
mod network;
mod optimizer;
mod parameters;
mod pdn;
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
use inspection::{GpuNetworks, GpuTeacher};
use learner::GpuLearner;
use std::sync::Arc;

/// The engine's name, as in [`EngineId::name`].
pub const NAME: &str = "gpu";

/// A GPU, and the CPU's threads that work around it. Clones share both.
#[derive(Clone)]
pub struct GpuEngine {
    device: Device,
    /// What inspection computes in.
    numbers: DType,
    id: EngineId,
    threads: Arc<Threads>,
}

impl GpuEngine {
    /// Opens a device of [`devices`], to inspect in a precision of [`GpuDevice::precisions`]. It trains
    /// in single precision, whatever it inspects in.
    ///
    /// # Errors
    /// When the driver refuses; when the device lacks the precision, or computes wrongly; when threads
    /// can't be started.
    pub fn new(device: &GpuDevice, threads: usize, precision: Precision) -> Result<Self, GpuError> {
        let numbers = device.numbers(precision)?;
        let id = EngineId { name: NAME.to_owned(), device: device.to_string(), precision };
        let threads = Arc::new(Threads::new(threads.max(1))?);
        Ok(Self { device: device.open()?, numbers, id, threads })
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
        Ok(Box::new(GpuNetworks::new(&self.device, self.numbers, networks)))
    }

    fn prepare_teacher(
        &self,
        size: PdnSize,
        weights: &Weights,
    ) -> Result<Box<dyn PreparedTeacher>, EngineError> {
        Ok(Box::new(GpuTeacher::new(&self.device, self.numbers, size, weights)))
    }
}

impl TrainingEngine for GpuEngine {
    fn learner(
        &self,
        networks: TrainingNetworks<'_>,
        options: LearnerOptions,
    ) -> Result<Box<dyn Learner>, EngineError> {
        Ok(Box::new(GpuLearner::new(&self.device, networks, options)))
    }

    fn distillation_learner(
        &self,
        size: PdnSize,
        state: NetworkState,
    ) -> Result<Box<dyn DistillationLearner>, EngineError> {
        Ok(Box::new(GpuDistillation::new(&self.device, size, state)))
    }
}
