//! Natural photos for the penalty term of training (paper, section 3.2): the student must not imitate the teacher on
//! what is not a good part.
//!
//! The paper takes photos of ImageNet. [`Photos::folder`] takes any folder of photos, [`Photos::procedural`] needs no
//! download at all: [`procedural_photo`] paints images with the statistics of natural ones.

mod leaf;
mod palette;
mod procedural;
mod texture;

use std::path::{Path, PathBuf};

use crate::files::{Wanted, images_below};
use crate::random::SplitMix64;
use crate::{DatasetError, LeftOut};

pub use procedural::procedural_photo;

/// Where the photos come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photos {
    files: Vec<PathBuf>,
    left_out: LeftOut,
}

/// The photo of one training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Photo<'a> {
    /// An image file, to be decoded and resized.
    File(&'a Path),
    /// The seed of a [`procedural_photo`], which can be painted at the size the network takes.
    Procedural(u64),
}

impl Photos {
    /// All images in a folder and its subfolders.
    ///
    /// # Errors
    /// The folder is missing or can't be read, or holds no images.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Self, DatasetError> {
        let folder = folder.as_ref();
        let (files, left_out) = images_below(folder, Wanted::All)?;
        if files.is_empty() {
            return Err(DatasetError::NoImages(folder.to_owned()));
        }
        Ok(Self { files, left_out })
    }

    /// Photos painted by [`procedural_photo`].
    pub fn procedural() -> Self {
        Self { files: Vec::new(), left_out: LeftOut::default() }
    }

    /// The image files, sorted by the bytes of their names below the folder; none for painted photos.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The other visible files in the folders; none for painted photos.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// The photo of training step `step`, drawn at random with replacement. It depends only on the list of files,
    /// `seed` and `step`, so that training can go on from any step.
    pub fn at_step(&self, seed: u64, step: u64) -> Photo<'_> {
        let mut random = SplitMix64::new(SplitMix64::new(seed).next_u64().wrapping_add(step));
        match self.files.len() {
            0 => Photo::Procedural(random.next_u64()),
            n => Photo::File(&self.files[random.below(n)]),
        }
    }
}
