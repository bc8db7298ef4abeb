//! Every pixel's score, kept.

use super::collector::ImagePixels;
use super::histogram::Histogram;
use crate::steps::Step;

/// Keys of all pixels, and for each pixel that adds to a region's overlap its key and region.
#[derive(Debug, Default)]
pub(super) struct ExactPixels {
    good: Vec<u32>,
    anomalous: Vec<u32>,
    overlap: Vec<(u32, u32)>,
    weights: Vec<f64>,
}

impl ExactPixels {
    pub fn add(&mut self, image: &ImagePixels<'_>) {
        self.good.extend(image.good_keys());
        self.anomalous.extend(image.anomalous_keys());
        for region in &image.regions {
            let number = self.weights.len() as u32;
            self.weights.push(region.weight());
            self.overlap.extend(region.counted_keys().iter().map(|&key| (key, number)));
        }
    }

    pub fn to_histogram(&self) -> Histogram {
        let mut histogram = Histogram::new();
        self.good.iter().for_each(|&key| histogram.add_good(key));
        self.anomalous.iter().for_each(|&key| histogram.add_anomalous(key));
        self.overlap
            .iter()
            .for_each(|&(key, region)| histogram.add_overlap(key, self.weights[region as usize]));
        histogram
    }

    pub fn sort(&mut self) {
        self.good.sort_unstable();
        self.anomalous.sort_unstable();
        self.overlap.sort_unstable();
    }

    /// A cursor at the highest score; the pixels must be sorted.
    pub fn cursor(&self) -> ExactCursor<'_> {
        ExactCursor {
            good: &self.good,
            anomalous: &self.anomalous,
            overlap: &self.overlap,
            weights: &self.weights,
        }
    }
}

/// What is left of sorted pixels on the way down.
#[derive(Debug)]
pub(super) struct ExactCursor<'a> {
    good: &'a [u32],
    anomalous: &'a [u32],
    overlap: &'a [(u32, u32)],
    weights: &'a [f64],
}

impl ExactCursor<'_> {
    /// The highest key left. Overlap keys are among the anomalous ones.
    pub fn peek(&self) -> Option<u32> {
        self.good.last().max(self.anomalous.last()).copied()
    }

    /// Moves everything with this key, which must be the highest left anywhere, into `step`.
    pub fn take(&mut self, step: &mut Step) {
        step.good += take_equal(&mut self.good, step.key);
        step.anomalous += take_equal(&mut self.anomalous, step.key);
        while let Some((&(key, region), rest)) = self.overlap.split_last()
            && key == step.key
        {
            step.overlap += self.weights[region as usize];
            self.overlap = rest;
        }
    }
}

fn take_equal(keys: &mut &[u32], wanted: u32) -> u64 {
    let mut count = 0;
    while let Some((&key, rest)) = keys.split_last()
        && key == wanted
    {
        count += 1;
        *keys = rest;
    }
    count
}
