//! Plain requests: photos in, verdicts out.

pub(crate) mod inspect;
pub(crate) mod models;
mod parts;

use axum::http::StatusCode;

use crate::answer::{Answer, file};
use crate::call::Call;
use crate::metrics::CONTENT_TYPE;

/// What is measured.
pub(crate) async fn metrics(call: Call) -> Answer {
    let text = call.shared.metrics.text(&call.shared.snapshot());
    Ok(file(StatusCode::OK, CONTENT_TYPE, text.into()))
}
