//! Training of student and autoencoder (paper, sections 3.2 and 3.3), and of teachers.

mod autoencoder;
mod conv;
mod distillation;
mod dropout;
mod features;
mod learner;
mod losses;
mod pdn;
mod step;
mod student;

pub(crate) use distillation::CpuDistillation;
pub(crate) use learner::CpuLearner;
#[cfg(test)]
pub(crate) use step::{StepNetworks, StepWeights};
