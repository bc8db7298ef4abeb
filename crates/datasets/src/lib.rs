//! Inspection data sets on disk: folders, tables, the layouts of public data sets, penalty photos.
//!
//! The crate knows where images lie and what their folders mean; it decodes none of them, but for masks that tell good
//! parts from others. Which files are images is told by their names, as [`efficientad_images`] knows them; [`LeftOut`]
//! counts the others.
//!
//! - [`Dataset::open`] recognises a folder's [`Layout`] and lists training, validation and [`TestImage`]s, sorted by
//!   the bytes of their names and so in the same order on every machine. [`Dataset::stated`] takes the user's word.
//! - [`Dataset::taken`] tells what is taken from which folder, as what.
//! - [`hold_back`] splits validation images off the training images, [`usually_held_back`] as many, [`draw`] any places
//!   off any others.
//! - [`fingerprint`] names the exact data a model was made from, [`file_fingerprint`] one exact file.
//! - [`SplitMix64`] draws whatever is drawn at random.
//! - [`photos`] chooses the natural photo for the penalty term of each training step.

mod contents;
mod dataset;
mod error;
mod files;
mod fingerprint;
mod layout;
mod left_out;
mod loco;
mod meaning;
pub mod photos;
mod random;
mod split;
mod taken;

pub use contents::Contents;
pub use dataset::{Dataset, DatasetSource, GroundTruth, Layout, Purpose, Stated, TestImage};
pub use efficientad_images::{IMAGE_EXTENSIONS, is_image_extension as is_image};
pub use error::{DatasetError, Doubt, Mixed};
pub use files::{FoundImages, Wanted, common_folder, find_images, is_system_folder};
pub use fingerprint::{
    Fingerprint, file_fingerprint, fingerprint, fingerprint_named, fingerprints,
};
pub use layout::refuse_doubtful_photo;
pub use left_out::{LeftOut, LeftOutFolder, Reason};
pub use loco::{DefectSaturation, DefectsConfig, Region};
pub use random::SplitMix64;
pub use split::{Split, draw, hold_back, usually_held_back};
pub use taken::{Taken, TakenAs};
