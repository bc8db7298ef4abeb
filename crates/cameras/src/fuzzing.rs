//! What changed input is tried on (`crates/fuzzing`); no part of the interface.

use crate::http::{Parts, boundary};

/// Reads all parts of a stream, as a camera of kind `mjpeg` does; whether there is one.
pub fn read_parts(content_type: &str, stream: &[u8], max_body_bytes: u64) -> bool {
    let Some(boundary) = boundary(content_type) else { return false };
    let mut parts = Parts::new(stream, boundary, max_body_bytes);
    let mut is_any = false;
    while let Ok(part) = parts.next() {
        assert!(part.body.len() as u64 <= max_body_bytes, "a frame is larger than it may be");
        is_any = true;
    }
    is_any
}
