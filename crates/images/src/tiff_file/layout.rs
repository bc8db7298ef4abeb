//! How the pixels of a TIFF file lie in it, from its tags.

use super::directory::{Directory, Order};
use crate::error::ImageError;
use crate::limits::Limits;
use crate::source::Source;

/// How many times the most pixels of a picture its tiles may have in all, those beyond its edges included.
const MAX_PADDING: u64 = 4;

/// What the samples of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Color {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

impl Color {
    /// Samples that make up the colour; those after them are extra.
    pub fn samples(self) -> usize {
        match self {
            Self::WhiteIsZero | Self::BlackIsZero | Self::Palette => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Cmyk => 4,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
    Fax4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    Horizontal,
    FloatingPoint,
}

/// Everything that is needed to find and to read the pixels.
pub(super) struct Layout<'a> {
    pub width: u32,
    pub height: u32,
    pub color: Color,
    /// Bits of a sample: 1 to 16, or 32 for floating point.
    pub bits: u8,
    pub is_float: bool,
    /// All samples of a pixel, with the extra ones.
    pub samples: usize,
    /// Whether each sample has its own chunks.
    pub is_planar: bool,
    pub compression: Compression,
    pub predictor: Predictor,
    pub order: Order,
    /// Whether the first pixel of a byte is in its lowest bit.
    pub is_reversed: bool,
    /// Width and height of a strip or tile.
    pub chunk: (u32, u32),
    /// Start and length of the chunks in the file.
    pub places: Vec<(u64, u64)>,
    pub jpeg_tables: Option<&'a [u8]>,
    /// High bytes of the palette: all red entries, all green, all blue.
    pub palette: Vec<u8>,
    /// As Exif numbers them.
    pub orientation: u8,
}

impl<'a> Layout<'a> {
    /// Reads and checks the tags; what can't be read rightly is refused here.
    pub fn read(source: Source<'a>, limits: &Limits) -> Result<Self, ImageError> {
        let tags = Directory::first(source)?;
        if tags.has_further_pages() {
            return Err(source.unsupported(
                "TIFF of several pages, of which only the first would be judged; each needs a file of its own",
            ));
        }
        let one = |tag, default| tags.number(tag).map(|number| number.unwrap_or(default));
        let side = |tag| {
            let side = tags.number(tag)?.ok_or_else(|| source.corrupt("it states no size"))?;
            u32::try_from(side).map_err(|_| source.corrupt("its size is out of bounds"))
        };
        let (width, height) = (side(256)?, side(257)?);
        limits.check_pixels((width, height), source.name)?;
        if width == 0 || height == 0 {
            return Err(source.corrupt("it has no pixels"));
        }
        let compression = compression(one(259, 1)?, source)?;
        let color = color(tags.number(262)?, compression, source)?;
        let samples = one(277, 1)?;
        if samples < color.samples() as u64 || samples > 64 {
            return Err(source.unsupported(format!("{color:?} TIFF with {samples} samples")));
        }
        let samples = samples as usize;
        let (bits, is_float) = depth(&tags, samples, source)?;
        let is_planar = match one(284, 1)? {
            1 => false,
            2 => samples > 1,
            other => return Err(source.corrupt(format!("its planes are arranged as {other}"))),
        };
        let (chunk, is_tiled) = chunk_size(&tags, (width, height), source)?;
        let places = places(&tags, is_tiled, source)?;
        let layout = Self {
            width,
            height,
            color,
            bits,
            is_float,
            samples,
            is_planar,
            compression,
            predictor: predictor(one(317, 1)?, compression, source)?,
            order: tags.order,
            is_reversed: one(266, 1)? == 2,
            chunk,
            places,
            jpeg_tables: tags.bytes(347),
            palette: if color == Color::Palette { palette(&tags, bits, source)? } else { vec![] },
            orientation: u8::try_from(one(274, 1)?).unwrap_or(1),
        };
        layout.check_padding(source, limits)?;
        layout.check_combination(&tags, source)?;
        Ok(layout)
    }

    /// Chunks in a row, and in a plane.
    pub fn grid(&self) -> (usize, usize) {
        let across = self.width.div_ceil(self.chunk.0) as usize;
        (across, across * self.height.div_ceil(self.chunk.1) as usize)
    }

    /// Samples of a pixel that lie together in a chunk.
    pub fn chunk_samples(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Bytes of a row of pixels of a chunk.
    pub fn row_bytes(&self) -> u64 {
        let bits = u64::from(self.chunk.0) * self.chunk_samples() as u64 * u64::from(self.bits);
        bits.div_ceil(8)
    }

    /// Refuses tiles that are far larger than the picture: each of many would be decompressed for a few pixels.
    fn check_padding(&self, source: Source<'_>, limits: &Limits) -> Result<(), ImageError> {
        let stored = (self.grid().0 as u64).saturating_mul(u64::from(self.chunk.0));
        if stored.saturating_mul(u64::from(self.height))
            > MAX_PADDING.saturating_mul(limits.max_pixels)
        {
            return Err(source.corrupt("its tiles are far larger than the picture"));
        }
        Ok(())
    }

    fn check_combination(
        &self,
        tags: &Directory<'_>,
        source: Source<'_>,
    ) -> Result<(), ImageError> {
        let unsupported = |reason: String| Err(source.unsupported(reason));
        let planes = if self.is_planar { self.samples } else { 1 };
        if self.places.len() < self.grid().1 * planes {
            return Err(source.corrupt("it lacks some of its strips or tiles"));
        }
        let is_jpeg = self.compression == Compression::Jpeg;
        if self.color == Color::YCbCr && (!is_jpeg || self.is_planar) {
            return unsupported("YCbCr TIFF other than JPEG".to_owned());
        }
        if self.color == Color::Cmyk && (is_jpeg || tags.number(332)?.unwrap_or(1) != 1) {
            return unsupported("TIFF of inks other than plain CMYK".to_owned());
        }
        if self.is_float && !matches!(self.color, Color::BlackIsZero | Color::Rgb) {
            return unsupported(format!("{:?} TIFF in floating point", self.color));
        }
        if is_jpeg && (self.bits != 8 || self.is_reversed || self.chunk_samples() == 2) {
            return unsupported(format!("JPEG TIFF of {} bits or extra samples", self.bits));
        }
        if self.compression == Compression::Fax4 && (self.bits != 1 || self.chunk_samples() != 1) {
            return Err(source.corrupt("it is a fax of more than one bit"));
        }
        let is_plain = matches!(self.compression, Compression::None | Compression::Fax4);
        if self.is_reversed && (self.bits > 8 || !is_plain) {
            return unsupported("compressed TIFF with bits in reverse order".to_owned());
        }
        match self.predictor {
            Predictor::Horizontal if !matches!(self.bits, 8 | 16) => {
                unsupported(format!("TIFF with differences of {} bits", self.bits))
            }
            Predictor::FloatingPoint if !self.is_float => {
                Err(source.corrupt("its whole numbers are stored as differences of others"))
            }
            _ => Ok(()),
        }
    }
}

fn compression(code: u64, source: Source<'_>) -> Result<Compression, ImageError> {
    Ok(match code {
        1 => Compression::None,
        4 => Compression::Fax4,
        5 => Compression::Lzw,
        7 => Compression::Jpeg,
        8 | 32946 => Compression::Deflate,
        32773 => Compression::PackBits,
        _ => {
            let name = match code {
                2 | 3 => "CCITT group 3",
                6 => "old-style JPEG",
                34712 | 33003 | 33005 => "JPEG 2000",
                34887 => "LERC",
                34925 => "LZMA",
                50000 => "Zstandard",
                50001 => "WebP",
                50002 | 52546 => "JPEG XL",
                _ => "unknown",
            };
            return Err(source.unsupported(format!("TIFF compression {code}, {name}")));
        }
    })
}

fn color(
    code: Option<u64>,
    compression: Compression,
    source: Source<'_>,
) -> Result<Color, ImageError> {
    Ok(match code {
        Some(0) => Color::WhiteIsZero,
        Some(1) => Color::BlackIsZero,
        Some(2) => Color::Rgb,
        Some(3) => Color::Palette,
        Some(5) => Color::Cmyk,
        Some(6) => Color::YCbCr,
        None if compression == Compression::Fax4 => Color::WhiteIsZero,
        None => return Err(source.corrupt("it does not tell what its samples mean")),
        Some(code) => {
            let name = match code {
                4 => "transparency mask",
                8..=10 => "Lab",
                32803 | 34892 => "raw camera",
                _ => "unknown",
            };
            return Err(source.unsupported(format!("TIFF colours {code}, {name}")));
        }
    })
}

/// Bits of a sample, and whether they are a floating point number.
fn depth(
    tags: &Directory<'_>,
    samples: usize,
    source: Source<'_>,
) -> Result<(u8, bool), ImageError> {
    let bits = tags.numbers(258)?.unwrap_or_else(|| vec![1]);
    let formats = tags.numbers(339)?.unwrap_or_else(|| vec![1]);
    let same = |numbers: &[u64]| {
        let counts = numbers.len() == 1 || numbers.len() >= samples;
        counts && numbers.iter().all(|&number| number == numbers[0])
    };
    if !same(&bits) || !same(&formats) {
        return Err(source.unsupported("TIFF with samples of several kinds"));
    }
    match (formats[0], bits[0]) {
        (1, bits @ 1..=16) => Ok((bits as u8, false)),
        (3, 32) => Ok((32, true)),
        (format, bits) => {
            let name = match format {
                1 => "unsigned",
                2 => "signed",
                3 => "floating point",
                5 | 6 => "complex",
                _ => "undefined",
            };
            Err(source.unsupported(format!("TIFF of {bits}-bit {name} samples")))
        }
    }
}

/// Width and height of a strip or tile, and whether it is a tile.
fn chunk_size(
    tags: &Directory<'_>,
    (width, height): (u32, u32),
    source: Source<'_>,
) -> Result<((u32, u32), bool), ImageError> {
    let (tile_width, tile_height) = (tags.number(322)?, tags.number(323)?);
    let (size, is_tiled) = match (tile_width, tile_height) {
        (Some(tile_width), Some(tile_height)) => ((tile_width, tile_height), true),
        _ => {
            let rows = tags.number(278)?.unwrap_or(u64::MAX);
            ((u64::from(width), rows.min(u64::from(height))), false)
        }
    };
    match (u32::try_from(size.0), u32::try_from(size.1)) {
        (Ok(width @ 1..), Ok(height @ 1..)) => Ok(((width, height), is_tiled)),
        _ => Err(source.corrupt("its strips or tiles have no size")),
    }
}

fn places(
    tags: &Directory<'_>,
    is_tiled: bool,
    source: Source<'_>,
) -> Result<Vec<(u64, u64)>, ImageError> {
    let (offsets, lengths) = if is_tiled { (324, 325) } else { (273, 279) };
    match (tags.numbers(offsets)?, tags.numbers(lengths)?) {
        (Some(offsets), Some(lengths)) if offsets.len() == lengths.len() => {
            Ok(offsets.into_iter().zip(lengths).collect())
        }
        _ => Err(source.corrupt("it does not tell where its strips or tiles lie")),
    }
}

/// A predictor belongs to the compressions that gain by it; others ignore the tag, as libtiff does.
fn predictor(
    code: u64,
    compression: Compression,
    source: Source<'_>,
) -> Result<Predictor, ImageError> {
    if !matches!(compression, Compression::Lzw | Compression::Deflate) {
        return Ok(Predictor::None);
    }
    match code {
        1 => Ok(Predictor::None),
        2 => Ok(Predictor::Horizontal),
        3 => Ok(Predictor::FloatingPoint),
        other => Err(source.unsupported(format!("TIFF predictor {other}"))),
    }
}

fn palette(tags: &Directory<'_>, bits: u8, source: Source<'_>) -> Result<Vec<u8>, ImageError> {
    if bits > 8 {
        return Err(source.unsupported(format!("TIFF with a palette of {bits} bits")));
    }
    let entries = tags.numbers(320)?.unwrap_or_default();
    if entries.len() != 3 << bits {
        return Err(source.corrupt("its palette is incomplete"));
    }
    if entries.iter().all(|&entry| entry < 256) && entries.iter().any(|&entry| entry > 0) {
        return Err(source.unsupported("TIFF with a palette of 8-bit entries"));
    }
    Ok(entries.into_iter().map(|entry| (entry >> 8) as u8).collect())
}
