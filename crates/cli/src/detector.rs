//! A model ready to judge, as the command line asks for it.

use std::path::Path;

use anyhow::{Context, Result};
use efficientad::{Detector, Model};

use crate::args::{CpuArgs, ThresholdArgs};
use crate::machine;
use crate::output::note;

/// Opens a model with the threshold that is asked for; a false-reject rate is answered by a line on
/// the error output that tells what is promised.
///
/// # Errors
/// When the file is no model, has no scores to take a threshold from, or threads can't be started.
pub fn open(model: &Path, threshold: &ThresholdArgs, cpu: &CpuArgs) -> Result<Detector> {
    machine::return_freed_memory();
    let mut detector = Detector::new(&Model::open(model)?, machine::cpu(cpu)?)?;
    if let Some(threshold) = threshold.threshold {
        detector.set_threshold(threshold);
    }
    if let Some(rate) = threshold.false_reject {
        detector.set_false_reject(rate).with_context(|| model.display().to_string())?;
        detector
            .guarantee()
            .into_iter()
            .for_each(|promise| note(format_args!("threshold {promise}")));
    }
    Ok(detector)
}
