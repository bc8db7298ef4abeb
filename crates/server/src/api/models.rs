//! Which models there are.

use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::models::Description;

/// All models.
pub(crate) async fn list(call: Call) -> Answer {
    let models: Vec<Value> = call.shared.models.list().iter().map(summary).collect();
    answer::json(&json!({ "models": models }))
}

/// One model, with all that its file says about it, if it is in memory.
pub(crate) async fn show(call: Call) -> Answer {
    let model = call.shared.models.describe(call.parameter("model"))?;
    let mut document = summary(&model);
    let info = model.loaded.as_ref().map(|loaded| loaded.detector.info());
    document["info"] = json!(info);
    answer::json(&document)
}

fn summary(model: &Description) -> Value {
    let loaded = model.loaded.as_ref();
    json!({
        "name": model.name,
        "state": state(model),
        "version": loaded.map(|loaded| loaded.version()),
        "sha256": loaded.map(|loaded| &loaded.sha256),
        "threshold": loaded.and_then(|loaded| loaded.detector.threshold()),
        "engine": loaded.map(|loaded| loaded.detector.engine()),
        "remark": loaded.and_then(|loaded| loaded.remark.as_ref()),
        "failure": model.failure,
    })
}

/// Where a model is, in a word.
fn state(model: &Description) -> &'static str {
    match (&model.loaded, model.is_unloaded, &model.failure) {
        (Some(_), ..) => "loaded",
        (None, true, _) => "unloaded",
        (None, false, Some(_)) => "failed",
        (None, false, None) => "on_demand",
    }
}
