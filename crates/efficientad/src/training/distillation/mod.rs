//! Distilling a teacher: a patch description network learns to predict the patch features of a
//! classification network (paper, section 3.1 and appendix).

mod checkpoint;
mod distiller;
mod growth;
mod provenance;
mod quality;
mod recipe;
mod sample;

pub use distiller::Distiller;
pub use provenance::{Distillation, DistillationData, InitialTeacher};
pub use quality::RSquared;
pub use recipe::{DistillationOptimizer, DistillationRecipe};
pub use sample::{
    COARSE_CHANNELS, DistillationSample, DistillationSource, FINE_CHANNELS, TARGET_SIDE,
};
