//! One strip or tile of a TIFF file, decompressed.

use std::io::Read;

use fax::decoder::{DecodeStatus, Group4Decoder};
use image::DynamicImage;

use super::layout::{Color, Compression, Layout, Predictor};
use crate::decode::DecodeOptions;
use crate::error::ImageError;
use crate::jpeg;
use crate::limits::Limits;
use crate::source::Source;

impl Layout<'_> {
    /// The first `rows` rows of a chunk as they would lie uncompressed, differences summed up.
    pub fn chunk_bytes(
        &self,
        index: usize,
        rows: u32,
        source: Source<'_>,
        limits: &Limits,
    ) -> Result<Vec<u8>, ImageError> {
        let length = self.row_bytes().saturating_mul(u64::from(rows));
        limits.check_bytes(length, source.name)?;
        let length = length as usize;
        let (start, stored) = self.places[index];
        let too_short = || source.corrupt("a strip or tile ends too early");
        let mut bytes = match self.compression {
            // Some writers state a wrong length for what is not compressed.
            Compression::None => source.part(start, length as u64)?.to_vec(),
            Compression::Lzw => lzw(source.part(start, stored)?, length, source)?,
            Compression::PackBits => {
                pack_bits(source.part(start, stored)?, length).ok_or_else(too_short)?
            }
            Compression::Deflate => {
                let mut bytes = vec![0; length];
                let mut reader = flate2::read::ZlibDecoder::new(source.part(start, stored)?);
                reader.read_exact(&mut bytes).map_err(|_| too_short())?;
                bytes
            }
            Compression::Jpeg => self.jpeg(source.part(start, stored)?, rows, source, limits)?,
            Compression::Fax4 => {
                let mut stored = source.part(start, stored)?.to_vec();
                if self.is_reversed {
                    reverse_bits(&mut stored);
                }
                return self.fax(&stored, rows, source);
            }
        };
        if self.is_reversed {
            reverse_bits(&mut bytes);
        }
        let row_bytes = self.row_bytes() as usize;
        match self.predictor {
            Predictor::None => {}
            Predictor::Horizontal => {
                bytes.chunks_exact_mut(row_bytes).for_each(|row| self.sum_up(row));
            }
            Predictor::FloatingPoint => {
                bytes.chunks_exact_mut(row_bytes).for_each(|row| self.join_floats(row));
            }
        }
        Ok(bytes)
    }

    /// Undoes horizontal differences, which run from pixel to pixel of a sample.
    fn sum_up(&self, row: &mut [u8]) {
        let step = self.chunk_samples();
        if self.bits == 8 {
            for at in step..row.len() {
                row[at] = row[at].wrapping_add(row[at - step]);
            }
            return;
        }
        let sample = |row: &[u8], at: usize| self.order.number(&row[2 * at..2 * at + 2]) as u16;
        for at in step..row.len() / 2 {
            let sum = sample(row, at).wrapping_add(sample(row, at - step));
            let bytes = match self.order {
                super::directory::Order::Little => sum.to_le_bytes(),
                super::directory::Order::Big => sum.to_be_bytes(),
            };
            row[2 * at..2 * at + 2].copy_from_slice(&bytes);
        }
    }

    /// Undoes the floating point predictor (Adobe's TIFF technical note 3): differences of bytes, all
    /// highest bytes of a row first. What it leaves is in the file's order of bytes.
    fn join_floats(&self, row: &mut [u8]) {
        let step = self.chunk_samples();
        for at in step..row.len() {
            row[at] = row[at].wrapping_add(row[at - step]);
        }
        let planes = row.to_vec();
        let count = row.len() / 4;
        for at in 0..count {
            for byte in 0..4 {
                let place = match self.order {
                    super::directory::Order::Big => byte,
                    super::directory::Order::Little => 3 - byte,
                };
                row[4 * at + place] = planes[byte * count + at];
            }
        }
    }

    /// A strip or tile that is a JPEG stream, with tables that it may share with the others.
    fn jpeg(
        &self,
        stored: &[u8],
        rows: u32,
        source: Source<'_>,
        limits: &Limits,
    ) -> Result<Vec<u8>, ImageError> {
        // Without a marker decoders guess what the three components are; the file knows.
        let is_ycc = u8::from(self.color == Color::YCbCr);
        let adobe = [0xFF, 0xEE, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, is_ycc];
        let mut stream = vec![0xFF, 0xD8];
        if self.chunk_samples() == 3 {
            stream.extend(adobe);
        }
        let tables = self.jpeg_tables.unwrap_or_default();
        let tables = tables.strip_prefix(&[0xFF, 0xD8]).unwrap_or(tables);
        stream.extend(tables.strip_suffix(&[0xFF, 0xD9]).unwrap_or(tables));
        stream.extend(stored.strip_prefix(&[0xFF, 0xD8]).unwrap_or(stored));
        let options = DecodeOptions { limits: *limits, ..DecodeOptions::default() };
        let stream = Source { bytes: &stream, name: source.name };
        let (image, _) = jpeg::decode(stream, &options)?;
        if image.width() != self.chunk.0 || image.height() < rows {
            return Err(source.corrupt("a JPEG strip or tile has another size than the file says"));
        }
        let mut bytes = match (image, self.chunk_samples()) {
            (DynamicImage::ImageLuma8(image), 1) => image.into_raw(),
            (DynamicImage::ImageRgb8(image), 3) => image.into_raw(),
            _ => return Err(source.unsupported("JPEG TIFF of more samples than RGB")),
        };
        bytes.truncate(self.row_bytes() as usize * rows as usize);
        Ok(bytes)
    }

    /// A strip of a fax: black is 1.
    fn fax(&self, stored: &[u8], rows: u32, source: Source<'_>) -> Result<Vec<u8>, ImageError> {
        let broken = || source.corrupt("a strip of the fax cannot be decoded");
        let width = u16::try_from(self.chunk.0)
            .map_err(|_| source.unsupported("a fax of more than 65,535 columns"))?;
        let mut bits = vec![0; self.row_bytes() as usize * rows as usize];
        let reader = stored.iter().map(|&byte| Ok::<_, std::convert::Infallible>(byte));
        let mut decoder = Group4Decoder::new(reader, width).map_err(|_| broken())?;
        for row in bits.chunks_exact_mut(self.row_bytes() as usize) {
            match decoder.advance() {
                Ok(DecodeStatus::Incomplete) => {}
                _ => return Err(broken()),
            }
            // Columns where the colour changes, from white to begin with.
            let mut edges = decoder.transition().iter().copied();
            while let Some(start) = edges.next() {
                let end = edges.next().unwrap_or(width).min(width);
                (start..end).for_each(|x| row[usize::from(x / 8)] |= 0x80 >> (x % 8));
            }
        }
        Ok(bits)
    }
}

fn lzw(stored: &[u8], length: usize, source: Source<'_>) -> Result<Vec<u8>, ImageError> {
    if stored.starts_with(&[0, 1]) {
        return Err(source.unsupported("TIFF compression 5, LZW in reverse order of bits"));
    }
    let mut decoder = weezl::decode::Configuration::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
        .with_yield_on_full_buffer(true)
        .build();
    let mut bytes = vec![0; length];
    let (mut read, mut written) = (0, 0);
    while written < length {
        let result = decoder.decode_bytes(&stored[read..], &mut bytes[written..]);
        read += result.consumed_in;
        written += result.consumed_out;
        let is_stuck = result.consumed_in == 0 && result.consumed_out == 0;
        if result.status.is_err() || is_stuck {
            return Err(source.corrupt("a strip or tile ends too early"));
        }
    }
    Ok(bytes)
}

fn pack_bits(mut stored: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let (&code, rest) = stored.split_first()?;
        stored = rest;
        match code as i8 {
            -128 => {}
            run @ ..0 => {
                let (&byte, rest) = stored.split_first()?;
                stored = rest;
                bytes.resize(bytes.len() + 1 + usize::from(run.unsigned_abs()), byte);
            }
            count => {
                let (part, rest) = stored.split_at_checked(count as usize + 1)?;
                stored = rest;
                bytes.extend_from_slice(part);
            }
        }
    }
    bytes.truncate(length);
    Some(bytes)
}

fn reverse_bits(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
}
