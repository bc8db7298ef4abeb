//! Photos of a form (`multipart/form-data`).

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use multer::Multipart;

use crate::call::{Call, memory_full};
use crate::inspecting::{Content, Photo};
use crate::refusal::Refusal;

/// The boundary of a form; `None` if a type is that of none.
pub(super) fn boundary(content_type: Option<&str>) -> Option<Result<String, Refusal>> {
    let content_type = content_type?;
    let is_form = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/");
    is_form.then(|| multer::parse_boundary(content_type).map_err(|error| not_a_form(&error)))
}

/// The photos of a form: all its parts that hold bytes.
pub(super) async fn photos(
    call: &Call,
    body: Bytes,
    boundary: String,
) -> Result<Vec<Photo>, Refusal> {
    let limits = &call.shared.limits;
    // The parts are copies: they and the body are in memory for a moment.
    let copies = call.shared.budget.reserve(body.len()).ok_or_else(memory_full)?;
    let copies = Arc::new(copies);
    let mut form = Multipart::new(Body::from(body).into_data_stream(), boundary);
    let mut photos = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|error| not_a_form(&error))? {
        if photos.len() == limits.photos {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_many_photos",
                format!(
                    "a request may have {} photos at most: send several requests",
                    limits.photos
                ),
            ));
        }
        let name = part.file_name().or(part.name()).unwrap_or(super::inspect::UNNAMED).to_owned();
        let bytes = part.bytes().await.map_err(|error| not_a_form(&error))?;
        photos.push(Photo { name, content: Content::File(bytes) }.holding(&copies));
    }
    if photos.is_empty() {
        return Err(Refusal::bad_request(
            "there is no photo in the form: send each as a part, as `curl --form photo=@part.jpg` does",
        ));
    }
    Ok(photos)
}

fn not_a_form(error: &multer::Error) -> Refusal {
    Refusal::bad_request(format!(
        "the body is no multipart/form-data as its type says ({error}): send a form, or one photo as it is"
    ))
}
