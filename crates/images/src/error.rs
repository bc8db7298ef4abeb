//! What can go wrong, one variant per cause.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why an image could not be read.
///
/// `name` is the path, or the name given with bytes in memory. The variants tell whose matter it
/// is: the file system's ([`Read`](Self::Read), [`IsFolder`](Self::IsFolder),
/// [`NotAFile`](Self::NotAFile)), the file's ([`Empty`](Self::Empty),
/// [`NotAnImage`](Self::NotAnImage), [`Corrupt`](Self::Corrupt),
/// [`Undecodable`](Self::Undecodable)), this library's ([`Unsupported`](Self::Unsupported)), the
/// caller's limits and options ([`TooManyPixels`](Self::TooManyPixels),
/// [`SideTooLong`](Self::SideTooLong), [`TooManyBytes`](Self::TooManyBytes),
/// [`UsedBits`](Self::UsedBits), [`AboveBits`](Self::AboveBits), [`FloatRange`](Self::FloatRange),
/// [`OutsideRange`](Self::OutsideRange)), the caller's buffer
/// ([`NoPixels`](Self::NoPixels), [`BufferTooShort`](Self::BufferTooShort)), or the use the image
/// is put to ([`NotGrey`](Self::NotGrey)).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The operating system could not open or read the file.
    #[error("{name}: cannot be read ({source}); check the path and the file's permissions")]
    Read {
        /// The path.
        name: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path leads to a folder.
    #[error("{name}: is a folder, not an image; name an image file in it")]
    IsFolder {
        /// The path.
        name: String,
    },
    /// The path leads to something that has no end, such as a pipe.
    #[error("{name}: is a device, a pipe or a socket; name an image file")]
    NotAFile {
        /// The path.
        name: String,
    },
    /// The file has no bytes.
    #[error("{name}: is empty (0 bytes); was it copied completely?")]
    Empty {
        /// The path or given name.
        name: String,
    },
    /// The first bytes are no image format's.
    #[error(
        "{name}: is not an image, whatever its extension says; PNG, JPEG, BMP, TIFF, WebP and PNM are \
         read"
    )]
    NotAnImage {
        /// The path or given name.
        name: String,
    },
    /// An image, but of a format or kind that is not read.
    #[error("{name}: is not supported ({reason}); convert it, for example to 8-bit PNG")]
    Unsupported {
        /// The path or given name.
        name: String,
        /// What is not supported.
        reason: String,
    },
    /// The file breaks its own format, or ends too early.
    #[error("{name}: is damaged ({reason}); copy or export it again")]
    Corrupt {
        /// The path or given name.
        name: String,
        /// What the decoder found.
        reason: String,
    },
    /// The decoder gave up in a way that tells no cause.
    #[error(
        "{name}: is damaged, or of a kind that the decoder cannot read; copy or export it again, or \
         convert it, for example to 8-bit PNG"
    )]
    Undecodable {
        /// The path or given name.
        name: String,
    },
    /// The image's header announces more pixels than [`Limits::max_pixels`](crate::Limits).
    #[error(
        "{name}: has {width}×{height} pixels, more than the limit of {max_pixels}; raise \
         Limits::max_pixels if the file is to be trusted, or cut the photo into pieces"
    )]
    TooManyPixels {
        /// The path or given name.
        name: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in force.
        max_pixels: u64,
    },
    /// A side is longer than [`Limits::max_side`](crate::Limits).
    #[error(
        "{name}: has {width}×{height} pixels, a side of more than {max_side}; raise \
         Limits::max_side if the file is to be trusted, or cut the photo into pieces"
    )]
    SideTooLong {
        /// The path or given name.
        name: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit in force.
        max_side: u32,
    },
    /// The file, its pixels or its decoder need more memory than [`Limits::max_bytes`](crate::Limits).
    #[error(
        "{name}: needs more memory than the limit of {max_bytes} bytes; raise Limits::max_bytes if \
         the file is to be trusted"
    )]
    TooManyBytes {
        /// The path or given name.
        name: String,
        /// The limit in force.
        max_bytes: u64,
    },
    /// There is no pixel in it.
    #[error("{name}: has {width}×{height} pixels, which is none; check the width and the height")]
    NoPixels {
        /// The path or given name.
        name: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Pixels in memory do not fill the size that is stated for them.
    #[error(
        "{name}: {width}×{height} pixels of {pixel} byte(s), rows {stride} bytes apart, need {needed} \
         bytes and rows of at least {row}, but there are {found}; check width, height, stride and \
         format", row = u64::from(*width) * *pixel as u64
    )]
    BufferTooShort {
        /// What the pixels are called.
        name: String,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes from row to row.
        stride: usize,
        /// Bytes of a pixel.
        pixel: usize,
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        found: usize,
    },
    /// [`DecodeOptions::bits`](crate::DecodeOptions::bits) is not a number of bits of a 16-bit sample.
    #[error("16-bit samples cannot use {bits} bits; state 1 to 16 in DecodeOptions::bits, or none")]
    UsedBits {
        /// The bits stated.
        bits: u8,
    },
    /// A 16-bit sample is above what the stated bits can hold.
    #[error(
        "{name}: holds a sample of {sample}, but {bits} bits end at {largest}; state more in \
         DecodeOptions::bits, or look for a photo of another camera or setting",
        largest = (1_u32 << bits) - 1
    )]
    AboveBits {
        /// The path or given name.
        name: String,
        /// The bits stated, 1 to 16.
        bits: u8,
        /// The sample.
        sample: u16,
    },
    /// [`DecodeOptions::range`](crate::DecodeOptions::range) is empty, reversed or not finite.
    #[error(
        "floating point samples cannot reach from {low} to {high}; in DecodeOptions::range the first \
         must be below the second, both finite"
    )]
    FloatRange {
        /// The sample that is to be black.
        low: f32,
        /// The sample that is to be white.
        high: f32,
    },
    /// A floating point sample is outside the stated range, or no number.
    #[error(
        "{name}: holds a sample of {sample}, outside {low} to {high}; state a wider \
         DecodeOptions::range, or look for a photo of another camera or setting"
    )]
    OutsideRange {
        /// The path or given name.
        name: String,
        /// The sample that is to be black.
        low: f32,
        /// The sample that is to be white.
        high: f32,
        /// The sample.
        sample: f32,
    },
    /// A label map must have one channel, this file has colours.
    #[error("{name}: has colours, but a label map holds one number per pixel; save it as grey")]
    NotGrey {
        /// The path or given name.
        name: String,
    },
}

/// Why a picture or a map could not be made or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// A map's or mask's number of values is not `width · height`.
    #[error(
        "a map or mask of {width}×{height} pixels needs {expected} values, but this one has {found}"
    )]
    MapLength {
        /// Values given.
        found: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `width · height`.
        expected: u64,
    },
    /// A map holds NaN or an infinity.
    #[error(
        "the anomaly map is not finite at pixel ({x}, {y}); look for bad numbers in the weights"
    )]
    MapNotFinite {
        /// Column of the first such value.
        x: u32,
        /// Row of the first such value.
        y: u32,
    },
    /// The colour scale is empty, reversed or not finite.
    #[error("the colour scale from {low} to {high} is empty; low must be below high, both finite")]
    EmptyRange {
        /// The value meant to be shown as nothing.
        low: f32,
        /// The value meant to be shown in full.
        high: f32,
    },
    /// Two pictures or a picture and a mask that belong together differ in size.
    #[error("sizes differ: {found_width}×{found_height} instead of {width}×{height} pixels")]
    SizeMismatch {
        /// Width found.
        found_width: u32,
        /// Height found.
        found_height: u32,
        /// Width of the photo.
        width: u32,
        /// Height of the photo.
        height: u32,
    },
    /// The operating system could not write the file.
    #[error("{path}: cannot be written ({source}); check the folder, its permissions and the space left", path = path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A picture or map of width or height 0, which PNG and TIFF cannot hold.
    #[error("{path}: is not written, there are no pixels to write", path = path.display())]
    NoPixels {
        /// The path.
        path: PathBuf,
    },
    /// The encoder refused a picture that was not for a file of its own.
    #[error("a picture cannot be encoded ({reason})")]
    Unencodable {
        /// What the encoder said.
        reason: String,
    },
    /// The encoder refused the picture, for example one too large for its format.
    #[error("{path}: cannot be encoded ({reason}); write a smaller picture", path = path.display())]
    Encode {
        /// The path.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
}

/// Why a region of interest can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The mask is no readable image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The operating system could not read the file.
    #[error("{name}: cannot be read ({source}); check the path and the file's permissions")]
    Read {
        /// The path.
        name: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds no polygons.
    #[error(
        "{name}: holds no polygons ({reason}); write {{\"unit\": \"pixels\" or \"fraction\", \
         \"polygons\": [[[x, y], [x, y], [x, y]]]}}"
    )]
    Polygons {
        /// The path.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A polygon has a corner outside the photo.
    #[error(
        "the corner [{x}, {y}] lies outside the photo of {width}×{height} pixels; check the unit"
    )]
    OffThePhoto {
        /// The corner's column, in the file's unit.
        x: f64,
        /// The corner's row, in the file's unit.
        y: f64,
        /// Width of the photo in pixels.
        width: u32,
        /// Height of the photo in pixels.
        height: u32,
    },
    /// The photo that a region was drawn for has more pixels than a model can keep a region of.
    #[error(
        "a region can have {limit} pixels at most, not {width}×{height}; cut the photos into pieces"
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Most pixels.
        limit: u64,
    },
    /// Nothing is inside.
    #[error("no pixel is inside; paint what is to be inspected white")]
    Empty,
    /// There is not one value for each pixel.
    #[error("a region has {found} values for {width}×{height} pixels")]
    Length {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Values found.
        found: u64,
    },
    /// The outline is too long, as of noise.
    #[error(
        "the region has {runs} runs of pixels, more than {limit}; draw it with smooth outlines"
    )]
    TooDetailed {
        /// Runs of pixels that are all inside or all outside.
        runs: usize,
        /// Most runs.
        limit: usize,
    },
    /// A photo has sides in another proportion than the region.
    #[error(
        "the region was drawn for photos of {}×{} pixels and does not fit {}×{}, which has another \
         shape", region.0, region.1, photo.0, photo.1
    )]
    OtherShape {
        /// Width and height of the region in pixels.
        region: (u32, u32),
        /// Width and height of the photo in pixels.
        photo: (u32, u32),
    },
    /// What is wrong, and with which file.
    #[error("{name}: {source}")]
    InFile {
        /// The path.
        name: String,
        /// What is wrong.
        source: Box<RegionError>,
    },
}

impl PictureError {
    /// Refuses a size without pixels, before a file is begun.
    pub(crate) fn check_pixels(path: &Path, (width, height): (u32, u32)) -> Result<(), Self> {
        if width > 0 && height > 0 {
            return Ok(());
        }
        Err(Self::NoPixels { path: path.to_owned() })
    }
}
