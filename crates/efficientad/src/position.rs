//! How much a difference of student and autoencoder says at each place of their input.
//!
//! The autoencoder pads its input by zeros, and towards borders and corners its output follows them
//! in ways that the student, which looks at patches alone, can't predict. On good images they then
//! differ there by several times what they differ by in the middle, and corners light up. The same
//! holds for any part of a scene that the autoencoder never gets right. What good training images
//! show at a place is therefore what a new image is held against there.

use efficientad_engine::InputSize;

/// Locations on either side over which the usual difference is averaged.
const REACH: usize = 2;

/// What the student–autoencoder map is multiplied by at each location of the networks' input: 1
/// where training images differ as they do at the median location or less, and less where they
/// usually differ more, in proportion.
#[derive(Clone, Debug, PartialEq)]
pub struct PositionWeights {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl PositionWeights {
    /// Of given values, row by row.
    pub(crate) fn new((height, width): (usize, usize), values: Vec<f32>) -> Self {
        assert_eq!(values.len(), height * width);
        Self { height, width, values }
    }

    /// Rows and columns: [`InputSize::feature_size`].
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// The weights, row by row, above 0 and at most 1.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Weighs a map of differences.
    pub(crate) fn apply(&self, map: &mut [f32]) {
        map.iter_mut().zip(&self.values).for_each(|(value, weight)| *value *= weight);
    }
}

/// Student–autoencoder maps of training images, summed up location by location.
pub(crate) struct DifferenceSums {
    size: (usize, usize),
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl DifferenceSums {
    pub(crate) fn new(input: InputSize) -> Self {
        let size = input.feature_size();
        Self { size, sums: vec![0.0; size.0 * size.1], counts: vec![0; size.0 * size.1] }
    }

    /// Adds what counts of one window's map.
    pub(crate) fn add(&mut self, map: &[f32], counted: &[bool]) {
        let sums = self.sums.iter_mut().zip(&mut self.counts);
        for ((sum, count), (&value, &counted)) in sums.zip(map.iter().zip(counted)) {
            if counted {
                *sum += f64::from(value);
                *count += 1;
            }
        }
    }

    pub(crate) fn weights(&self) -> PositionWeights {
        let means = self.means();
        let mut known: Vec<f64> = means.iter().copied().flatten().collect();
        known.sort_unstable_by(f64::total_cmp);
        let median = known.get(known.len() / 2).copied().unwrap_or(0.0);
        let weight = |mean: Option<f64>| match mean {
            Some(mean) if mean > median => (median / mean) as f32,
            _ => 1.0,
        };
        PositionWeights::new(self.size, means.into_iter().map(weight).collect())
    }

    /// The mean around each location that counted at all.
    fn means(&self) -> Vec<Option<f64>> {
        let (height, width) = self.size;
        let around =
            |at: usize, length: usize| at.saturating_sub(REACH)..(at + REACH + 1).min(length);
        let mean = |row: usize, column: usize| {
            let (mut sum, mut count) = (0.0, 0);
            for row in around(row, height) {
                for location in around(column, width).map(|column| row * width + column) {
                    sum += self.sums[location];
                    count += self.counts[location];
                }
            }
            (self.counts[row * width + column] > 0).then(|| sum / f64::from(count))
        };
        (0..height * width).map(|location| mean(location / width, location % width)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 56;

    fn weights(maps: &[(Vec<f32>, Vec<bool>)]) -> Vec<f32> {
        let mut sums = DifferenceSums::new(InputSize::default());
        maps.iter().for_each(|(map, counted)| sums.add(map, counted));
        sums.weights().values().to_vec()
    }

    /// 8 in a corner of 10 × 10 locations, 2 elsewhere.
    fn loud_corner() -> Vec<f32> {
        (0..SIDE * SIDE).map(|i| if i / SIDE < 10 && i % SIDE < 10 { 8.0 } else { 2.0 }).collect()
    }

    #[test]
    fn where_good_images_differ_four_times_as_much_a_quarter_counts() {
        let map = loud_corner();
        let weights = weights(&[(map.clone(), vec![true; SIDE * SIDE])]);
        assert_eq!((weights[0], weights[7 * SIDE + 7], weights[30 * SIDE + 30]), (0.25, 0.25, 1.0));
        let edge = weights[5 * SIDE + 10];
        assert!(edge > 0.25 && edge < 1.0, "the step is smoothed: {edge}");
    }

    #[test]
    fn quiet_places_are_not_made_louder() {
        let map = loud_corner().iter().map(|value| 10.0 - value).collect();
        let weights = weights(&[(map, vec![true; SIDE * SIDE])]);
        assert!(weights.iter().all(|&weight| weight == 1.0));
    }

    #[test]
    fn what_does_not_count_has_no_influence() {
        let counted: Vec<bool> = (0..SIDE * SIDE).map(|i| i % SIDE < 40).collect();
        let map = |beyond: f32| {
            let values = loud_corner().into_iter().zip(&counted);
            (values.map(|(v, &c)| if c { v } else { beyond }).collect(), counted.clone())
        };
        assert_eq!(weights(&[map(1e6)]), weights(&[map(0.0)]));
        assert_eq!(weights(&[map(0.0)])[50], 1.0);
    }

    #[test]
    fn equal_maps_leave_all_as_it_is() {
        let all = vec![true; SIDE * SIDE];
        assert!(weights(&[(vec![0.0; SIDE * SIDE], all)]).iter().all(|&weight| weight == 1.0));
        assert!(weights(&[]).iter().all(|&weight| weight == 1.0));
    }
}
