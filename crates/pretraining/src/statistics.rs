//! Mean and standard deviation that targets are normalised by.

use efficientad::TEACHER_CHANNELS;

use crate::record::Record;

/// Of each of a target's 384 channels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetStatistics {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

/// Sums over targets from which the statistics come.
pub(crate) struct StatisticsSums {
    sum: Vec<f64>,
    squares: Vec<f64>,
    locations: f64,
}

impl TargetStatistics {
    /// Those that change nothing.
    pub(crate) fn none() -> Self {
        Self { mean: vec![0.0; TEACHER_CHANNELS], std: vec![1.0; TEACHER_CHANNELS] }
    }
}

impl StatisticsSums {
    pub(crate) fn new() -> Self {
        let zeros = vec![0.0; TEACHER_CHANNELS];
        Self { sum: zeros.clone(), squares: zeros, locations: 0.0 }
    }

    /// Adds a sample's target.
    pub(crate) fn add(&mut self, record: &Record) {
        for location in record.target(&TargetStatistics::none()).chunks_exact(TEACHER_CHANNELS) {
            let sums = self.sum.iter_mut().zip(&mut self.squares);
            for ((sum, squares), &value) in sums.zip(location) {
                *sum += f64::from(value);
                *squares += f64::from(value) * f64::from(value);
            }
            self.locations += 1.0;
        }
    }

    /// The statistics, or the first channel that is the same everywhere.
    pub(crate) fn finish(&self) -> Result<TargetStatistics, usize> {
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / self.locations).collect();
        let variance = |c: usize| self.squares[c] / self.locations - mean[c] * mean[c];
        let std: Vec<f64> = (0..mean.len()).map(|c| variance(c).max(0.0).sqrt()).collect();
        if let Some(channel) = (0..mean.len()).find(|&c| std[c] <= 1e-6 * mean[c].abs()) {
            return Err(channel);
        }
        let rounded = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(TargetStatistics { mean: rounded(mean), std: rounded(std) })
    }
}
