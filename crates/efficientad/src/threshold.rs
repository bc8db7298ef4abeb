//! From which image score on a part is anomalous, and what that promises (`docs/decisions.md`).

use crate::calibration::{Calibration, MAX_CALIBRATION_IMAGES};
use crate::error::Error;
use efficientad_metrics::rate_upper_bound;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::fmt;
use std::str::FromStr;

/// Confidence of all that a threshold promises without an assumption.
pub const CONFIDENCE: f64 = 0.95;

/// The lowest rate that can be asked for, one in a million: at that rate a line that makes a part a second
/// rejects a good one every eleven days, and no calibration tells it from a lower one, for it takes
/// 2,995,731 images to promise it.
const LOWEST_RATE: f64 = 1e-6;

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
    /// One good image in a hundred.
    fn default() -> Self {
        Self(0.01)
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

/// Why a threshold is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// An order statistic of the calibration scores: it keeps the wished rate with the stated
    /// confidence, whatever the scores' distribution.
    DistributionFree,
    /// There are too few calibration images for that: the prediction bound that keeps the wished
    /// rate if scores of good images are normally distributed, and never below the largest score.
    Normal,
    /// There is one calibration image, so no spread to go by: twice its score.
    SingleImage,
    /// Chosen by the user.
    Given,
}

/// The image score from which on a part is anomalous, and what that promises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredThreshold")]
pub struct Threshold {
    /// Scores at or above it are anomalous.
    pub value: f32,
    /// Why it is there.
    pub basis: Basis,
    /// The wished rate; `None` if the value was given.
    pub false_reject: Option<FalseRejectRate>,
    /// Calibration images that could promise the wished rate whatever the scores' distribution.
    pub images_needed: Option<usize>,
    /// Calibration images there are: good ones that were not trained on.
    pub images: usize,
    /// So many of them reach the threshold at most.
    pub above: usize,
    /// Confidence of `bound`.
    pub confidence: f64,
    /// At most this share of good images reaches the threshold, with the stated confidence,
    /// whatever the scores' distribution; 1 without calibration images. Of a given value it holds
    /// if the value was not chosen by the calibration images.
    pub bound: f64,
    /// One further good image reaches the threshold with this probability at most, on average over
    /// all calibrations that could have been; `None` if the value was given.
    pub expected: Option<f64>,
}

/// What the rest of a threshold follows from.
#[derive(Deserialize)]
struct StoredThreshold {
    value: f32,
    basis: Basis,
    false_reject: Option<FalseRejectRate>,
    images: usize,
    above: usize,
}

impl TryFrom<StoredThreshold> for Threshold {
    type Error = String;

    /// Refuses what no calibration gives; what its counts promise would take as good as forever to compute.
    fn try_from(stored: StoredThreshold) -> Result<Self, Self::Error> {
        let StoredThreshold { value, basis, false_reject, images, above } = stored;
        if !value.is_finite() {
            return Err("a threshold is a finite number".to_owned());
        }
        if images > MAX_CALIBRATION_IMAGES || above > images {
            return Err(format!(
                "a threshold that {above} of {images} calibration images reach; there are at most \
                 {MAX_CALIBRATION_IMAGES} images"
            ));
        }
        Ok(Self::new(value, basis, false_reject, (above, images)))
    }
}

impl Threshold {
    fn new(
        value: f32,
        basis: Basis,
        false_reject: Option<FalseRejectRate>,
        (above, images): (usize, usize),
    ) -> Self {
        Self {
            value,
            basis,
            false_reject,
            images_needed: false_reject.map(FalseRejectRate::images_needed),
            images,
            above,
            confidence: CONFIDENCE,
            bound: bound(above, images),
            expected: false_reject.map(|_| (above + 1) as f64 / (images + 1) as f64),
        }
    }

    /// A value that was chosen by other means than `calibration`, which tells what it promises.
    pub fn given(value: f32, calibration: Option<&Calibration>) -> Self {
        let counts = calibration.map_or((0, 0), |calibration| {
            (calibration.count_at_or_above(value), calibration.scores().len())
        });
        Self::new(value, Basis::Given, None, counts)
    }

    /// The lowest threshold whose bound is `rate` at most; where even the largest score is too low
    /// for that, the bound for normally distributed scores.
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is high enough.
    pub(crate) fn for_rate(
        rate: FalseRejectRate,
        calibration: &Calibration,
    ) -> Result<Self, Error> {
        let scores = calibration.scores();
        let images = scores.len();
        let (value, basis, above) = match rejectable(images, rate) {
            Some(above) => (at(scores[images - 1 - above]), Basis::DistributionFree, above),
            None if images == 1 => (at(scores[0] + scores[0].abs()), Basis::SingleImage, 0),
            None => (normal_bound(scores, rate), Basis::Normal, 0),
        };
        // A single score of 0 doubled is still 0: no calibration score may reach a fallback.
        let value = if above == 0 { value.max(at(scores[images - 1])) } else { value };
        if !value.is_finite() {
            return Err(Error::EndlessThreshold { rate });
        }
        Ok(Self::new(value, basis, Some(rate), (above, images)))
    }
}

/// The lowest threshold that `score` does not reach.
fn at(score: f32) -> f32 {
    score.next_up()
}

/// The largest share of good images that can lie above the threshold that `above` of `images`
/// calibration images reach, with confidence.
///
/// The share above the k-th largest of n independent scores has a beta distribution, with
/// parameters k and n + 1 − k, if scores are never equal; where they are, it is smaller.
fn bound(above: usize, images: usize) -> f64 {
    rate_upper_bound(above as u64, images as u64, CONFIDENCE)
}

/// How many of the calibration images may reach the threshold so that its bound is still `rate` at
/// most; `None` if not even 0 may.
fn rejectable(images: usize, rate: FalseRejectRate) -> Option<usize> {
    let (mut possible, mut impossible) = (None, images);
    while impossible > possible.map_or(0, |above: usize| above + 1) {
        let middle = possible.map_or(0, |above| (above + impossible) / 2);
        if bound(middle, images) <= rate.get() {
            possible = Some(middle);
        } else {
            impossible = middle;
        }
    }
    possible
}

/// The bound that a further good image stays below with probability 1 − `rate`, if scores are
/// normally distributed: mean + t·std·√(1 + 1/n) with t the 1 − `rate` quantile of Student's
/// distribution with n − 1 degrees of freedom.
fn normal_bound(scores: &[f32], rate: FalseRejectRate) -> f32 {
    let n = scores.len() as f64;
    let mean = scores.iter().map(|&score| f64::from(score)).sum::<f64>() / n;
    let squares: f64 = scores.iter().map(|&score| (f64::from(score) - mean).powi(2)).sum();
    let std = (squares / (n - 1.0)).sqrt();
    let t = StudentsT::new(0.0, 1.0, n - 1.0).map_or(0.0, |t| t.inverse_cdf(1.0 - rate.get()));
    (mean + t * std * (1.0 + 1.0 / n).sqrt()) as f32
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, images, above, .. } = self;
        write!(f, "{value:.4}")?;
        let rate = self.false_reject.map_or_else(String::new, |rate| rate.to_string());
        let needed = self.images_needed.unwrap_or_default();
        match self.basis {
            Basis::DistributionFree => {
                write!(f, ", for a false-reject rate of at most {rate}: {}", Promise(self))
            }
            Basis::Normal => write!(
                f,
                ", for a false-reject rate of {rate} ASSUMING normally distributed scores, as \
                 {images} calibration images are too few to promise it ({needed} would do): {}",
                Promise(self)
            ),
            Basis::SingleImage => write!(
                f,
                ", ARBITRARILY twice the score of the only calibration image ({needed} would \
                 promise a false-reject rate of {rate}): {}",
                Promise(self)
            ),
            Basis::Given if *images == 0 => f.write_str(", as given"),
            Basis::Given => {
                let bound = percent_up(self.bound);
                write!(
                    f,
                    ", as given: {above} of {images} calibration images reach it, so at most \
                     {bound} of good images do, with 95 % confidence"
                )
            }
        }
    }
}

/// What holds without an assumption on the distribution.
struct Promise<'a>(&'a Threshold);

impl fmt::Display for Promise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Threshold { images, above, bound, expected, .. } = self.0;
        let (bound, expected) = (percent_up(*bound), percent_up(expected.unwrap_or(1.0)));
        let reach = match above {
            0 => "none of".to_owned(),
            above => format!("at most {above} of"),
        };
        write!(
            f,
            "{reach} {images} calibration images reach it, so at most {bound} of good images do, \
             with 95 % confidence whatever the distribution, and {expected} on average"
        )
    }
}

/// A share in percent.
fn percent(share: f64) -> String {
    // A decimal share times 100 is off by rounding: 0.07 would give 7.000000000000001.
    format!("{} %", (share * 1e14).round() / 1e12)
}

/// A share in percent, rounded up to three digits.
fn percent_up(share: f64) -> String {
    let digits = (2.0 - (100.0 * share).log10().floor()).clamp(0.0, 12.0);
    let unit = 10_f64.powf(digits);
    percent((100.0 * share * unit - 1e-6).ceil() / unit / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> FalseRejectRate {
        FalseRejectRate::new(rate).unwrap()
    }

    #[test]
    fn a_stored_threshold_counts_no_more_images_than_a_calibration_can_have() {
        let stored = |above: usize, images: usize| {
            let text = format!(
                r#"{{"value":1.0,"basis":"given","false_reject":null,"images":{images},"above":{above}}}"#
            );
            serde_json::from_str::<Threshold>(&text).map(|threshold| threshold.bound)
        };
        for above in [0, 1, 7, 1_000, 50_000, 99_999, MAX_CALIBRATION_IMAGES] {
            let bound = stored(above, MAX_CALIBRATION_IMAGES).unwrap();
            assert!((0.0..=1.0).contains(&bound), "{above}: {bound}");
        }
        for (above, images) in [(0, MAX_CALIBRATION_IMAGES + 1), (5, 4), (0, 1 << 32)] {
            let error = stored(above, images).unwrap_err().to_string();
            assert!(error.contains("there are at most 100000 images"), "{error}");
        }
    }

    #[test]
    fn so_many_images_promise_a_rate() {
        for (share, needed) in [(0.5, 5), (0.1, 29), (0.05, 59), (0.01, 299), (0.001, 2995)] {
            assert_eq!(rate(share).images_needed(), needed);
            assert_eq!(rejectable(needed - 1, rate(share)), None);
            assert_eq!(rejectable(needed, rate(share)), Some(0));
        }
    }

    /// Against sums of exact probabilities: the largest m with P(Bin(n, rate) ≤ m) ≤ 0.05.
    #[test]
    fn so_many_images_may_be_rejected() {
        for (images, share) in [(299, 0.01), (473, 0.01), (474, 0.01), (1000, 0.05), (93, 0.05)] {
            let mut probability = (1.0_f64 - share).powi(images as i32);
            let (mut cumulated, mut most) = (probability, None);
            while cumulated <= 0.05 {
                let above = most.map_or(0, |above| above + 1);
                most = Some(above);
                let odds = share / (1.0 - share);
                probability *= (images - above) as f64 / (above + 1) as f64 * odds;
                cumulated += probability;
            }
            assert_eq!(rejectable(images, rate(share)), most, "{images} images, {share}");
        }
    }

    #[test]
    fn with_none_above_the_bound_has_a_closed_form() {
        for images in [1, 2, 10, 299, 100_000] {
            let expected = 1.0 - 0.05_f64.powf(1.0 / images as f64);
            assert!((bound(0, images) - expected).abs() < 1e-9 * expected, "{images}");
        }
        assert_eq!((bound(0, 0), bound(7, 7)), (1.0, 1.0));
    }

    #[test]
    fn the_threshold_is_just_above_an_order_statistic() {
        let scores: Vec<f32> = (0..500).map(|i| i as f32).collect();
        let calibration = Calibration::new(scores).unwrap();
        let threshold = calibration.threshold(rate(0.01)).unwrap();
        assert_eq!((threshold.basis, threshold.above), (Basis::DistributionFree, 1));
        assert_eq!(threshold.value, 498.0_f32.next_up());
        assert_eq!(calibration.count_at_or_above(threshold.value), 1);
        assert!(threshold.bound <= 0.01 && threshold.expected == Some(2.0 / 501.0));
    }

    #[test]
    fn too_few_images_fall_back_on_an_assumption() {
        let few = Calibration::new(vec![0.14, 0.10, 0.12]).unwrap();
        let threshold = few.threshold(rate(0.01)).unwrap();
        // Student's 0.99 quantile with 2 degrees of freedom is 6.9646.
        let expected = 0.12 + 6.9646 * 0.02 * (4.0_f32 / 3.0).sqrt();
        assert!((threshold.value - expected).abs() < 1e-5, "{}", threshold.value);
        assert_eq!((threshold.basis, threshold.images_needed), (Basis::Normal, Some(299)));
        assert!((threshold.bound - (1.0 - 0.05_f64.powf(1.0 / 3.0))).abs() < 1e-12);
        assert!(few.threshold(rate(0.001)).unwrap().value > threshold.value);

        let outlier = (0..200).map(|i| if i == 0 { 9.0 } else { 0.1 }).collect();
        let outlier = Calibration::new(outlier).unwrap().threshold(rate(0.01)).unwrap();
        assert_eq!((outlier.value, outlier.basis), (9.0_f32.next_up(), Basis::Normal));
    }

    #[test]
    fn one_image_has_no_spread() {
        for (score, doubled) in [(0.2, 0.4_f32), (0.0, 0.0), (-0.2, 0.0)] {
            let threshold = Calibration::new(vec![score]).unwrap().threshold(rate(0.01)).unwrap();
            assert_eq!(threshold.basis, Basis::SingleImage);
            assert_eq!(threshold.value, doubled.next_up());
            assert!((threshold.bound - 0.95).abs() < 1e-12);
        }
    }

    #[test]
    fn a_given_threshold_is_measured_too() {
        let calibration = Calibration::new((0..100).map(|i| i as f32).collect()).unwrap();
        let threshold = Threshold::given(97.0, Some(&calibration));
        assert_eq!((threshold.above, threshold.images, threshold.expected), (3, 100, None));
        assert!(threshold.to_string().starts_with("97.0000, as given: 3 of 100 calibration"));
        assert_eq!(Threshold::given(0.5, None).to_string(), "0.5000, as given");
    }

    #[test]
    fn thresholds_return_from_files() {
        let calibration = Calibration::new((0..500).map(|i| i as f32).collect()).unwrap();
        let threshold = calibration.threshold(rate(0.01)).unwrap();
        let text = serde_json::to_string(&threshold).unwrap();
        assert_eq!(serde_json::from_str::<Threshold>(&text).unwrap(), threshold);
        let impossible = text.replace(r#""false_reject":0.01"#, r#""false_reject":1"#);
        assert!(impossible != text && serde_json::from_str::<Threshold>(&impossible).is_err());
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

    #[test]
    fn no_threshold_is_endless() {
        // Of two images, one of Student's quantiles with one degree of freedom: 318,310 at this rate.
        let two = Calibration::new(vec![0.1, 0.2]).unwrap().threshold(rate(LOWEST_RATE)).unwrap();
        assert!(two.value > 25_000.0 && two.value.is_finite(), "{}", two.value);
        let text = serde_json::to_string(&two).unwrap();
        assert_eq!(serde_json::from_str::<Threshold>(&text).unwrap(), two);
        let broken = text.replace(&format!("\"value\":{}", two.value), "\"value\":1e39");
        assert!(broken != text && serde_json::from_str::<Threshold>(&broken).is_err());
        for scores in [vec![3e38], vec![0.0, 3e38], vec![f32::MAX; 400]] {
            let error = Calibration::new(scores).unwrap().threshold(rate(0.01)).unwrap_err();
            assert!(matches!(error, Error::EndlessThreshold { .. }), "{error}");
        }
    }

    #[test]
    fn lower_rates_of_earlier_programs_can_be_read() {
        assert_eq!(serde_json::from_str::<FalseRejectRate>("1e-9").unwrap().get(), 1e-9);
        // 1 less this is 1, whose quantile is no number.
        let lowest = FalseRejectRate(1e-17);
        let few = Calibration::new(vec![0.14, 0.10, 0.12]).unwrap();
        assert!(matches!(few.threshold(lowest), Err(Error::EndlessThreshold { .. })));
    }

    #[test]
    fn bounds_are_rounded_up() {
        for (share, text) in
            [(1.0, "100 %"), (0.0099712, "0.998 %"), (0.25, "25 %"), (0.3122, "31.3 %")]
        {
            assert_eq!(percent_up(share), text);
        }
    }

    #[test]
    fn what_is_said_names_the_assumption() {
        let few = Calibration::new(vec![0.14, 0.10, 0.12]).unwrap();
        let few = few.threshold(rate(0.01)).unwrap();
        assert_eq!(
            few.to_string(),
            "0.2808, for a false-reject rate of 1 % ASSUMING normally distributed scores, as 3 \
             calibration images are too few to promise it (299 would do): none of 3 calibration \
             images reach it, so at most 63.2 % of good images do, with 95 % confidence whatever \
             the distribution, and 25 % on average"
        );
        let many = Calibration::new((0..500).map(|i| i as f32).collect()).unwrap();
        assert_eq!(
            many.threshold(rate(0.01)).unwrap().to_string(),
            "498.0000, for a false-reject rate of at most 1 %: at most 1 of 500 calibration images \
             reach it, so at most 0.946 % of good images do, with 95 % confidence whatever the \
             distribution, and 0.4 % on average"
        );
    }
}
