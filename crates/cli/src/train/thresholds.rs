//! What a model's threshold would be for other false-reject rates.

use anyhow::Result;
use efficientad::{Basis, FalseRejectRate, Model, Threshold};

/// Rates that people ask for.
const RATES: [f64; 3] = [0.01, 0.02, 0.05];

/// The thresholds for these rates but for the model's own; none without calibration scores.
///
/// # Errors
/// When no number is high enough for one.
pub fn at_other_rates(model: &Model) -> Result<Vec<Threshold>> {
    let Some(scores) = model.calibration() else { return Ok(Vec::new()) };
    let rates = RATES.into_iter().filter_map(FalseRejectRate::new);
    let thresholds = rates.map(|rate| scores.threshold(rate)).collect::<Result<Vec<_>, _>>()?;
    let own = model.info().threshold.as_ref();
    Ok(thresholds.into_iter().filter(|threshold| own != Some(threshold)).collect())
}

/// Tells one of them, and what it rests on.
pub fn line(threshold: &Threshold) -> String {
    let Threshold { value, basis, images, images_needed, .. } = threshold;
    let rate = threshold.false_reject.map_or_else(String::new, |rate| rate.to_string());
    let needed = images_needed.unwrap_or_default();
    let why = match basis {
        Basis::DistributionFree => format!("which {images} calibration images promise"),
        Basis::SingleImage => {
            format!("arbitrarily, from one calibration image; {needed} would promise it")
        }
        Basis::OnAverage => {
            format!("which {images} calibration images show on average; {needed} would promise it")
        }
        Basis::Tail => format!(
            "assuming that scores fall off beyond those of {images} calibration images as below; {needed} \
             would promise it"
        ),
        Basis::Normal | Basis::Given => format!(
            "assuming normally distributed scores; {needed} calibration images would promise it, there \
             are {images}"
        ),
    };
    format!("at {rate} instead (--false-reject) it would be {value:.4}, {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad::Calibration;

    #[test]
    fn a_line_says_what_the_threshold_rests_on() {
        let line_of = |images: usize, rate: f64| {
            let scores = (0..images).map(|score| score as f32).collect();
            let rate = FalseRejectRate::new(rate).unwrap();
            line(&Calibration::new(scores).unwrap().threshold(rate).unwrap())
        };
        let promised = "at 5 % instead (--false-reject) it would be 58.0000, which 59 calibration images promise";
        assert_eq!(line_of(59, 0.05), promised);
        let shown = line_of(58, 0.05);
        assert!(
            shown.ends_with("which 58 calibration images show on average; 59 would promise it"),
            "{shown}"
        );
        let assumed = line_of(15, 0.05);
        assert!(
            assumed.ends_with("assuming normally distributed scores; 59 calibration images would promise it, there are 15"),
            "{assumed}"
        );
        assert!(line_of(1, 0.02).contains("arbitrarily"));
    }
}
