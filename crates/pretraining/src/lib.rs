//! What teachers are distilled from: targets of a backbone, samples of photos, a cache on disk.
//!
//! | module | what it does |
//! |---|---|
//! | `backbone` | the classification network that targets come from, and what runs it |
//! | `preprocessing` | pixels as the backbone wants them |
//! | `patches` | the layers' maps as patch features of 384 numbers (paper, appendix) |
//! | `photos` | the photos in folders, and which of them are held back |
//! | `samples` | what is cut out of which photo, and how its colours change |
//! | `record`, `cache` | a sample with its target in bytes, and many of them in a file |
//! | `statistics` | mean and standard deviation that targets are normalised by |
//! | `timing` | how long steps take here |
//! | [`parallel`] | numbered work on several threads |
//! | `targets` | all of it together: fills the cache, and gives samples to [`efficientad::Distiller`] |
//!
//! The numbers are those of the paper: a photo of 512×512 pixels for the backbone, whose layers of
//! stride 8 and 16 give 64×64 patch features; the same photo of 256×256 pixels for the teacher, whose
//! 56×56 features, as it has no padding, are to be the centre of those.
#![forbid(unsafe_code)]

mod backbone;
mod cache;
mod error;
pub mod parallel;
mod patches;
mod photos;
mod preprocessing;
mod record;
mod samples;
mod statistics;
mod targets;
mod timing;

pub use backbone::{
    BACKBONE_SIDE, Backbone, BackboneRuntime, LAYER_SIDES, LayerMaps, LoadedBackbone,
    MAX_BACKBONE_BYTES,
};
pub use cache::RECORD_BYTES;
pub use error::PretrainingError;
pub use patches::PatchFeatures;
pub use photos::Unreadable;
pub use preprocessing::{Preprocessing, Preset};
pub use record::rounded;
pub use samples::{Augmentation, MIN_PHOTO_SIDE};
pub use targets::{Activity, Settings, TargetSamples, Targets};
pub use timing::seconds_per_step;
