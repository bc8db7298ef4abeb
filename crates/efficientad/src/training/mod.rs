//! Training of student and autoencoder (paper, section 3.2 and 3.3).

mod autoencoder;
mod checkpoint;
mod conv;
mod counted;
pub(crate) mod distillation;
mod dropout;
mod features;
mod inputs;
mod losses;
mod pdn;
mod plan;
mod prefetch;
mod step;
mod student;
mod trainer;
mod windows;

pub(crate) use counted::Counted;
pub(crate) use inputs::{AutoencoderInput, StepInputs};
pub use losses::Losses;
#[cfg(test)]
pub(crate) use plan::{AutoencoderPlan, StepPlan};
pub(crate) use step::{StepNetworks, StepWeights};
pub(crate) use student::STUDENT_CHANNELS;
pub use trainer::{BegunTraining, TrainOptions, Trainer, TrainingData};
pub(crate) use trainer::{TimedSteps, teacher_statistics};
