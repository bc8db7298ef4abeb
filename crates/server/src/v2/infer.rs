//! `POST /v2/models/NAME/infer`: photos in, scores out.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::outputs::Asked;
use super::tensors::{Request, TensorHead, split};
use crate::answer::{Answer, JSON, file};
use crate::api::inspect::MODEL_VERSION;
use crate::budget::Reservation;
use crate::call::{Call, memory_full};
use crate::inspecting::{Inspected, Photo};
use crate::models::Loaded;
use crate::refusal::Refusal;

/// Bytes of the JSON that a body with bytes behind it begins with.
const HEAD_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
const BINARY: &str = "application/octet-stream";

/// What a request asks.
struct Question {
    id: Option<String>,
    photos: Vec<Photo>,
    asked: Asked,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    model_name: &'a str,
    model_version: &'a str,
    outputs: Vec<TensorHead>,
}

/// Judges photos; if one of them can't be, the request is refused as a whole.
pub(crate) async fn infer(mut call: Call) -> Answer {
    let model = call.model().await?;
    let body = call.read_body().await?;
    let head = call.header(&HEAD_LENGTH).map(str::to_owned);
    let (shared, taken) = (Arc::clone(&call.shared), Arc::clone(&model));
    let question = blocking(move || {
        let (json, binary) = split(&body, head.as_deref())?;
        let request = Request::parse(&json)?;
        let asked = Asked::of(&request.outputs, &request.parameters, &taken)?;
        // What stands in the JSON is copied.
        let copied = if binary.is_empty() { json.len() } else { 0 };
        let copies = Arc::new(shared.budget.reserve(copied).ok_or_else(memory_full)?);
        let photos = request.photos(&binary, shared.limits.photos)?;
        let photos = photos.into_iter().map(|photo| photo.holding(&copies)).collect();
        Ok(Question { photos, id: request.id, asked })
    });
    let Question { id, photos, asked } = question.await?;
    let order = call.order(Arc::clone(&model), asked.wanted());
    let outcomes = call.shared.pool.inspect(photos, &order).await?;
    let inspected = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    blocking(move || {
        let room = order.room_for_answer(inspected.iter())?;
        respond(id.as_deref(), &model, &asked, &inspected, room)
    })
    .await
}

/// Does what may take long off the threads of connections.
async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = spawn_blocking(task).await;
    done.unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))
}

fn respond(
    id: Option<&str>,
    model: &Loaded,
    asked: &Asked,
    photos: &[Inspected],
    room: Reservation,
) -> Answer {
    let (outputs, binary) = asked.tensors(photos)?;
    let response =
        Response { id, model_name: &model.name, model_version: model.version(), outputs };
    let mut body = serde_json::to_vec(&response).map_err(|it| Refusal::internal(it.to_string()))?;
    let (head, has_binary) = (body.len(), !binary.is_empty());
    body.extend(binary);
    let kind = if has_binary { BINARY } else { JSON };
    let mut response = file(StatusCode::OK, kind, room.hold(body));
    let headers = response.headers_mut();
    if has_binary {
        headers.insert(HEAD_LENGTH, HeaderValue::from(head));
    }
    if let Ok(version) = HeaderValue::from_str(model.version()) {
        headers.insert(MODEL_VERSION, version);
    }
    Ok(response)
}
