//! Pixels counted in buckets of similar scores.

use super::collector::ImagePixels;
use crate::steps::Step;

/// Leading bits of a key that name its bucket: sign, exponent and the first 11 bits of the fraction, so that the
/// scores of one bucket differ by less than 1 part in 2048.
const BUCKET_BITS: u32 = 20;

/// Counts for all 2²⁰ buckets, 24 MiB however many pixels there are.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    good: u64,
    anomalous: u64,
    overlap: f64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { buckets: vec![Bucket::default(); 1 << BUCKET_BITS] }
    }

    pub fn add(&mut self, image: &ImagePixels<'_>) {
        image.good_keys().for_each(|key| self.add_good(key));
        image.anomalous_keys().for_each(|key| self.add_anomalous(key));
        for region in &image.regions {
            region.counted_keys().iter().for_each(|&key| self.add_overlap(key, region.weight()));
        }
    }

    pub fn add_good(&mut self, key: u32) {
        self.bucket(key).good += 1;
    }

    pub fn add_anomalous(&mut self, key: u32) {
        self.bucket(key).anomalous += 1;
    }

    pub fn add_overlap(&mut self, key: u32, weight: f64) {
        self.bucket(key).overlap += weight;
    }

    /// A cursor at the highest score.
    pub fn cursor(&self) -> HistogramCursor<'_> {
        let mut cursor = HistogramCursor { left: &self.buckets };
        cursor.skip_empty();
        cursor
    }

    fn bucket(&mut self, key: u32) -> &mut Bucket {
        &mut self.buckets[(key >> (32 - BUCKET_BITS)) as usize]
    }
}

/// The buckets left on the way down; the last one is never empty.
#[derive(Debug)]
pub(super) struct HistogramCursor<'a> {
    left: &'a [Bucket],
}

impl HistogramCursor<'_> {
    /// The lowest key of the highest bucket left.
    pub fn peek(&self) -> Option<u32> {
        (self.left.len() as u32).checked_sub(1).map(|bucket| bucket << (32 - BUCKET_BITS))
    }

    /// Moves the bucket with this key, if it is the highest left, into `step`.
    pub fn take(&mut self, step: &mut Step) {
        if self.peek() != Some(step.key) {
            return;
        }
        if let Some((bucket, rest)) = self.left.split_last() {
            step.good += bucket.good;
            step.anomalous += bucket.anomalous;
            step.overlap += bucket.overlap;
            self.left = rest;
            self.skip_empty();
        }
    }

    fn skip_empty(&mut self) {
        let filled = self.left.iter().rposition(|bucket| bucket.good + bucket.anomalous > 0);
        self.left = &self.left[..filled.map_or(0, |index| index + 1)];
    }
}
