//! Masks as people draw them: what is defect in one is told by its look.

use std::fmt;
use std::path::Path;

use image::DynamicImage;
use serde::Serialize;

use crate::decode::{self, DecodeOptions};
use crate::error::ImageError;
use crate::limits::Limits;
use crate::mask::Mask;

/// Most colours of a mask that was drawn and saved without loss.
const CLEAN_COLOURS: usize = 16;
/// Least share of black, white or strongly coloured pixels in a mask that was saved with loss.
const LEAST_CLEAR: f64 = 0.9;

/// How a mask tells defect pixels from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MaskKind {
    /// Every pixel is 0: no defect.
    Blank,
    /// Every pixel has the same value, which is not 0: taken for defect all over.
    Full,
    /// White is defect, black is not.
    WhiteOnBlack,
    /// What is not 0 is defect: 0 and 1, or numbers of kinds.
    Numbers,
    /// Colours on black are defects.
    ColourOnBlack,
    /// Black or grey on white is defect.
    DarkOnWhite,
    /// Colours on white are defects.
    ColourOnWhite,
    /// The colours tell nothing, the alpha channel does: what differs from the border is defect.
    AlphaOnly,
    /// Bright on dark with shades between them, as JPEG or a scaled picture has: from half white on.
    NoisyOnBlack,
    /// Dark or coloured on white with shades between them: below half white in a channel.
    NoisyOnWhite,
    /// Not like a mask, perhaps a photo. The pixels from half white on are marked, but should not be
    /// trusted.
    Unclear,
}

impl MaskKind {
    /// Whether the pixels can be trusted; not of [`Unclear`](Self::Unclear) masks.
    pub fn is_recognised(self) -> bool {
        self != Self::Unclear
    }

    /// Whether the background is white, or black; `None` where that has no say.
    pub fn is_on_white(self) -> Option<bool> {
        match self {
            Self::DarkOnWhite | Self::ColourOnWhite | Self::NoisyOnWhite => Some(true),
            Self::WhiteOnBlack | Self::Numbers | Self::ColourOnBlack | Self::NoisyOnBlack => {
                Some(false)
            }
            Self::Blank | Self::Full | Self::AlphaOnly | Self::Unclear => None,
        }
    }
}

impl fmt::Display for MaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "black all over, no defect",
            Self::Full => "of one value all over, all defect",
            Self::WhiteOnBlack => "white on black",
            Self::Numbers => "numbers above 0",
            Self::ColourOnBlack => "colours on black",
            Self::DarkOnWhite => "dark on white",
            Self::ColourOnWhite => "colours on white",
            Self::AlphaOnly => "the alpha channel",
            Self::NoisyOnBlack => "bright on dark, with shades",
            Self::NoisyOnWhite => "dark or coloured on white, with shades",
            Self::Unclear => "not like a mask",
        })
    }
}

/// A mask, and what told its defect pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecognisedMask {
    /// The pixels.
    pub mask: Mask,
    /// How they were told.
    pub kind: MaskKind,
    /// Bits of a sample in the file: 16, or 8 for 8 and fewer.
    pub bits: u8,
}

/// Reads a mask by its look: white on black, 0 and 1, colours, dark on white, alpha alone, 8 or 16
/// bits, with the noise of JPEG or without. The background is what lies along the border; where
/// that is white, defects are what is not. For masks of a known kind [`load_mask`](crate::load_mask)
/// with its threshold is surer. The alpha channel of TIFF files is not read.
///
/// # Errors
/// As [`load`](crate::load).
pub fn recognise_mask(
    path: impl AsRef<Path>,
    limits: &Limits,
) -> Result<RecognisedMask, ImageError> {
    let options = DecodeOptions { limits: *limits, ..DecodeOptions::default() };
    let (bytes, name) = decode::read_file(path.as_ref(), limits)?;
    let image = decode::decode_samples(&bytes, &name, &options)?.image;
    let size = (image.width(), image.height());
    let byte = u16::from;
    match &image {
        DynamicImage::ImageLuma8(i) => {
            recognise(i.pixels().map(|p| grey(byte(p[0]), 255)), size, 8)
        }
        DynamicImage::ImageLumaA8(i) => {
            recognise(i.pixels().map(|p| grey(byte(p[0]), byte(p[1]))), size, 8)
        }
        DynamicImage::ImageRgb8(i) => {
            recognise(i.pixels().map(|p| [byte(p[0]), byte(p[1]), byte(p[2]), 255]), size, 8)
        }
        DynamicImage::ImageRgba8(i) => recognise(i.pixels().map(|p| p.0.map(byte)), size, 8),
        DynamicImage::ImageLuma16(i) => {
            recognise(i.pixels().map(|p| grey(p[0], u16::MAX)), size, 16)
        }
        DynamicImage::ImageLumaA16(i) => recognise(i.pixels().map(|p| grey(p[0], p[1])), size, 16),
        DynamicImage::ImageRgb16(i) => {
            recognise(i.pixels().map(|p| [p[0], p[1], p[2], u16::MAX]), size, 16)
        }
        DynamicImage::ImageRgba16(i) => recognise(i.pixels().map(|p| p.0), size, 16),
        _ => Err(ImageError::Unsupported { name, reason: "pixels of another kind".to_owned() }),
    }
}

/// Red, green, blue and alpha.
type Pixel = [u16; 4];

fn grey(value: u16, alpha: u16) -> Pixel {
    [value, value, value, alpha]
}

fn recognise(
    pixels: impl Iterator<Item = Pixel> + Clone,
    (width, height): (u32, u32),
    bits: u8,
) -> Result<RecognisedMask, ImageError> {
    let look = Look::at(pixels.clone(), (width, height), bits);
    let (kind, is_defect) = look.kind();
    let defect = pixels.map(|pixel| is_defect(&look, pixel)).collect();
    Ok(RecognisedMask { mask: Mask { width, height, defect }, kind, bits })
}

/// What a mask's pixels have in common.
struct Look {
    /// White: 255, or 65,535 where a sample is above 255.
    top: u16,
    /// Different colours, alpha aside, until there are too many for a clean mask.
    colours: Vec<[u16; 3]>,
    is_grey: bool,
    has_varied_alpha: bool,
    /// Share of the pixels that are black, white or strongly coloured.
    clear: f64,
    /// Whether most of the border is white, and of the whole, too.
    is_on_white: bool,
    is_border_black: bool,
    is_border_opaque: bool,
    /// Alpha from which a pixel is opaque.
    opaque: u16,
}

impl Look {
    fn at(
        pixels: impl Iterator<Item = Pixel> + Clone,
        (width, height): (u32, u32),
        bits: u8,
    ) -> Self {
        let largest = pixels.clone().flat_map(|[r, g, b, _]| [r, g, b]).max().unwrap_or(0);
        let top = if bits == 8 || largest <= 255 { 255 } else { u16::MAX };
        let mut look = Self {
            top,
            colours: Vec::new(),
            is_grey: true,
            has_varied_alpha: false,
            clear: 0.0,
            is_on_white: false,
            is_border_black: false,
            is_border_opaque: false,
            opaque: if bits == 8 { 128 } else { 1 << 15 },
        };
        let first_alpha = pixels.clone().next().map_or(0, |pixel| pixel[3]);
        let (mut clear, mut white) = (0_u64, 0_u64);
        let (mut border, mut white_border, mut black_border, mut opaque_border) = (0, 0, 0, 0_u64);
        for (i, pixel @ [red, green, blue, alpha]) in (0_u64..).zip(pixels) {
            let colour = [red, green, blue];
            if look.colours.len() <= CLEAN_COLOURS && !look.colours.contains(&colour) {
                look.colours.push(colour);
            }
            look.is_grey &= red == green && green == blue;
            look.has_varied_alpha |= alpha != first_alpha;
            let (is_white, is_black) = (look.is_white(pixel), look.is_black(pixel));
            clear += u64::from(is_white || is_black || look.is_strong(pixel));
            white += u64::from(is_white);
            let (x, y) = (i % u64::from(width), i / u64::from(width));
            if x == 0 || y == 0 || x + 1 == u64::from(width) || y + 1 == u64::from(height) {
                border += 1;
                white_border += u64::from(is_white);
                black_border += u64::from(is_black);
                opaque_border += u64::from(alpha >= look.opaque);
            }
        }
        let count = u64::from(width) * u64::from(height);
        look.clear = clear as f64 / count as f64;
        look.is_on_white = 2 * white_border > border && 2 * white > count;
        look.is_border_black = 2 * black_border >= border;
        look.is_border_opaque = 2 * opaque_border > border;
        look
    }

    fn is_white(&self, [red, green, blue, _]: Pixel) -> bool {
        red.min(green).min(blue) > self.top / 4 * 3
    }

    fn is_black(&self, [red, green, blue, _]: Pixel) -> bool {
        red.max(green).max(blue) < self.top / 4
    }

    fn is_strong(&self, [red, green, blue, _]: Pixel) -> bool {
        red.max(green).max(blue) - red.min(green).min(blue) > self.top / 4
    }

    /// The kind, and which of its pixels are defect.
    fn kind(&self) -> (MaskKind, fn(&Self, Pixel) -> bool) {
        let is_clean = self.colours.len() <= CLEAN_COLOURS;
        if let [colour] = self.colours[..] {
            return match colour {
                _ if self.has_varied_alpha => (MaskKind::AlphaOnly, Self::is_unlike_border),
                [0, 0, 0] => (MaskKind::Blank, |_, _| false),
                _ => (MaskKind::Full, |_, _| true),
            };
        }
        match (is_clean, self.is_on_white) {
            (true, true) => {
                let kind =
                    if self.is_grey { MaskKind::DarkOnWhite } else { MaskKind::ColourOnWhite };
                (kind, |look, [red, green, blue, _]| red.min(green).min(blue) < look.top)
            }
            (true, false) if self.colours.contains(&[0; 3]) => {
                let is_binary = self.colours.len() == 2 && self.colours.contains(&[self.top; 3]);
                let kind = match (self.is_grey, is_binary) {
                    (true, true) => MaskKind::WhiteOnBlack,
                    (true, false) => MaskKind::Numbers,
                    (false, _) => MaskKind::ColourOnBlack,
                };
                (kind, |_, [red, green, blue, _]| red.max(green).max(blue) > 0)
            }
            _ if self.clear < LEAST_CLEAR => (MaskKind::Unclear, Self::is_bright),
            (_, true) => (MaskKind::NoisyOnWhite, |look, [red, green, blue, _]| {
                red.min(green).min(blue) < look.top / 2
            }),
            (_, false) if self.is_border_black => (MaskKind::NoisyOnBlack, Self::is_bright),
            _ => (MaskKind::Unclear, Self::is_bright),
        }
    }

    fn is_bright(&self, [red, green, blue, _]: Pixel) -> bool {
        red.max(green).max(blue) > self.top / 2
    }

    fn is_unlike_border(&self, [.., alpha]: Pixel) -> bool {
        (alpha >= self.opaque) != self.is_border_opaque
    }
}
