//! Taking a threshold from photos that were marked, or from a folder.

use efficientad::FalseRejectRate;
use efficientad_jobs::{CalibratePlan, JobError, calibrate};
use efficientad_record::ChangeKind;
use serde_json::json;

use super::board::Ending;
use super::request::Calibrate;
use super::telling::Telling;
use super::train::{because, fingerprint};
use super::{Outcome, Work, refused, told};
use crate::decide::promise;
use crate::desk::lock;
use crate::parts::Shelf;

pub(super) fn run(work: &Work<'_>, request: &Calibrate) -> Outcome {
    let shop = work.shop;
    let part = shop.parts.part(&request.part).map_err(refused)?;
    let because = because(work)?;
    let (good, surely_good) = match &request.folder {
        Some(folder) => (shop.parts.below(folder).map_err(refused)?, request.surely_good),
        // Somebody said that they are.
        None => (part.file(Shelf::Good.folder()), true),
    };
    let defects = part.file(Shelf::Defect.folder());
    let (_, engine) = shop.engines()?;
    let model = shop.model_file(&part.name);
    let plan = CalibratePlan {
        model: model.clone(),
        out: None,
        good: vec![good],
        surely_good,
        defects: (!part.photos(Shelf::Defect).is_empty()).then_some(defects),
        reading: shop.reading,
        false_reject: request.false_reject.map(FalseRejectRate::try_from).transpose()?,
        engine,
    };
    let before = (fingerprint(&model), threshold_of(&model));
    let mut telling = Telling::new(work);
    let changing = lock(&shop.changing);
    let calibrated = match calibrate(&plan, &mut |event| telling.take(&event)) {
        Ok(calibrated) => calibrated,
        Err(JobError::Cancelled) => return Ok(Ending::Stopped),
        Err(error) => return Err(told(error)),
    };
    drop(changing);
    let threshold = &calibrated.report.threshold;
    let change = (before.1, Some(threshold.value.to_string()));
    shop.record(&because, &part.name, ChangeKind::Threshold, change)?;
    shop.record(&because, &part.name, ChangeKind::Model, (before.0, fingerprint(&model)))?;
    Ok(Ending::Done(json!({
        "threshold": promise(threshold),
        "defects": calibrated.report.defects,
        "failed": calibrated.report.failed,
    })))
}

/// A model's threshold as text.
fn threshold_of(model: &std::path::Path) -> Option<String> {
    let model = efficientad::Model::open(model).ok()?;
    model.info().threshold.as_ref().map(|threshold| threshold.value.to_string())
}
