//! The share of good images that may be called anomalous.

use super::{CONFIDENCE, percent};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The lowest rate that can be asked for, one in a million: at that rate a line that makes a part a second
/// rejects a good one every eleven days, and no calibration tells it from a lower one, for it takes
/// 2,995,731 images to promise it.
pub(super) const LOWEST_RATE: f64 = 1e-6;

/// A share of good images that may be called anomalous: one in a million at least, below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "StoredRate", into = "f64")]
pub struct FalseRejectRate(f64);

/// Models of earlier programs hold lower rates, too.
#[derive(Deserialize)]
struct StoredRate(f64);

impl TryFrom<StoredRate> for FalseRejectRate {
    type Error = &'static str;

    fn try_from(StoredRate(rate): StoredRate) -> Result<Self, Self::Error> {
        let is_share = rate > 0.0 && rate < 1.0;
        is_share.then_some(Self(rate)).ok_or("a false-reject rate lies between 0 and 1")
    }
}

impl FalseRejectRate {
    /// The rate, unless it is below one in a million, 1, or no share at all.
    pub fn new(rate: f64) -> Option<Self> {
        (LOWEST_RATE..1.0).contains(&rate).then_some(Self(rate))
    }

    /// As a share of 1.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The smallest number of calibration images that can promise this rate, whatever the scores'
    /// distribution: ln(1 − 0.95) / ln(1 − rate), rounded up.
    pub fn images_needed(self) -> usize {
        ((1.0 - CONFIDENCE).ln() / (-self.0).ln_1p()).ceil() as usize
    }
}

impl Default for FalseRejectRate {
    /// One good image in twenty, for where none is wished: at much lower rates the loudest of a few dozen good
    /// images decides alone, and little is found.
    fn default() -> Self {
        Self(0.05)
    }
}

impl From<FalseRejectRate> for f64 {
    fn from(rate: FalseRejectRate) -> Self {
        rate.0
    }
}

impl TryFrom<f64> for FalseRejectRate {
    type Error = &'static str;

    fn try_from(rate: f64) -> Result<Self, Self::Error> {
        Self::new(rate).ok_or(
            "must be from 0.000001 to below 1 (or 0.0001% to below 100%): to promise less than one in \
             a million takes more than 3 million photos",
        )
    }
}

impl FromStr for FalseRejectRate {
    type Err = &'static str;

    /// A share (`0.01`) or a percentage (`1%`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number.trim_end(), 100.0),
            None => (text, 1.0),
        };
        let number: f64 = number.parse().map_err(|_| "write a share as 0.01 or 1%")?;
        Self::try_from(number / unit)
    }
}

impl fmt::Display for FalseRejectRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> FalseRejectRate {
        FalseRejectRate::new(rate).unwrap()
    }

    #[test]
    fn rates_are_shares_or_percentages() {
        for text in ["0.07", "7%", "7 %"] {
            assert_eq!(text.parse(), Ok(rate(0.07)));
        }
        for text in
            ["0", "1", "100%", "-0.1", "NaN", "inf", "%", "", "1e-400", "1e-17", "9e-7", "0.00009%"]
        {
            assert!(text.parse::<FalseRejectRate>().is_err(), "{text}");
        }
        assert_eq!(rate(0.07).to_string(), "7 %");
        assert_eq!(rate(0.0005).to_string(), "0.05 %");
        for text in ["0.000001", "1e-6", "0.0001%"] {
            assert_eq!(text.parse(), Ok(rate(LOWEST_RATE)), "{text}");
        }
        assert_eq!(rate(LOWEST_RATE).images_needed(), 2_995_731);
    }
}
