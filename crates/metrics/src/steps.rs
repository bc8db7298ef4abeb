//! What every ranking metric is made of: the samples at each distinct threshold, from the highest down.

/// All samples that share one score (or, in bucketed storage, one bucket of scores).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// Order-preserving key of the score, see [`crate::key`].
    pub key: u32,
    /// Good samples with this score.
    pub good: u64,
    /// Anomalous samples with this score.
    pub anomalous: u64,
    /// Sum over regions of the overlap this score adds, each region's total being 1.
    pub overlap: f64,
}

/// Totals over all steps, known before the walk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub good: u64,
    pub anomalous: u64,
    pub regions: u64,
}

/// A value and the largest amount by which merging scores into buckets can have moved it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounded {
    pub value: f64,
    pub error: f64,
}

/// Area under the ROC curve, summed step by step from the highest threshold.
pub(crate) struct Auroc {
    totals: Totals,
    anomalous: u64,
    doubled: u128,
    tied: f64,
}

impl Auroc {
    pub fn new(totals: Totals) -> Self {
        Self { totals, anomalous: 0, doubled: 0, tied: 0.0 }
    }

    /// Each good sample is beaten by every anomalous one above it and half beaten by those at its own score.
    pub fn push(&mut self, step: &Step) {
        let beaten_twice = 2 * self.anomalous + step.anomalous;
        self.doubled += u128::from(step.good) * u128::from(beaten_twice);
        self.tied += step.good as f64 * step.anomalous as f64;
        self.anomalous += step.anomalous;
    }

    /// The error is half the share of pairs that fell into one bucket.
    pub fn finish(self) -> Bounded {
        let pairs = self.totals.good as f64 * self.totals.anomalous as f64;
        Bounded { value: self.doubled as f64 / 2.0 / pairs, error: self.tied / 2.0 / pairs }
    }
}

/// Average precision: precision at each threshold, weighted by the recall gained there.
pub(crate) struct AveragePrecision {
    totals: Totals,
    good: u64,
    anomalous: u64,
    sum: f64,
    error: f64,
}

impl AveragePrecision {
    pub fn new(totals: Totals) -> Self {
        Self { totals, good: 0, anomalous: 0, sum: 0.0, error: 0.0 }
    }

    pub fn push(&mut self, step: &Step) {
        let (good, anomalous) = (self.good + step.good, self.anomalous + step.anomalous);
        if step.anomalous > 0 {
            let precision = share(anomalous, good);
            let above = share(anomalous, self.good) - precision;
            let below = precision - share(self.anomalous + 1, good);
            self.sum += step.anomalous as f64 * precision;
            self.error += step.anomalous as f64 * above.max(below);
        }
        (self.good, self.anomalous) = (good, anomalous);
    }

    /// The error takes, for each bucket, the best and the worst order its samples could have had.
    pub fn finish(self) -> Bounded {
        let anomalous = self.totals.anomalous as f64;
        Bounded { value: self.sum / anomalous, error: self.error / anomalous }
    }
}

fn share(anomalous: u64, good: u64) -> f64 {
    anomalous as f64 / (anomalous + good) as f64
}

/// Area under the mean per-region overlap against the false-positive rate, up to a limit, divided by the limit.
pub(crate) struct Aupro {
    totals: Totals,
    limit: f64,
    good: u64,
    overlap: f64,
    area: f64,
    error: f64,
}

impl Aupro {
    pub fn new(totals: Totals, limit: f64) -> Self {
        Self { totals, limit, good: 0, overlap: 0.0, area: 0.0, error: 0.0 }
    }

    /// Adds one trapezoid, cut at the limit by linear interpolation.
    pub fn push(&mut self, step: &Step) {
        let rate = |good: u64| good as f64 / self.totals.good as f64;
        let (left, right) = (rate(self.good), rate(self.good + step.good));
        if left < self.limit {
            let cut = right.min(self.limit);
            let overlap = if cut < right {
                self.overlap + step.overlap * (cut - left) / (right - left)
            } else {
                self.overlap + step.overlap
            };
            let possible = (cut - left) * step.overlap;
            self.area += (cut - left) * (self.overlap + overlap) / 2.0;
            self.error += if cut < right { possible } else { possible / 2.0 };
        }
        self.good += step.good;
        self.overlap += step.overlap;
    }

    /// The error takes, for each bucket, the corner of the box through which the true curve could have run.
    pub fn finish(self) -> Bounded {
        let scale = self.totals.regions as f64 * self.limit;
        Bounded { value: self.area / scale, error: self.error / scale }
    }
}
