//! Losses of steps, which a device may tell later than it does the steps.

use crate::error::Error;
use efficientad_engine::Losses;
use std::mem::take;

/// What one step tells.
pub(super) trait Loss: Sized {
    fn is_finite(&self) -> bool;

    /// The error that a step ends a training with whose losses are not finite.
    fn diverged(self, step: u64) -> Error;
}

impl Loss for Losses {
    fn is_finite(&self) -> bool {
        self.total().is_finite()
    }

    fn diverged(self, step: u64) -> Error {
        Error::Diverged { step, losses: self }
    }
}

/// Of a distillation.
impl Loss for f64 {
    fn is_finite(&self) -> bool {
        Self::is_finite(*self)
    }

    fn diverged(self, step: u64) -> Error {
        Error::DistillationDiverged { step, loss: self }
    }
}

/// The losses of a training's steps, in their order.
pub(super) struct StepLosses<L> {
    /// Steps whose losses are known.
    known: u64,
    /// Those of them that were not told yet.
    untold: Vec<L>,
}

impl<L: Loss> StepLosses<L> {
    /// After so many steps, whose losses were told.
    pub(super) fn after(steps: u64) -> Self {
        Self { known: steps, untold: Vec::new() }
    }

    /// Adds those that the device has told.
    ///
    /// # Errors
    /// When those of a step, counted from 1, are not finite.
    pub(super) fn add(&mut self, losses: Vec<L>) -> Result<(), Error> {
        for losses in losses {
            self.known += 1;
            if !losses.is_finite() {
                return Err(losses.diverged(self.known));
            }
            self.untold.push(losses);
        }
        Ok(())
    }

    /// Those that were not told yet.
    pub(super) fn tell(&mut self) -> Vec<L> {
        take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_a_diverged_one_has_its_steps_number() {
        let mut losses = StepLosses::after(10);
        losses.add(vec![]).unwrap();
        assert!(losses.tell().is_empty());
        losses.add(vec![1.0, 2.0]).unwrap();
        losses.add(vec![3.0]).unwrap();
        assert_eq!(losses.tell(), [1.0, 2.0, 3.0]);
        let diverged = losses.add(vec![4.0, f64::INFINITY, 6.0]).unwrap_err();
        let Error::DistillationDiverged { step, loss } = diverged else { panic!("{diverged}") };
        assert_eq!((step, loss), (15, f64::INFINITY));
    }
}
