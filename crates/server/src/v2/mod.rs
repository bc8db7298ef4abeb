//! The Open Inference Protocol, version 2, over HTTP: what clients of Triton and KServe speak.

pub(crate) mod infer;
mod outputs;
pub(crate) mod repository;
mod tensors;

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use crate::answer::{self, Answer, empty};
use crate::call::Call;
use crate::refusal::Refusal;

/// The server's name in its metadata.
const NAME: &str = "efficientad";
/// What models are run by, as clients may know it.
pub(crate) const PLATFORM: &str = "efficientad";

/// When it is worth to ask again for what is not ready.
const NOT_READY: Duration = Duration::from_secs(1);

/// What the server is.
pub(crate) async fn server(_: Call) -> Answer {
    answer::json(&json!({
        "name": NAME,
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data", "model_repository"],
    }))
}

/// Whether the server answers at all.
pub(crate) async fn live(_: Call) -> Answer {
    Ok(empty(StatusCode::OK))
}

/// Whether more requests are welcome.
pub(crate) async fn ready(call: Call) -> Answer {
    if call.shared.is_ready() {
        return Ok(empty(StatusCode::OK));
    }
    let message = "the server reads its models, or ends: wait, or ask another one";
    Err(Refusal::busy("not_ready", message, NOT_READY))
}

/// What a model takes and gives. It is read if it is not in memory.
pub(crate) async fn model(call: Call) -> Answer {
    let model = call.model().await?;
    let detector = &model.detector;
    let mut outputs = vec![outputs::SCORE.metadata()];
    if detector.threshold().is_some() {
        outputs.push(outputs::ANOMALOUS.metadata());
    }
    if detector.calibration().is_some() {
        outputs.push(outputs::P_VALUE.metadata());
    }
    outputs.extend([outputs::VERDICT.metadata(), outputs::MAP.metadata()]);
    let failure = call.shared.models.describe(&model.name)?.failure;
    answer::json(&json!({
        "name": model.name,
        "versions": [model.version()],
        "platform": PLATFORM,
        "inputs": [
            { "name": tensors::IMAGE, "datatype": "BYTES", "shape": [-1] },
            { "name": tensors::PIXELS, "datatype": "UINT8", "shape": [-1, -1, -1, 3] },
        ],
        "outputs": outputs,
        "parameters": {
            "sha256": model.sha256,
            "threshold": detector.threshold(),
            "engine": detector.engine().to_string(),
            "remark": model.remark,
            "failure": failure,
        },
    }))
}

/// Whether requests for a model are answered.
pub(crate) async fn model_ready(call: Call) -> Answer {
    let model = call.shared.models.describe(call.parameter("model"))?;
    if let Some(loaded) = &model.loaded {
        call.check_version(loaded.version())?;
    }
    if model.is_ready() {
        return Ok(empty(StatusCode::OK));
    }
    let reason = model.failure.unwrap_or_else(|| "it was unloaded: load it".to_owned());
    Err(Refusal::busy("model_not_ready", format!("{}: {reason}", model.name), NOT_READY))
}
