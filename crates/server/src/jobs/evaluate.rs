//! Measuring how well a model works, with a report to be read and signed.

use efficientad::{Detector, Model};
use efficientad_evaluation::MaskReading;
use efficientad_jobs::{EvaluatePlan, JobError, evaluate};
use jiff::Timestamp;
use serde_json::json;

use super::board::Ending;
use super::request::Evaluate;
use super::telling::Telling;
use super::{Outcome, Work, refused, told};
use crate::parts::api::marked;
use crate::reports;

pub(super) fn run(work: &Work<'_>, request: &Evaluate) -> Outcome {
    let shop = work.shop;
    let part = shop.parts.part(&request.part).map_err(refused)?;
    let model = shop.model_file(&part.name);
    let (_, engine) = shop.engines()?;
    let detector = Detector::new(&Model::open(&model).map_err(told)?, engine).map_err(told)?;
    let time = Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let name = format!("{}-{time}", part.name);
    let plan = EvaluatePlan {
        model,
        dataset: match &request.folder {
            Some(folder) => shop.parts.below(folder).map_err(refused)?.into(),
            None => marked(&part),
        },
        reading: shop.reading,
        masks: MaskReading::default(),
        output: None,
        page: Some(reports::folder(shop.parts.data()).join(&name)),
    };
    let mut telling = Telling::new(work);
    match evaluate(&plan, &detector, &mut |event| telling.take(&event)) {
        Ok(evaluated) => Ok(Ending::Done(json!({
            "report": name,
            "image_auroc": evaluated.report.overall.image_auroc,
        }))),
        Err(JobError::Cancelled) => Ok(Ending::Stopped),
        Err(error) => Err(told(error)),
    }
}
