//! EfficientAD's networks on CPUs: inspection and training by the convolutions of
//! `efficientad-kernels`.
//!
//! [`CpuEngine`] is the whole of it. Results depend on the instruction set, by rounding, and on
//! nothing else: not on the number of threads, their timing, or on what is computed beside.

mod autoencoder;
mod inspection;
#[cfg(test)]
mod parity;
mod pdn;
mod training;

pub use efficientad_kernels::{CpuError, InstructionSet};

use efficientad_engine::{
    DistillationLearner, EngineError, EngineId, InspectionEngine, Layer, Learner, LearnerOptions,
    NetworkState, Networks, PdnSize, Precision, PreparedNetworks, PreparedTeacher, Threads,
    TrainingEngine, TrainingNetworks, Weights,
};
use efficientad_kernels::{Conv2d, Cpu};
use inspection::{CpuNetworks, CpuTeacher};
use std::sync::Arc;
use training::{CpuDistillation, CpuLearner};

/// The engine's name, as in [`EngineId::name`].
pub const NAME: &str = "cpu";

/// A CPU with threads and an instruction set. Clones share the threads.
#[derive(Clone)]
pub struct CpuEngine {
    cpu: Arc<Cpu>,
}

impl CpuEngine {
    /// Computes on `threads` threads (0 is taken as 1) by `instruction_set`.
    ///
    /// # Errors
    /// When the CPU does not have the instruction set, or threads cannot be started.
    pub fn new(threads: usize, instruction_set: InstructionSet) -> Result<Self, CpuError> {
        Ok(Self { cpu: Arc::new(Cpu::new(threads, instruction_set)?) })
    }

    /// Computes on as many threads as the CPU runs at once, by its fastest instruction set.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn on_all_cores() -> Result<Self, CpuError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(threads, InstructionSet::best())
    }

    /// The instruction set in use.
    pub fn instruction_set(&self) -> InstructionSet {
        self.cpu.instruction_set()
    }
}

impl InspectionEngine for CpuEngine {
    fn id(&self) -> EngineId {
        EngineId {
            name: NAME.to_owned(),
            device: self.cpu.instruction_set().to_string(),
            precision: Precision::F32,
        }
    }

    fn threads(&self) -> &Threads {
        &self.cpu
    }

    fn prepare(&self, networks: &Networks) -> Result<Box<dyn PreparedNetworks>, EngineError> {
        Ok(Box::new(CpuNetworks::new(&self.cpu, networks)))
    }

    fn prepare_teacher(
        &self,
        size: PdnSize,
        weights: &Weights,
    ) -> Result<Box<dyn PreparedTeacher>, EngineError> {
        Ok(Box::new(CpuTeacher::new(&self.cpu, size, weights)))
    }
}

impl TrainingEngine for CpuEngine {
    fn learner(
        &self,
        networks: TrainingNetworks<'_>,
        options: LearnerOptions,
    ) -> Result<Box<dyn Learner>, EngineError> {
        Ok(Box::new(CpuLearner::new(&self.cpu, networks, options)))
    }

    fn distillation_learner(
        &self,
        size: PdnSize,
        state: NetworkState,
    ) -> Result<Box<dyn DistillationLearner>, EngineError> {
        Ok(Box::new(CpuDistillation::new(&self.cpu, size, state)))
    }
}

/// The convolutions of a network, ready to run.
fn convolutions(cpu: &Cpu, layers: &[Layer], weights: &Weights) -> Vec<Conv2d> {
    let pairs = layers.iter().zip(&weights.0);
    pairs
        .map(|(layer, w)| Conv2d::new(cpu, layer.conv, layer.activation, &w.weight, &w.bias))
        .collect()
}
