//! From which image score on a part is anomalous, and what that promises (`docs/decisions.md`).

mod choice;
mod rate;

pub use rate::FalseRejectRate;

use crate::calibration::{Calibration, MAX_CALIBRATION_IMAGES};
use crate::error::Error;
use choice::Choice;
use efficientad_metrics::rate_upper_bound;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Confidence of all that a threshold promises without an assumption.
pub const CONFIDENCE: f64 = 0.95;

/// Why a threshold is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// An order statistic of the calibration scores: it keeps the wished rate with the stated
    /// confidence, whatever the scores' distribution.
    DistributionFree,
    /// An order statistic of the calibration scores that keeps the rate on average, whatever the scores'
    /// distribution: no rate was wished, or there are too few calibration images for more confidence.
    OnAverage,
    /// There are too few images for either: beyond the highest scores, where they would be if they went
    /// on to fall off as they do below (a Pareto tail), and never below the largest score.
    Tail,
    /// There are too few images to see how scores fall off: the prediction bound that keeps the wished
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
        Ok(Self::new(Choice { value, basis, above }, false_reject, images))
    }
}

impl Threshold {
    fn new(choice: Choice, false_reject: Option<FalseRejectRate>, images: usize) -> Self {
        let Choice { value, basis, above } = choice;
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
        let (above, images) = calibration.map_or((0, 0), |calibration| {
            (calibration.count_at_or_above(value), calibration.scores().len())
        });
        Self::new(Choice { value, basis: Basis::Given, above }, None, images)
    }

    /// The lowest threshold whose bound is `rate` at most; where even the largest score is too low
    /// for that, the one that the scores show or suggest ([`Basis`]).
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is high enough.
    pub(crate) fn for_rate(
        rate: FalseRejectRate,
        calibration: &Calibration,
    ) -> Result<Self, Error> {
        Self::chosen(Choice::for_rate(rate, calibration.scores()), rate, calibration)
    }

    /// The threshold where no rate is wished: of [`FalseRejectRate::default`], on average.
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is high enough.
    pub(crate) fn usual(calibration: &Calibration) -> Result<Self, Error> {
        let rate = FalseRejectRate::default();
        Self::chosen(Choice::on_average(rate, calibration.scores()), rate, calibration)
    }

    fn chosen(
        choice: Choice,
        rate: FalseRejectRate,
        calibration: &Calibration,
    ) -> Result<Self, Error> {
        if !choice.value.is_finite() {
            return Err(Error::EndlessThreshold { rate });
        }
        Ok(Self::new(choice, Some(rate), calibration.scores().len()))
    }
}

/// The largest share of good images that can lie above the threshold that `above` of `images`
/// calibration images reach, with confidence.
///
/// The share above the k-th largest of n independent scores has a beta distribution, with
/// parameters k and n + 1 − k, if scores are never equal; where they are, it is smaller.
fn bound(above: usize, images: usize) -> f64 {
    rate_upper_bound(above as u64, images as u64, CONFIDENCE)
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
            Basis::OnAverage => {
                write!(f, ", for a false-reject rate of {rate} on average: {}", Promise(self))
            }
            Basis::Tail => write!(
                f,
                ", for a false-reject rate of {rate} ASSUMING that scores fall off beyond the highest of \
                 {images} calibration images as they do below ({needed} would promise it): {}",
                Promise(self)
            ),
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
    use super::rate::LOWEST_RATE;
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

        let negative = (0..50).map(|i| if i == 0 { 9.0 } else { -0.1 }).collect();
        let negative = Calibration::new(negative).unwrap().threshold(rate(0.01)).unwrap();
        assert_eq!((negative.value, negative.basis), (9.0_f32.next_up(), Basis::Normal));
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
        let lowest: FalseRejectRate = serde_json::from_str("1e-17").unwrap();
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
        let good = Calibration::new((1..=48).map(|i| 0.0125 * i as f32).collect()).unwrap();
        assert_eq!(
            good.usual_threshold().unwrap().to_string(),
            "0.5875, for a false-reject rate of 5 % on average: at most 1 of 48 calibration images reach it, so \
             at most 9.51 % of good images do, with 95 % confidence whatever the distribution, and 4.09 % on \
             average"
        );
        let tail = good.threshold(rate(0.01)).unwrap().to_string();
        let part = "of 1 % ASSUMING that scores fall off beyond the highest of 48 calibration images as they do \
                    below (299 would promise it)";
        assert!(tail.contains(part), "{tail}");
        let many = Calibration::new((0..500).map(|i| i as f32).collect()).unwrap();
        assert_eq!(
            many.threshold(rate(0.01)).unwrap().to_string(),
            "498.0000, for a false-reject rate of at most 1 %: at most 1 of 500 calibration images \
             reach it, so at most 0.946 % of good images do, with 95 % confidence whatever the \
             distribution, and 0.4 % on average"
        );
    }
}
