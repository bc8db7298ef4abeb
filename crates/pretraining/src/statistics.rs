//! Mean and standard deviation that targets are normalised by.

use efficientad::{ChannelSums, TEACHER_CHANNELS};

/// Of each of a target's 384 channels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetStatistics {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

impl TargetStatistics {
    /// Those that change nothing.
    pub(crate) fn none() -> Self {
        Self { mean: vec![0.0; TEACHER_CHANNELS], std: vec![1.0; TEACHER_CHANNELS] }
    }

    /// Those of all targets, or the first channel that is the same everywhere.
    pub(crate) fn of(sums: &ChannelSums) -> Result<Self, usize> {
        let (mean, std) = sums.mean_and_std();
        if let Some(channel) = (0..mean.len()).find(|&c| std[c] <= 1e-6 * mean[c].abs()) {
            return Err(channel);
        }
        let rounded = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(Self { mean: rounded(mean), std: rounded(std) })
    }
}
