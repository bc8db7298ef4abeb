//! Losses of steps, which a device may tell later than it does the steps.

use std::mem::take;

/// The losses of a training's steps, in their order.
pub(super) struct StepLosses<L> {
    /// Steps whose losses are known.
    known: u64,
    /// Those of them that were not told yet.
    untold: Vec<L>,
}

/// A step whose losses are no numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Diverged<L> {
    /// Its number, from 1.
    pub step: u64,
    pub losses: L,
}

impl<L> StepLosses<L> {
    /// After so many steps, whose losses were told.
    pub(super) fn after(steps: u64) -> Self {
        Self { known: steps, untold: Vec::new() }
    }

    /// Adds those that the device has told, up to the first ones that are not finite.
    pub(super) fn add(
        &mut self,
        losses: Vec<L>,
        are_finite: impl Fn(&L) -> bool,
    ) -> Result<(), Diverged<L>> {
        for losses in losses {
            self.known += 1;
            if !are_finite(&losses) {
                return Err(Diverged { step: self.known, losses });
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
        let is_finite = |loss: &f64| loss.is_finite();
        losses.add(vec![], is_finite).unwrap();
        assert!(losses.tell().is_empty());
        losses.add(vec![1.0, 2.0], is_finite).unwrap();
        losses.add(vec![3.0], is_finite).unwrap();
        assert_eq!(losses.tell(), [1.0, 2.0, 3.0]);
        let diverged = losses.add(vec![4.0, f64::INFINITY, 6.0], is_finite).unwrap_err();
        assert_eq!(diverged, Diverged { step: 15, losses: f64::INFINITY });
    }
}
