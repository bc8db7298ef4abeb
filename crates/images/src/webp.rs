//! WebP files: what their chunks claim.

use crate::error::ImageError;
use crate::source::Source;

/// Refuses a file with a chunk that does not lie in it: the decoder takes memory for a chunk of
/// metadata before it reads it.
pub(crate) fn check(source: Source<'_>) -> Result<(), ImageError> {
    let number = |at: u64| {
        let bytes = source.part(at, 4)?;
        Ok::<_, ImageError>(u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
    };
    let end = 8 + number(4)?;
    source.part(0, end.min(source.bytes.len() as u64 + 1))?;
    let mut at = 12;
    while at + 8 <= end {
        let length = number(at + 4)?;
        source.part(at + 8, length)?;
        at += 8 + length + length % 2;
    }
    Ok(())
}
