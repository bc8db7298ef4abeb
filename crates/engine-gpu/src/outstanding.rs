//! Losses that stay on the device, and are read every few steps: a device that is waited for after each
//! step has nothing to do until it has the next one.

use crate::transfer::read;
use burn_tensor::{Bool, Tensor};
use efficientad_engine::EngineError;

/// Steps whose losses are read at once.
const STEPS: usize = 8;

/// The losses of steps that were not read yet, a row of numbers for each.
#[derive(Default)]
pub(crate) struct Outstanding(Vec<Tensor<1>>);

impl Outstanding {
    /// Adds those of a step; all rows that are outstanding, if they are so many that they are read.
    pub(crate) fn add(&mut self, losses: Tensor<1>) -> Result<Vec<Vec<f32>>, EngineError> {
        self.0.push(losses);
        match self.0.len() < STEPS {
            true => Ok(Vec::new()),
            false => self.read(),
        }
    }

    /// Waits for all that are outstanding.
    pub(crate) fn read(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let lengths: Vec<usize> = self.0.iter().map(|row| row.dims()[0]).collect();
        let mut numbers = read(Tensor::cat(std::mem::take(&mut self.0), 0))?.into_iter();
        Ok(lengths.into_iter().map(|len| numbers.by_ref().take(len).collect()).collect())
    }
}

/// Whether all of some numbers are finite, on the device.
pub(crate) fn all_finite(numbers: &Tensor<1>) -> Tensor<1, Bool> {
    numbers.clone().is_finite().all()
}

/// Numbers if `sound`, otherwise NaN.
pub(crate) fn nan_unless(sound: &Tensor<1, Bool>, numbers: Tensor<1>) -> Tensor<1> {
    let unsound = sound.clone().bool_not().expand(numbers.shape());
    numbers.mask_fill(unsound, f32::NAN)
}
