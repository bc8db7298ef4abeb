//! A model ready to judge, as the command line asks for it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use efficientad::{Arithmetic, Detector, EngineId, Model};

use crate::args::{EngineArgs, ThresholdArgs};
use crate::output::note;
use crate::{engine, machine};

/// What becomes of a model whose threshold promises nothing on an engine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdicts {
    /// It is refused: verdicts are what it is run for.
    Needed,
    /// It goes on without them.
    Optional,
}

/// Opens a model with the threshold that is asked for; a false-reject rate is answered by a line on
/// the error output that tells what is promised. So is another engine than the model was calibrated
/// with.
///
/// # Errors
/// When the file is no model or has no scores to take a threshold from, when verdicts are needed and
/// its threshold belongs to a higher precision, or when the engine can't be had.
pub fn open(
    model: &Path,
    threshold: &ThresholdArgs,
    engine: &EngineArgs,
    verdicts: Verdicts,
) -> Result<Detector> {
    machine::return_freed_memory();
    let file = model.display().to_string();
    let mut detector = Detector::new(&Model::open(model)?, engine::open(engine)?)?;
    if let Some(threshold) = threshold.threshold {
        detector.set_threshold(threshold);
    }
    if let Some(rate) = threshold.false_reject {
        detector.set_false_reject(rate).with_context(|| file.clone())?;
        detector
            .guarantee()
            .into_iter()
            .for_each(|promise| note(format_args!("threshold {promise}")));
    }
    let threshold = detector.threshold();
    match remark(detector.arithmetic(), &detector.engine(), threshold, verdicts) {
        Ok(Some(remark)) => note(remark),
        Ok(None) => {}
        Err(refusal) => bail!("{file}: {refusal}"),
    }
    Ok(detector)
}

/// What is to be said of a detector whose engine is not the one that its model was calibrated on.
pub fn remark_on_arithmetic(detector: &Detector) -> Option<String> {
    let threshold = detector.threshold();
    let remark = remark(detector.arithmetic(), &detector.engine(), threshold, Verdicts::Optional);
    remark.unwrap_or_else(Some)
}

/// What is to be said of scores that are not the model's calibration scores' kind; an error if
/// verdicts would mean nothing.
fn remark(
    arithmetic: &Arithmetic,
    engine: &EngineId,
    threshold: Option<f32>,
    verdicts: Verdicts,
) -> Result<Option<String>, String> {
    match arithmetic {
        Arithmetic::Same => Ok(None),
        Arithmetic::Other { calibrated } => Ok(Some(format!(
            "the model was calibrated by {calibrated}, and {engine} computes now: scores differ by \
             rounding, so that a part right at the threshold may be judged otherwise; `efficientad \
             calibrate` with the same options makes the promise one for this engine"
        ))),
        Arithmetic::LowerPrecision { calibrated }
            if threshold.is_none() && verdicts == Verdicts::Needed =>
        {
            Err(format!(
                "the model was calibrated by {calibrated}; {engine} is less precise, so that its \
                 threshold promises nothing here: calibrate the model on this engine (`efficientad \
                 calibrate` with the same options), or give --threshold"
            ))
        }
        Arithmetic::LowerPrecision { calibrated } => {
            let verdicts = match threshold {
                Some(_) => "nothing is promised of the threshold that is given",
                None => "there are no verdicts",
            };
            Ok(Some(format!(
                "the model was calibrated by {calibrated}, and {engine}, which is less precise, \
                 computes now: {verdicts}; `efficientad calibrate` with the same options takes \
                 scores and threshold anew"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad::Precision;

    fn engine(name: &str, precision: Precision) -> EngineId {
        EngineId { name: name.to_owned(), device: "device".to_owned(), precision }
    }

    #[test]
    fn a_lower_precision_judges_by_a_given_threshold_alone() {
        let calibrated = engine("a", Precision::F32);
        let arithmetic = Arithmetic::LowerPrecision { calibrated };
        let now = engine("b", Precision::F16);
        let remark = |threshold, verdicts| remark(&arithmetic, &now, threshold, verdicts);
        let refusal = remark(None, Verdicts::Needed).unwrap_err();
        for text in ["by a (device, f32); b (device, f16) is less precise", "or give --threshold"] {
            assert!(refusal.contains(text), "{refusal}");
        }
        let without = remark(None, Verdicts::Optional).unwrap().unwrap();
        assert!(without.contains("there are no verdicts"), "{without}");
        for verdicts in [Verdicts::Needed, Verdicts::Optional] {
            let given = remark(Some(1.0), verdicts).unwrap().unwrap();
            assert!(given.contains("nothing is promised"), "{given}");
        }
    }

    #[test]
    fn the_same_arithmetic_needs_no_remark() {
        let now = engine("a", Precision::F32);
        assert_eq!(remark(&Arithmetic::Same, &now, Some(1.0), Verdicts::Needed), Ok(None));
        let other = Arithmetic::Other { calibrated: engine("b", Precision::F32) };
        let told = remark(&other, &now, Some(1.0), Verdicts::Needed).unwrap().unwrap();
        assert!(told.contains("by b (device, f32), and a (device, f32) computes now"), "{told}");
    }
}
