//! Mean and deviation of features, channel by channel.

use efficientad_engine::TEACHER_CHANNELS;

/// Sums over the locations of features with 384 channels.
#[derive(Clone, Debug)]
pub struct ChannelSums {
    sum: Vec<f64>,
    squares: Vec<f64>,
    locations: f64,
}

impl Default for ChannelSums {
    fn default() -> Self {
        let zeros = vec![0.0; TEACHER_CHANNELS];
        Self { sum: zeros.clone(), squares: zeros, locations: 0.0 }
    }
}

impl ChannelSums {
    /// Adds features: locations × 384, channels innermost.
    pub fn add(&mut self, features: &[f32]) {
        for location in features.chunks_exact(TEACHER_CHANNELS) {
            let sums = self.sum.iter_mut().zip(&mut self.squares);
            for ((sum, squares), &value) in sums.zip(location) {
                let value = f64::from(value);
                *sum += value;
                *squares += value * value;
            }
            self.locations += 1.0;
        }
    }

    /// Each channel's mean over all locations, and its standard deviation (the root of the mean
    /// squared difference from the mean).
    pub fn mean_and_std(&self) -> (Vec<f64>, Vec<f64>) {
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / self.locations).collect();
        let variances = self.squares.iter().zip(&mean);
        let variances = variances.map(|(squares, mean)| squares / self.locations - mean * mean);
        let std = variances.map(|variance| variance.max(0.0).sqrt()).collect();
        (mean, std)
    }
}
