//! How well a teacher predicts its targets.

use super::sample::{COARSE_CHANNELS, DistillationSource, FINE_CHANNELS, load_batch};
use crate::error::Error;
use efficientad_engine::{InspectionEngine, PdnSize, TEACHER_CHANNELS, Weights};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Coefficients of determination of a teacher's features for the normalised targets of photos.
///
/// R² = 1 − Σ (feature − target)² / Σ (target − mean)², both sums over photos, locations and the
/// channels named, the mean being each channel's own over these photos and locations. 1 is perfect;
/// predicting each channel's mean gives 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RSquared {
    /// Over all 384 channels.
    pub all: f64,
    /// Over the half that comes from the finer layer (stride 8).
    pub fine: f64,
    /// Over the half that comes from the coarser layer (stride 16).
    pub coarse: f64,
}

impl fmt::Display for RSquared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, fine, coarse } = self;
        write!(f, "R² {all:.3} (stride 8: {fine:.3}, stride 16: {coarse:.3})")
    }
}

impl RSquared {
    /// Measures a network on samples.
    pub(super) fn measure(
        engine: &dyn InspectionEngine,
        size: PdnSize,
        weights: &Weights,
        source: &dyn DistillationSource,
    ) -> Result<Self, Error> {
        let teacher = engine.prepare_teacher(size, weights)?;
        let mut sums = Sums::default();
        for sample in 0..source.len() {
            let batch = load_batch(source, &[sample])?;
            let features = teacher.describe(batch.images.view())?;
            sums.add(features.data(), batch.targets.data());
        }
        Ok(sums.finish())
    }
}

/// Sums for each channel.
struct Sums {
    targets: Vec<f64>,
    squared_targets: Vec<f64>,
    squared_errors: Vec<f64>,
    locations: f64,
}

impl Default for Sums {
    fn default() -> Self {
        let zeros = || vec![0.0; TEACHER_CHANNELS];
        let (targets, squared_targets, squared_errors) = (zeros(), zeros(), zeros());
        Self { targets, squared_targets, squared_errors, locations: 0.0 }
    }
}

impl Sums {
    fn add(&mut self, features: &[f32], targets: &[f32]) {
        let locations = features.chunks_exact(TEACHER_CHANNELS);
        for (features, targets) in locations.zip(targets.chunks_exact(TEACHER_CHANNELS)) {
            for channel in 0..TEACHER_CHANNELS {
                let (feature, target) = (f64::from(features[channel]), f64::from(targets[channel]));
                self.targets[channel] += target;
                self.squared_targets[channel] += target * target;
                self.squared_errors[channel] += (feature - target).powi(2);
            }
            self.locations += 1.0;
        }
    }

    fn finish(&self) -> RSquared {
        RSquared {
            all: self.over(0..TEACHER_CHANNELS),
            fine: self.over(FINE_CHANNELS),
            coarse: self.over(COARSE_CHANNELS),
        }
    }

    fn over(&self, channels: Range<usize>) -> f64 {
        let spread = |c: usize| self.squared_targets[c] - self.targets[c].powi(2) / self.locations;
        let errors: f64 = self.squared_errors[channels.clone()].iter().sum();
        1.0 - errors / channels.map(spread).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_definition() {
        let value = |i: usize, k: usize| ((i * k) % 101) as f32 / 50.0 - 1.0;
        let len = 6 * TEACHER_CHANNELS;
        let targets: Vec<f32> = (0..len).map(|i| value(i, 37)).collect();
        let features: Vec<f32> = (0..len).map(|i| targets[i] + 0.3 * value(i, 11)).collect();
        let mut sums = Sums::default();
        let half = len / 2;
        sums.add(&features[..half], &targets[..half]);
        sums.add(&features[half..], &targets[half..]);
        let of = |channels: Range<usize>| {
            let (mut errors, mut spread) = (0.0, 0.0);
            for c in channels {
                let column = |v: &[f32]| -> Vec<f64> {
                    (0..6).map(|l| f64::from(v[l * TEACHER_CHANNELS + c])).collect()
                };
                let (features, targets) = (column(&features), column(&targets));
                let mean = targets.iter().sum::<f64>() / 6.0;
                errors += features.iter().zip(&targets).map(|(f, t)| (f - t).powi(2)).sum::<f64>();
                spread += targets.iter().map(|t| (t - mean).powi(2)).sum::<f64>();
            }
            1.0 - errors / spread
        };
        let found = sums.finish();
        for (found, expected) in [
            (found.all, of(0..TEACHER_CHANNELS)),
            (found.fine, of(FINE_CHANNELS)),
            (found.coarse, of(COARSE_CHANNELS)),
        ] {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
