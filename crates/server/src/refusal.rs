//! Why a request is not answered as it asks: a status, and a text that names the reason and what helps.

use std::time::Duration;

use axum::http::StatusCode;
use efficientad_evaluation::InspectError;
use efficientad_images::ImageError;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    /// The reason as a word for programs.
    pub code: &'static str,
    /// The reason for people, and what helps.
    pub message: String,
    /// When it is worth to try again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// The request is not as it should be.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// The server can't do it now.
    pub(crate) fn busy(code: &'static str, message: impl Into<String>, after: Duration) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        Self { retry_after: Some(after), ..refusal }
    }

    /// The server itself is at fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// What a photo came to that has no verdict.
    pub(crate) fn of_photo(error: &InspectError) -> Self {
        let (status, code) = match error {
            InspectError::Image(image) | InspectError::Pixels { source: image, .. } => {
                of_image(image)
            }
            InspectError::Detector { source, .. } => of_detector(source),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "photo"),
        };
        Self::new(status, code, with_options(&error.to_string()))
    }
}

fn of_image(error: &ImageError) -> (StatusCode, &'static str) {
    use ImageError::{NotAnImage, SideTooLong, TooManyBytes, TooManyPixels, Unsupported};
    match error {
        NotAnImage { .. } | Unsupported { .. } => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "photo_format")
        }
        TooManyPixels { .. } | SideTooLong { .. } | TooManyBytes { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "photo_too_large")
        }
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "photo_damaged"),
    }
}

fn of_detector(error: &efficientad::Error) -> (StatusCode, &'static str) {
    use efficientad::Error;
    match error {
        Error::TooMuchMemory { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "photo_too_large"),
        Error::Region(_) | Error::UnseenRegion | Error::View(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "photo_shape")
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "inspection"),
    }
}

/// What the libraries call options, and what the program that serves calls them.
const OPTIONS: [(&str, &str); 5] = [
    ("Limits::max_pixels", "--max-pixels of the server"),
    ("Limits::max_bytes", "--max-pixels of the server"),
    ("Limits::max_side", "--max-side of the server"),
    ("DecodeOptions::bits", "--bits of the server"),
    ("DecodeOptions::range", "--range of the server"),
];

/// A text of a library with options as they are called here.
pub(crate) fn with_options(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}
