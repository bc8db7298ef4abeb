//! JPEG files: what their headers say, and which decoder reads them rightly.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use jpeg_decoder::PixelFormat;

use crate::decode::{DecodeOptions, by_image, exif_orientation};
use crate::error::ImageError;
use crate::limits::Limits;
use crate::source::Source;

/// What stands in the frame header and in that of the first scan.
struct Frame {
    /// The marker's second byte: 0xC0 baseline, 0xC1 extended, 0xC2 progressive.
    kind: u8,
    precision: u8,
    width: u16,
    height: u16,
    components: u8,
    /// Components of the first scan.
    in_first_scan: u8,
    /// Where the first scan begins.
    scan: usize,
}

/// Decodes a photo, and tells its orientation as Exif numbers it.
pub(crate) fn decode(
    source: Source<'_>,
    options: &DecodeOptions,
) -> Result<(DynamicImage, u8), ImageError> {
    let limits = &options.limits;
    let frame = Frame::read(source.bytes)
        .ok_or_else(|| source.corrupt("the JPEG file ends before its first row"))?;
    frame.check(source)?;
    let size = (u32::from(frame.width), u32::from(frame.height));
    limits.check_pixels(size, source.name)?;
    // A decoder fills what is missing with grey, and half a photo of a part must not be inspected
    // as if it were whole.
    if !source.bytes[frame.scan..].windows(2).any(|two| two == [0xFF, 0xD9]) {
        return Err(source.corrupt("the JPEG file ends before its last row"));
    }
    let samples = u64::from(size.0) * u64::from(size.1) * u64::from(frame.components);
    // Of a progressive file all coefficients are kept, two bytes each.
    let kept = if frame.kind == 0xC2 { 2 } else { 1 };
    limits.check_bytes(samples * kept, source.name)?;
    if frame.kind != 0xC2 && frame.in_first_scan < frame.components {
        separate_scans(source, &frame, limits)
    } else {
        by_image(source, ImageFormat::Jpeg, options)
    }
}

impl Frame {
    /// Reads the segments before the first scan; `None` if it is not reached.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut frame = None;
        let mut at = 2;
        loop {
            let (&[before, kind], rest) = bytes.get(at..)?.split_first_chunk::<2>()?;
            // Bytes may fill the gap before a marker, and 0xFF any number of times.
            if before != 0xFF || matches!(kind, 0 | 0xFF) {
                at += 1;
                continue;
            }
            if matches!(kind, 0x01 | 0xD0..=0xD8) {
                at += 2;
                continue;
            }
            let (&length, body) = rest.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(length));
            match (kind, body) {
                (
                    0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF,
                    &[precision, h1, h0, w1, w0, components, ..],
                ) => {
                    let height = u16::from_be_bytes([h1, h0]);
                    let width = u16::from_be_bytes([w1, w0]);
                    frame = Some((kind, precision, width, height, components));
                }
                (0xDA, &[in_first_scan, ..]) => {
                    let (kind, precision, width, height, components) = frame?;
                    let scan = at;
                    return Some(Self {
                        kind,
                        precision,
                        width,
                        height,
                        components,
                        in_first_scan,
                        scan,
                    });
                }
                (0xD9, _) => return None,
                _ => {}
            }
            at += 2 + length.max(2);
        }
    }

    fn check(&self, source: Source<'_>) -> Result<(), ImageError> {
        let reason = match self.kind {
            0xC0..=0xC2 if self.precision != 8 => format!("{}-bit JPEG", self.precision),
            0xC0..=0xC2 if !matches!(self.components, 1 | 3 | 4) => {
                format!("JPEG of {} components", self.components)
            }
            0xC0..=0xC2 if self.height == 0 => "JPEG that states its height at its end".to_owned(),
            0xC0..=0xC2 if self.width == 0 => return Err(source.corrupt("it has no pixels")),
            0xC0..=0xC2 => return Ok(()),
            0xC3 | 0xC7 => "lossless JPEG".to_owned(),
            0xC9..=0xCB => "JPEG with arithmetic coding".to_owned(),
            kind => format!("hierarchical JPEG, kind {kind:#X}"),
        };
        Err(source.unsupported(reason))
    }
}

/// Decodes a sequential file whose components come one after another. The decoder used for all
/// others takes each scan for the whole picture, and returns stripes or plain grey.
fn separate_scans(
    source: Source<'_>,
    frame: &Frame,
    limits: &Limits,
) -> Result<(DynamicImage, u8), ImageError> {
    let translate = |error: jpeg_decoder::Error| match error {
        jpeg_decoder::Error::Unsupported(feature) => source.unsupported(format!("{feature:?}")),
        error => source.corrupt(error.to_string()),
    };
    let mut decoder = jpeg_decoder::Decoder::new(Cursor::new(source.bytes));
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.max_bytes).unwrap_or(usize::MAX));
    let samples = decoder.decode().map_err(translate)?;
    let orientation = decoder.exif_data().map_or(1, exif_orientation);
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let image = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::L8) => GrayImage::from_raw(width, height, samples).map(Into::into),
        Some(PixelFormat::RGB24) => RgbImage::from_raw(width, height, samples).map(Into::into),
        _ => return Err(source.unsupported("CMYK JPEG in separate scans")),
    };
    let image = image.ok_or_else(|| source.corrupt("it has too few pixels"))?;
    Ok((image, orientation))
}
