//! What a count among trials says about the rate behind it, exactly.

use statrs::distribution::{Beta, ContinuousCDF};

/// The one-sided upper bound of C. Clopper and E. Pearson (1934) for a rate, from `count` events
/// among `trials`: with no event, 1 − (1 − confidence)^(1/trials).
pub fn rate_upper_bound(count: u64, trials: u64, confidence: f64) -> f64 {
    if count >= trials {
        return 1.0;
    }
    beta(count + 1, trials - count).map_or(1.0, |beta| beta.inverse_cdf(confidence))
}

/// The two-sided interval of C. Clopper and E. Pearson (1934) for a rate, from `count` events among
/// `trials`; 0 to 1 without trials.
pub fn rate_interval(count: u64, trials: u64, confidence: f64) -> (f64, f64) {
    let one_sided = 0.5 + confidence / 2.0;
    let misses = trials.saturating_sub(count);
    let lower = if trials == 0 { 0.0 } else { 1.0 - rate_upper_bound(misses, trials, one_sided) };
    (lower, rate_upper_bound(count, trials, one_sided))
}

fn beta(a: u64, b: u64) -> Option<Beta> {
    Beta::new(a as f64, b as f64).ok()
}
