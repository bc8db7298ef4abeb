//! How a photo of any size becomes inputs of the networks, and their maps one map of the photo.
//!
//! A photo is scaled to its *canvas*, and the networks see the canvas through one or more
//! *windows* of their input size. Their maps are put together on the canvas' grid of cells of 4×4
//! pixels, and the grid is scaled to the photo.

mod layout;
mod memory;

pub(crate) use layout::{Layout, Window};
pub use memory::{MEMORY_ALLOWANCE, MEMORY_PER_PIXEL};

use crate::error::Error;
use efficientad_engine::InputSize;
use efficientad_images::RegionOfInterest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Cells that the networks lose at each border of their input: the map of locations is padded by as
/// many on every side, to a quarter of the input, before it is resized (paper, section 3.4).
pub const MAP_BORDER: usize = 4;
/// Smallest side of a tile, in pixels of the photo.
pub const MIN_TILE: u32 = 32;
/// Largest side of a tile, in pixels of the photo.
pub const MAX_TILE: u32 = 8192;
/// Tiles overlap by at least this many pixels of the networks' input: 16 at each tile's border have
/// no features, and 8 are left to blend over.
pub const MIN_TILE_OVERLAP: u32 = 40;

/// How a photo is shown to the networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// As a whole, resized to the input whatever its proportions (the paper's way).
    #[default]
    Stretch,
    /// As a whole, resized in its proportions and padded to the input.
    Letterbox,
    /// In overlapping squares.
    Tiles {
        /// Side of a tile in pixels of the photo; each is resized to the input.
        size: u32,
        /// Pixels of the photo that neighbouring tiles share, at least.
        overlap: u32,
    },
}

impl View {
    /// Whether the networks can have it at an input size.
    ///
    /// # Errors
    /// [`ViewError`], when they can't.
    pub fn check(self, input: InputSize) -> Result<(), ViewError> {
        match self {
            Self::Stretch | Self::Letterbox => Ok(()),
            Self::Tiles { size, overlap } => check_tiles(input, size, overlap),
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stretch => f.write_str("the whole photo, stretched to the input"),
            Self::Letterbox => {
                f.write_str("the whole photo in its proportions, padded to the input")
            }
            Self::Tiles { size, overlap } => {
                write!(f, "tiles of {size}×{size} pixels, overlapping by {overlap}")
            }
        }
    }
}

/// What a map shows along the border of a photo, where the networks have no features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapBorder {
    /// Zeros (the paper's way).
    #[default]
    Zero,
    /// Half-way between what the nearest features show, whose patches reach to the edge of the photo, and what
    /// maps show of good photos on average.
    Halfway,
}

/// What maps show of good photos on average, about, as they are normalised.
const USUAL: f32 = -0.04;

impl MapBorder {
    /// The value where the nearest features show `nearest`.
    pub fn beyond(self, nearest: f32) -> f32 {
        match self {
            Self::Zero => 0.0,
            Self::Halfway => 0.5 * (nearest + USUAL),
        }
    }
}

/// A view that can't be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ViewError {
    /// A tile's side is out of bounds.
    #[error(
        "a tile of {size}×{size} pixels is not possible: its side is from {MIN_TILE} to {MAX_TILE}"
    )]
    TileSize {
        /// The side asked for, in pixels.
        size: u32,
    },
    /// Tiles overlap by too little to be blended, or by so much that they hardly advance.
    #[error(
        "tiles of {size}×{size} pixels cannot overlap by {overlap}: give {least} to {most} pixels \
         (the networks need {MIN_TILE_OVERLAP} of their input's pixels to blend maps)"
    )]
    Overlap {
        /// Side of a tile in pixels.
        size: u32,
        /// The overlap asked for, in pixels.
        overlap: u32,
        /// The smallest that is possible.
        least: u32,
        /// The largest that is possible.
        most: u32,
    },
    /// Tiles are squares, so the input must be one.
    #[error("tiles are square, but the input is {height}×{width}: give one number for it")]
    InputNotSquare {
        /// Rows of the input.
        height: usize,
        /// Columns of the input.
        width: usize,
    },
}

/// A view of photos with the networks' input size and the region that is inspected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Framing {
    input: InputSize,
    view: View,
    region: Option<Arc<RegionOfInterest>>,
    border: MapBorder,
    smooths_autoencoder: bool,
}

impl Framing {
    pub(crate) fn new(
        input: InputSize,
        view: View,
        region: Option<RegionOfInterest>,
    ) -> Result<Self, ViewError> {
        view.check(input)?;
        Ok(Self { view, region: region.map(Arc::new), ..Self::stretched(input) })
    }

    /// With another border of its maps, and whether the student–autoencoder map is smoothed.
    pub(crate) fn with_maps(self, border: MapBorder, smooths_autoencoder: bool) -> Self {
        Self { border, smooths_autoencoder, ..self }
    }

    /// Whole photos, stretched and without a region; maps as the paper's.
    pub(crate) fn stretched(input: InputSize) -> Self {
        Self {
            input,
            view: View::Stretch,
            region: None,
            border: MapBorder::Zero,
            smooths_autoencoder: false,
        }
    }

    /// Whether the student–autoencoder map is smoothed.
    pub(crate) fn smooths_autoencoder(&self) -> bool {
        self.smooths_autoencoder
    }

    /// The networks' input size.
    pub(crate) fn input(&self) -> InputSize {
        self.input
    }

    /// The windows on photos of a size in pixels (width, height).
    ///
    /// # Errors
    /// When the region does not fit the photo, the networks see nothing of it, or it would take too
    /// much memory.
    pub(crate) fn layout(&self, photo: (u32, u32)) -> Result<Layout, Error> {
        memory::check(self.input, self.view, photo, self.region.is_some())?;
        let region = self.region.as_ref().map(|region| region.at(photo.0, photo.1)).transpose()?;
        let layout = Layout::new(self.input, self.view, self.border, photo, region);
        if layout.counted().contains(&true) { Ok(layout) } else { Err(Error::UnseenRegion) }
    }
}

fn check_tiles(input: InputSize, size: u32, overlap: u32) -> Result<(), ViewError> {
    let (height, width) = (input.height(), input.width());
    if height != width {
        return Err(ViewError::InputNotSquare { height, width });
    }
    if !(MIN_TILE..=MAX_TILE).contains(&size) {
        return Err(ViewError::TileSize { size });
    }
    let least = (MIN_TILE_OVERLAP * size).div_ceil(width as u32);
    let most = size / 2;
    if (least..=most).contains(&overlap) {
        Ok(())
    } else {
        Err(ViewError::Overlap { size, overlap, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(input: (usize, usize), size: u32, overlap: u32) -> String {
        let input = InputSize::new(input.0, input.1).unwrap();
        Framing::new(input, View::Tiles { size, overlap }, None).unwrap_err().to_string()
    }

    #[test]
    fn tiles_that_are_not_possible_say_what_is() {
        assert!(error((256, 320), 256, 64).contains("the input is 256×320"));
        assert!(error((256, 256), 31, 15).contains("from 32 to 8192"));
        assert!(error((256, 256), 256, 39).contains("give 40 to 128 pixels"));
        assert!(error((256, 256), 256, 129).contains("give 40 to 128 pixels"));
        assert!(error((256, 256), 512, 64).contains("give 80 to 256 pixels"));
        assert!(error((512, 512), 256, 10).contains("give 20 to 128 pixels"));
        assert!(error((256, 256), u32::MAX, 64).contains("is not possible"));
    }

    #[test]
    fn views_have_a_form_in_files() {
        for (view, text) in [
            (View::Stretch, r#""stretch""#),
            (View::Letterbox, r#""letterbox""#),
            (View::Tiles { size: 512, overlap: 64 }, r#"{"tiles":{"size":512,"overlap":64}}"#),
        ] {
            assert_eq!(serde_json::to_string(&view).unwrap(), text);
            assert_eq!(serde_json::from_str::<View>(text).unwrap(), view);
        }
    }
}
