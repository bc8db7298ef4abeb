//! An anomaly map with its size.

use crate::error::PictureError;

/// One anomaly value per pixel of a photo, borrowed; larger is more anomalous.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapView<'a> {
    values: &'a [f32],
    width: u32,
    height: u32,
}

impl<'a> MapView<'a> {
    /// Joins `width · height` finite values, row by row from the top left, with their size.
    ///
    /// # Errors
    /// [`PictureError::MapLength`] and [`PictureError::MapNotFinite`].
    pub fn new(values: &'a [f32], width: u32, height: u32) -> Result<Self, PictureError> {
        check_length(values.len(), width, height)?;
        if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
            return Err(PictureError::MapNotFinite {
                x: (bad % width as usize) as u32,
                y: (bad / width as usize) as u32,
            });
        }
        Ok(Self { values, width, height })
    }

    /// The values, row by row from the top left.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Width and height in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }
}

/// Whether `found` values are one for each of `width · height` pixels.
pub(crate) fn check_length(found: usize, width: u32, height: u32) -> Result<(), PictureError> {
    let expected = u64::from(width) * u64::from(height);
    if found as u64 == expected {
        return Ok(());
    }
    Err(PictureError::MapLength { found, width, height, expected })
}
