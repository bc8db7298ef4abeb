//! PBM, PGM and PPM files, as text and binary.

use image::{DynamicImage, GrayImage, ImageBuffer, RgbImage};

use crate::decode::Decoded;
use crate::error::ImageError;
use crate::limits::Limits;
use crate::source::Source;

/// Whether bytes start as a PNM file does; PAM (`P7`) is another format.
pub(crate) fn is_pnm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'6', next, ..] if next.is_ascii_whitespace() || *next == b'#')
}

/// Decodes the first picture of a file.
pub(crate) fn decode(source: Source<'_>, limits: &Limits) -> Result<Decoded, ImageError> {
    let kind = source.part(1, 1)?[0];
    let mut text = Text { source, at: 2 };
    let (width, height) = (text.number()?, text.number()?);
    limits.check_pixels((width, height), source.name)?;
    if width == 0 || height == 0 {
        return Err(source.corrupt("it has no pixels"));
    }
    let is_bitmap = matches!(kind, b'1' | b'4');
    let largest = match if is_bitmap { 1 } else { text.number()? } {
        largest @ 1..=65_535 => largest as u16,
        other => return Err(source.corrupt(format!("its largest sample is {other}"))),
    };
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    let count = u64::from(width) * u64::from(height) * channels;
    let start = text.at as u64 + 1;
    if largest == 255 && matches!(kind, b'5' | b'6') {
        limits.check_bytes(count, source.name)?;
        let bytes = source.part(start, count)?.to_vec();
        return decoded(eight_bits(bytes, (width, height), channels), u16::MAX, source);
    }
    limits.check_bytes(count.saturating_mul(2), source.name)?;
    // Text takes at least a byte for each sample.
    let row_bytes = u64::from(width.div_ceil(8));
    let samples: Vec<u16> = match kind {
        b'1' if source.part(start, count - 1).is_ok() => {
            (0..count).map(|_| text.bit()).collect::<Result<_, _>>()?
        }
        b'2' | b'3' if source.part(start, count).is_ok() => {
            (0..count).map(|_| text.sample()).collect::<Result<_, _>>()?
        }
        b'4' => bits(source.part(start, row_bytes * u64::from(height))?, width),
        b'5' | b'6' if largest < 256 => {
            source.part(start, count)?.iter().map(|&byte| byte.into()).collect()
        }
        b'5' | b'6' => {
            let (pairs, _) = source.part(start, 2 * count)?.as_chunks::<2>();
            pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect()
        }
        _ => return Err(source.corrupt("it ends too early")),
    };
    if let Some(sample) = samples.iter().find(|&&sample| sample > largest) {
        return Err(source.corrupt(format!("a sample of {sample} is above its largest, {largest}")));
    }
    if largest > 255 {
        let image = match channels {
            3 => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageRgb16),
            _ => ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma16),
        };
        return decoded(image, largest, source);
    }
    let spread = |sample: u16| {
        let byte = (sample * 255 + largest / 2) / largest;
        // In a bitmap 1 is black.
        if is_bitmap { 255 - byte as u8 } else { byte as u8 }
    };
    let bytes = samples.into_iter().map(spread).collect();
    decoded(eight_bits(bytes, (width, height), channels), u16::MAX, source)
}

fn eight_bits(bytes: Vec<u8>, (width, height): (u32, u32), channels: u64) -> Option<DynamicImage> {
    match channels {
        3 => RgbImage::from_raw(width, height, bytes).map(Into::into),
        _ => GrayImage::from_raw(width, height, bytes).map(Into::into),
    }
}

fn decoded(
    image: Option<DynamicImage>,
    largest: u16,
    source: Source<'_>,
) -> Result<Decoded, ImageError> {
    let image = image.ok_or_else(|| source.corrupt("it has too few pixels"))?;
    Ok(Decoded { image, largest })
}

/// Rows of bits, the first pixel in the highest, each row filled up to a byte.
fn bits(bytes: &[u8], width: u32) -> Vec<u16> {
    let bit = |row: &[u8], x: usize| u16::from(row[x / 8] >> (7 - x % 8) & 1);
    let rows = bytes.chunks_exact(width.div_ceil(8) as usize);
    rows.flat_map(|row| (0..width as usize).map(move |x| bit(row, x))).collect()
}

/// Numbers between spaces and comments.
struct Text<'a> {
    source: Source<'a>,
    at: usize,
}

impl Text<'_> {
    /// The next byte that is neither space nor comment.
    fn next(&mut self) -> Result<u8, ImageError> {
        loop {
            match self.source.bytes.get(self.at) {
                None => return Err(self.source.corrupt("it ends too early")),
                Some(b'#') => {
                    let rest = &self.source.bytes[self.at..];
                    self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                }
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                Some(&byte) => return Ok(byte),
            }
        }
    }

    fn number(&mut self) -> Result<u32, ImageError> {
        self.next()?;
        let rest = &self.source.bytes[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse().ok());
        self.at += digits;
        number.ok_or_else(|| self.source.corrupt("a number is missing or too large"))
    }

    fn sample(&mut self) -> Result<u16, ImageError> {
        u16::try_from(self.number()?).map_err(|_| self.source.corrupt("a sample is too large"))
    }

    /// A digit of a bitmap, which needs no space after it.
    fn bit(&mut self) -> Result<u16, ImageError> {
        let digit = self.next()?;
        self.at += 1;
        match digit {
            b'0' | b'1' => Ok(u16::from(digit - b'0')),
            _ => Err(self.source.corrupt("a bitmap holds other digits than 0 and 1")),
        }
    }
}
