//! How much a difference of teacher and student says in each channel.
//!
//! The student predicts some of the teacher's channels well and others badly, also on good images.
//! In the mean over channels the badly predicted ones drown what the others say of a defect. So each
//! channel counts in inverse proportion to what the student usually misses there on good training
//! images.

use crate::teacher::TeacherStatistics;
use efficientad_engine::{TEACHER_CHANNELS, Weights};

/// A channel that the student never misses would count without limit: none is taken to be missed by
/// less than this share of the average.
const LEAST_SHARE: f64 = 1e-3;

/// What the squared difference of teacher and student is multiplied by in each of the 384 channels,
/// before the mean over channels; 1 on average.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelWeights(Vec<f32>);

impl ChannelWeights {
    /// Of given values, above 0.
    pub(crate) fn new(values: Vec<f32>) -> Self {
        assert_eq!(values.len(), TEACHER_CHANNELS);
        Self(values)
    }

    /// The weights, channel by channel, above 0.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Weighs the features of networks whose channels count alike: multiplies the teacher's and the
    /// student's prediction of them by the weights' roots, so that the plain mean of their squared
    /// differences is the weighted one.
    pub(crate) fn weigh(&self, teacher: &mut TeacherStatistics, student: &mut Weights) {
        self.scale(teacher, student, |root| root);
    }

    /// Undoes [`ChannelWeights::weigh`], to learn further.
    pub(crate) fn unweigh(&self, teacher: &mut TeacherStatistics, student: &mut Weights) {
        self.scale(teacher, student, |root| 1.0 / root);
    }

    fn scale(
        &self,
        teacher: &mut TeacherStatistics,
        student: &mut Weights,
        of_root: impl Fn(f32) -> f32,
    ) {
        let scales: Vec<f32> = self.0.iter().map(|weight| of_root(weight.sqrt())).collect();
        teacher.std.iter_mut().zip(&scales).for_each(|(std, scale)| *std /= scale);
        let Some(last) = student.0.last_mut() else { return };
        let outputs = last.bias.len();
        for row in last.weight.chunks_exact_mut(outputs).chain([&mut last.bias[..]]) {
            row.iter_mut().zip(&scales).for_each(|(value, scale)| *value *= scale);
        }
    }
}

/// Squared differences of teacher and student, summed up channel by channel.
pub(crate) struct ChannelDifferences(Vec<f64>);

impl ChannelDifferences {
    pub(crate) fn new() -> Self {
        Self(vec![0.0; TEACHER_CHANNELS])
    }

    /// Adds what counts of one window: features of teacher and student, locations × 384.
    pub(crate) fn add(&mut self, teacher: &[f32], student: &[f32], counted: &[bool]) {
        let predicted = student.chunks_exact(TEACHER_CHANNELS);
        let pairs = teacher.chunks_exact(TEACHER_CHANNELS).zip(predicted).zip(counted);
        for ((teacher, student), _) in pairs.filter(|(_, counted)| **counted) {
            for (sum, (a, b)) in self.0.iter_mut().zip(teacher.iter().zip(student)) {
                *sum += f64::from((a - b) * (a - b));
            }
        }
    }

    /// The weights; `None` if nothing differs at all.
    pub(crate) fn weights(&self) -> Option<ChannelWeights> {
        let count = TEACHER_CHANNELS as f64;
        let average = self.0.iter().sum::<f64>() / count;
        if average <= 0.0 {
            return None;
        }
        let inverse: Vec<f64> =
            self.0.iter().map(|sum| 1.0 / sum.max(LEAST_SHARE * average)).collect();
        let mean = inverse.iter().sum::<f64>() / count;
        Some(ChannelWeights(inverse.iter().map(|value| (value / mean) as f32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_engine::ConvWeights;

    /// A teacher that is 1 everywhere, and a student that misses channel 3 by half of the others.
    fn features() -> (Vec<f32>, Vec<f32>) {
        let student = |i: usize| if i % TEACHER_CHANNELS == 3 { 0.5 } else { 0.0 };
        (vec![1.0; 2 * TEACHER_CHANNELS], (0..2 * TEACHER_CHANNELS).map(student).collect())
    }

    #[test]
    fn a_channel_that_is_missed_by_a_quarter_counts_four_times_as_much() {
        let (teacher, mut student) = features();
        // The second location does not count.
        student[TEACHER_CHANNELS..].fill(1e6);
        let mut differences = ChannelDifferences::new();
        differences.add(&teacher, &student, &[true, false]);
        let weights = differences.weights().unwrap();
        assert_eq!(weights.values()[3], 4.0 * weights.values()[2]);
        let mean = weights.values().iter().sum::<f32>() / TEACHER_CHANNELS as f32;
        assert!((mean - 1.0).abs() < 1e-5, "{mean}");
    }

    #[test]
    fn a_channel_that_is_never_missed_is_bounded_and_no_difference_has_no_weights() {
        let (teacher, mut student) = features();
        student[3] = 1.0;
        let mut differences = ChannelDifferences::new();
        differences.add(&teacher, &student, &[true, false]);
        let weights = differences.weights().unwrap();
        let ratio = weights.values()[3] / weights.values()[2];
        assert!((ratio / 1000.0 - 1.0).abs() < 0.01, "{ratio}");
        let mut none = ChannelDifferences::new();
        none.add(&teacher, &teacher, &[true, true]);
        assert_eq!(none.weights(), None);
    }

    #[test]
    fn the_teacher_and_what_predicts_it_are_multiplied_by_the_roots_and_back() {
        let weights = ChannelWeights::new((1..=TEACHER_CHANNELS).map(|i| (i * i) as f32).collect());
        let outputs = 2 * TEACHER_CHANNELS;
        let layer = ConvWeights { weight: vec![1.0; 3 * outputs], bias: vec![2.0; outputs] };
        let before = Weights(vec![layer.clone(), layer]);
        let mut student = before.clone();
        let mut teacher = TeacherStatistics {
            mean: vec![3.0; TEACHER_CHANNELS],
            std: vec![12.0; TEACHER_CHANNELS],
        };
        weights.weigh(&mut teacher, &mut student);
        assert_eq!((teacher.mean[3], teacher.std[3]), (3.0, 3.0));
        assert_eq!(student.0[0], before.0[0]);
        let of = |output: usize| {
            let last = &student.0[1];
            [last.weight[output], last.weight[2 * outputs + output], last.bias[output]]
        };
        assert_eq!(of(3), [4.0, 4.0, 8.0]);
        assert_eq!(of(TEACHER_CHANNELS + 3), [1.0, 1.0, 2.0]);
        weights.unweigh(&mut teacher, &mut student);
        assert!(teacher.std.iter().all(|std| (std - 12.0).abs() < 1e-5));
        assert!(student.0[1].bias.iter().all(|bias| (bias - 2.0).abs() < 1e-6));
    }
}
