//! WebP files: what their chunks claim.

use crate::error::ImageError;
use crate::limits::Limits;
use crate::source::Source;

/// Bytes of a chunk's kind and length.
const HEAD: u64 = 8;
/// Bytes of a frame's place and size, before its own chunks.
const FRAME_HEAD: u64 = 16;

/// Refuses a file with a chunk that does not lie in it, or with a frame beyond the limits: the decoder takes memory for a
/// frame before it compares its size with the picture's. Returns the file without what lies behind its stated end, where
/// the decoder goes on, and the orientation, as Exif numbers it: the decoder would take memory for whatever it took for a
/// chunk of metadata.
pub(crate) fn check<'a>(
    source: Source<'a>,
    limits: &Limits,
) -> Result<(Source<'a>, u8), ImageError> {
    let end = HEAD + number(source, 4)?;
    let source = Source { bytes: source.part(0, end)?, ..source };
    let mut orientation = None;
    let mut at = 12;
    while at + HEAD <= end {
        let length = number(source, at + 4)?;
        let content = source.part(at + HEAD, length)?;
        match source.part(at, 4)? {
            b"VP8 " => check_frame(content, source, limits)?,
            b"ANMF" => check_animated(content, source, limits)?,
            b"EXIF" => orientation = orientation.or(Some(crate::decode::exif_orientation(content))),
            _ => {}
        }
        at += HEAD + length + length % 2;
    }
    Ok((source, orientation.unwrap_or(1)))
}

/// The chunks in a frame of an animation, as far as they hang together.
fn check_animated(frame: &[u8], file: Source<'_>, limits: &Limits) -> Result<(), ImageError> {
    let source = Source { bytes: frame, name: file.name };
    let mut at = FRAME_HEAD;
    while let (Ok(kind), Ok(length)) = (source.part(at, 4), number(source, at + 4)) {
        if kind == b"VP8 " {
            let content = frame.get((at + HEAD) as usize..).unwrap_or_default();
            check_frame(content, source, limits)?;
        }
        at += HEAD + length + length % 2;
    }
    Ok(())
}

/// Checks the size that a lossy frame states behind its start code.
fn check_frame(frame: &[u8], source: Source<'_>, limits: &Limits) -> Result<(), ImageError> {
    let &[_, _, _, _, _, _, w0, w1, h0, h1, ..] = frame else {
        return Err(source.corrupt("a frame ends too early"));
    };
    // The two highest bits ask for a larger display.
    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3FFF);
    limits.check_pixels((side([w0, w1]), side([h0, h1])), source.name)
}

fn number(source: Source<'_>, at: u64) -> Result<u64, ImageError> {
    let bytes = source.part(at, 4)?;
    Ok(u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
}
