//! What a count among trials says about the rate behind it, exactly.

use statrs::distribution::{Beta, Continuous, ContinuousCDF};

/// The one-sided upper bound of C. Clopper and E. Pearson (1934) for a rate, from `count` events
/// among `trials`: with no event, 1 − (1 − confidence)^(1/trials).
pub fn rate_upper_bound(count: u64, trials: u64, confidence: f64) -> f64 {
    if count >= trials {
        return 1.0;
    }
    beta_quantile(count + 1, trials - count, confidence)
}

/// The two-sided interval of C. Clopper and E. Pearson (1934) for a rate, from `count` events among
/// `trials`; 0 to 1 without trials.
pub fn rate_interval(count: u64, trials: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let lower =
        if count == 0 { 0.0 } else { beta_quantile(count, trials.saturating_sub(count) + 1, tail) };
    (lower, rate_upper_bound(count, trials, 1.0 - tail))
}

fn beta_quantile(a: u64, b: u64, share: f64) -> f64 {
    let Ok(beta) = Beta::new(a as f64, b as f64) else { return f64::NAN };
    let near = beta.inverse_cdf(share);
    // Far from the middle statrs's inverse is good to six digits: a step of Newton's method gives
    // the others.
    near - (beta.cdf(near) - share) / beta.pdf(near)
}
