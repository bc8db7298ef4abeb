//! What good images that were not trained on say about anomaly values: their normalisation and
//! the threshold.

use crate::anomaly_map::DifferenceMaps;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Lower and upper quantile of a map over the validation images.
const LOWER: f64 = 0.9;
const UPPER: f64 = 0.995;
/// Value that the upper quantile is mapped to; the lower one becomes 0.
const UPPER_VALUE: f32 = 0.1;

/// How the values of one map are normalised: 0.9 quantile to 0, 0.995 quantile to 0.1.
///
/// Both are quantiles over all locations of the validation images' maps (paper, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapQuantiles {
    /// The 0.9 quantile.
    pub lower: f32,
    /// The 0.995 quantile.
    pub upper: f32,
}

impl MapQuantiles {
    pub(crate) fn normalize(&self, value: f32) -> f32 {
        UPPER_VALUE * (value - self.lower) / (self.upper - self.lower)
    }

    /// What a value less `lower` is multiplied by: 0.1 / (upper − lower).
    pub fn scale(&self) -> f32 {
        UPPER_VALUE / (self.upper - self.lower)
    }

    fn of(mut values: Vec<f32>, map: &'static str) -> Result<Self, Error> {
        let [lower, upper] = [LOWER, UPPER].map(|q| quantile(&mut values, q));
        if upper > lower && upper.is_finite() {
            Ok(Self { lower, upper })
        } else {
            Err(Error::NoSpread { map, low: lower, high: upper })
        }
    }
}

/// How both maps are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// Of the teacher's features against the student's first half, squared difference averaged over
    /// channels.
    pub student_teacher: MapQuantiles,
    /// Of the autoencoder's features against the student's second half, likewise.
    pub student_autoencoder: MapQuantiles,
}

impl Quantiles {
    /// Over all locations of all validation images.
    pub(crate) fn of(maps: &[DifferenceMaps]) -> Result<Self, Error> {
        let all = |of: fn(&DifferenceMaps) -> &Vec<f32>| -> Vec<f32> {
            maps.iter().flat_map(of).copied().collect()
        };
        let student_teacher = all(|maps| &maps.student_teacher);
        let student_autoencoder = all(|maps| &maps.student_autoencoder);
        Ok(Self {
            student_teacher: MapQuantiles::of(student_teacher, "student–teacher")?,
            student_autoencoder: MapQuantiles::of(student_autoencoder, "student–autoencoder")?,
        })
    }
}

/// The `q` quantile, linear between order statistics, as `torch.quantile`. Reorders `values`.
fn quantile(values: &mut [f32], q: f64) -> f32 {
    let position = q * (values.len() - 1) as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(position as usize, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    low + position.fract() as f32 * (high - low)
}

/// The image score from which on a part counts as anomalous, and what it comes from.
///
/// A bound that a further good image stays below with probability 99 %, if scores of good images
/// are normally distributed: mean + t·std·√(1 + 1/n) with t the 0.99 quantile of Student's
/// distribution with n − 1 degrees of freedom. It is never below the largest score seen. With one
/// image there is no spread to go by, and it is twice that image's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Scores at or above it are anomalous.
    pub value: f32,
    /// Number of good images it comes from, none of which was trained on.
    pub images: usize,
    /// Mean of their scores.
    pub mean: f32,
    /// Standard deviation of their scores (with n − 1).
    pub std: f32,
    /// The largest of their scores.
    pub largest: f32,
}

impl Threshold {
    /// From the scores of good images.
    pub(crate) fn from_good_scores(scores: &[f32]) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().map(|&s| f64::from(s)).sum::<f64>() / n;
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let squares: f64 = scores.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum();
        let (std, value) = if scores.len() < 2 {
            (0.0, f64::from(largest) + f64::from(largest.abs()))
        } else {
            let std = (squares / (n - 1.0)).sqrt();
            (std, mean + student_t_99(scores.len() - 1) * std * (1.0 + 1.0 / n).sqrt())
        };
        // The next number up, so that the largest good score itself is not anomalous.
        let value = (value as f32).max(largest.next_up());
        Self { value, images: scores.len(), mean: mean as f32, std: std as f32, largest }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.4}: 99 % bound for a further good image from {} held-back good images (scores \
             {:.4} ± {:.4}, largest {:.4})",
            self.value, self.images, self.mean, self.std, self.largest
        )
    }
}

/// The 0.99 quantile of Student's t distribution.
///
/// Tabulated up to 30 degrees of freedom, then by the expansion about the normal quantile
/// (M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions*, 26.7.5).
fn student_t_99(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        31.821, 6.965, 4.541, 3.747, 3.365, 3.143, 2.998, 2.896, 2.821, 2.764, 2.718_1, 2.681,
        2.650, 2.624, 2.602, 2.583, 2.567, 2.552, 2.539, 2.528, 2.518, 2.508, 2.500, 2.492, 2.485,
        2.479, 2.473, 2.467, 2.462, 2.457,
    ];
    const NORMAL: f64 = 2.326_347_874;
    let tabulated = degrees.checked_sub(1).and_then(|i| TABLE.get(i));
    tabulated.copied().unwrap_or_else(|| {
        let (z, n) = (NORMAL, degrees as f64);
        let first = (z.powi(3) + z) / 4.0;
        let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
        z + first / n + second / (n * n)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_order_statistics() {
        let mut values: Vec<f32> = (0..11).rev().map(|i| i as f32).collect();
        assert_eq!(quantile(&mut values, 0.9), 9.0);
        assert!((quantile(&mut values, 0.995) - 9.95).abs() < 1e-5);
        assert_eq!(quantile(&mut [4.0], 0.9), 4.0);
    }

    #[test]
    fn quantiles_map_to_zero_and_a_tenth() {
        let quantiles = MapQuantiles { lower: 2.0, upper: 4.0 };
        assert_eq!([2.0, 4.0, 6.0].map(|v| quantiles.normalize(v)), [0.0, 0.1, 0.2]);
        assert_eq!((6.0 - quantiles.lower) * quantiles.scale(), 0.2);
        let error = MapQuantiles::of(vec![1.0; 50], "test").unwrap_err();
        assert!(matches!(error, Error::NoSpread { map: "test", .. }));
    }

    #[test]
    fn the_threshold_is_above_every_good_score() {
        let threshold = Threshold::from_good_scores(&[0.10, 0.12, 0.14]);
        assert!((threshold.mean - 0.12).abs() < 1e-6 && (threshold.std - 0.02).abs() < 1e-6);
        let expected = 0.12 + 6.965 * 0.02 * (4.0_f32 / 3.0).sqrt();
        assert!((threshold.value - expected).abs() < 1e-6, "{}", threshold.value);
        let outlier: Vec<f32> = (0..200).map(|i| if i == 0 { 9.0 } else { 0.1 }).collect();
        assert_eq!(Threshold::from_good_scores(&outlier).value, 9.0_f32.next_up());
        assert_eq!(Threshold::from_good_scores(&[0.2]).value, 0.4);
    }

    #[test]
    fn student_quantiles_meet_the_table() {
        assert!((student_t_99(31) - 2.453).abs() < 1e-3);
        assert!((student_t_99(60) - 2.390).abs() < 1e-3);
        assert!((student_t_99(1_000_000) - 2.3263).abs() < 1e-3);
    }
}
