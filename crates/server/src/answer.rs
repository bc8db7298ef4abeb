//! Answers: JSON, files, and refusals in the form that their path has.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::refusal::Refusal;

/// What a request is answered by.
pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// Names the request in the log and in its answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) const JSON: &str = "application/json";

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    json_as(StatusCode::OK, value)
}

/// A value as JSON with a status.
pub(crate) fn json_as(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(status, JSON, text.into()))
}

/// Bytes of a type.
pub(crate) fn file(status: StatusCode, kind: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// An answer of nothing but its status.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A refusal as the Open Inference Protocol has it, or as the rest.
pub(crate) fn refused(refusal: &Refusal, is_v2: bool) -> Response<Body> {
    let Refusal { status, code, message, retry_after } = refusal;
    let document = if is_v2 { json!({ "error": message }) } else { error_document(code, message) };
    let mut response = file(*status, JSON, document.to_string().into());
    let headers = response.headers_mut();
    if let Some(after) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if *status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// `{"error": {"code": …, "message": …}}`
pub(crate) fn error_document(code: &str, message: &str) -> serde_json::Value {
    json!({ "error": { "code": code, "message": message } })
}
