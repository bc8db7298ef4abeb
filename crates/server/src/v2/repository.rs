//! Which models there are, and having them come and go.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::models::Description;
use crate::refusal::Refusal;

#[derive(Default, Deserialize)]
struct Index {
    #[serde(default)]
    ready: bool,
}

/// All models, or with `{"ready": true}` those in memory.
pub(crate) async fn index(mut call: Call) -> Answer {
    let body = call.read_body().await?;
    let index = if body.is_empty() {
        Index::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            Refusal::bad_request(format!("the body is not {{\"ready\": true or false}} ({error})"))
        })?
    };
    let models = call.shared.models.list();
    let models = models.iter().filter(|model| model.loaded.is_some() || !index.ready);
    answer::json(&models.map(entry).collect::<Vec<_>>())
}

fn entry(model: &Description) -> Value {
    let state = if model.loaded.is_some() { "READY" } else { "UNAVAILABLE" };
    let reason = match (&model.failure, model.is_unloaded) {
        (Some(failure), _) => failure.as_str(),
        (None, true) => "unloaded",
        (None, false) => "",
    };
    let version = model.loaded.as_ref().map(|loaded| loaded.version());
    json!({ "name": model.name, "version": version.unwrap_or(""), "state": state, "reason": reason })
}

/// Reads a model's file, anew if it is in memory.
pub(crate) async fn load(mut call: Call) -> Answer {
    refuse_content(&call.read_body().await?)?;
    call.shared.models.load(call.parameter("model")).await?;
    answer::json(&json!({}))
}

/// Has a model leave memory until it is loaded again.
pub(crate) async fn unload(mut call: Call) -> Answer {
    call.read_body().await?;
    call.shared.models.unload(call.parameter("model"))?;
    answer::json(&json!({}))
}

/// A client may send a configuration or files of a model, which would be passed over in silence.
fn refuse_content(body: &[u8]) -> Result<(), Refusal> {
    #[derive(Default, Deserialize)]
    struct Load {
        #[serde(default)]
        parameters: serde_json::Map<String, Value>,
    }
    let load = match body {
        [] => Load::default(),
        _ => serde_json::from_slice(body).map_err(|error| {
            Refusal::bad_request(format!("the body is no JSON object ({error})"))
        })?,
    };
    match load.parameters.keys().next() {
        None => Ok(()),
        Some(name) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "parameters",
            format!(
                "{name:?}: models are loaded as their files are; put another file into the folder of \
                 models instead"
            ),
        )),
    }
}
