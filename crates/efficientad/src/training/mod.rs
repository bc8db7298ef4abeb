//! Training of student and autoencoder (paper, section 3.2 and 3.3).

mod augmentation;
mod checkpoint;
pub(crate) mod distillation;
mod inputs;
mod losses;
mod plan;
mod prefetch;
mod trainer;
mod windows;

pub use augmentation::Augmentation;
pub(crate) use plan::step_plan;
pub(crate) use trainer::teacher_statistics;
pub use trainer::{BegunTraining, TrainOptions, Trainer, TrainingData};
