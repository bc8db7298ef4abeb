//! A photo as it comes: a file, a file's bytes, or pixels in memory.

use std::borrow::Cow;
use std::path::Path;

use efficientad_images::{
    DecodeOptions, ImageError, PixelFormat, PixelsView, RgbImage, decode_measured, load_measured,
};

/// A photo to be judged, borrowed or owned.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Frame<'a> {
    /// A file, read when its turn comes.
    File(Cow<'a, Path>),
    /// The bytes of a whole PNG, JPEG, BMP, TIFF or WebP file.
    Bytes {
        /// What errors call it.
        name: Cow<'a, str>,
        /// The file's content.
        bytes: Cow<'a, [u8]>,
    },
    /// Pixels, as a camera's library hands them over.
    Pixels {
        /// What errors call them.
        name: Cow<'a, str>,
        /// The pixels.
        pixels: Pixels<'a>,
    },
}

/// Pixels in memory, borrowed or owned, row by row from the top left: a [`PixelsView`] that can
/// outlive its maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels<'a> {
    /// The bytes, at least `stride · (height − 1)` and one row of pixels.
    pub data: Cow<'a, [u8]>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from the start of a row to that of the next.
    pub stride: usize,
    /// How a pixel lies in memory.
    pub format: PixelFormat,
}

impl<'a> From<PixelsView<'a>> for Pixels<'a> {
    fn from(view: PixelsView<'a>) -> Self {
        let PixelsView { data, width, height, stride, format } = view;
        Self { data: Cow::Borrowed(data), width, height, stride, format }
    }
}

impl Pixels<'_> {
    /// The same pixels, borrowed.
    pub fn view(&self) -> PixelsView<'_> {
        let Self { ref data, width, height, stride, format } = *self;
        PixelsView { data, width, height, stride, format }
    }
}

impl<'a> From<&'a Path> for Frame<'a> {
    fn from(path: &'a Path) -> Self {
        Self::File(Cow::Borrowed(path))
    }
}

impl Frame<'_> {
    /// What errors call it: its path, or the name that it was given.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::File(path) => path.display().to_string().into(),
            Self::Bytes { name, .. } | Self::Pixels { name, .. } => Cow::Borrowed(name),
        }
    }

    /// The photo as 8-bit RGB. Of the options, `orientation` means nothing to pixels in memory.
    ///
    /// # Errors
    /// It can't be read or is no photo, or its pixels don't fit the size that is given for them.
    pub fn decode(&self, options: &DecodeOptions) -> Result<RgbImage, ImageError> {
        Ok(self.decode_measured(options)?.0)
    }

    /// The same, and how many of 16 bits its samples use; `None` for photos of 8 bits.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_measured(
        &self,
        options: &DecodeOptions,
    ) -> Result<(RgbImage, Option<u8>), ImageError> {
        match self {
            Self::File(path) => load_measured(path, options),
            Self::Bytes { name, bytes } => decode_measured(bytes, name, options),
            Self::Pixels { pixels, .. } => {
                let view = pixels.view();
                Ok((view.to_rgb(options)?, view.used_bits()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_its_bytes_and_its_pixels_are_one_photo() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.png");
        let image = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 200]));
        image.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let pixels = PixelsView::packed(&image, 5, 3, PixelFormat::Rgb8).into();
        let frames = [
            Frame::from(path.as_path()),
            Frame::Bytes { name: "1".into(), bytes: bytes.into() },
            Frame::Pixels { name: "1".into(), pixels },
        ];
        let options = DecodeOptions::default();
        for frame in &frames {
            assert_eq!(frame.decode(&options).unwrap(), image, "{frame:?}");
        }
        assert_eq!(frames[0].name(), path.display().to_string());
        assert_eq!(frames[1].name(), "1");
    }

    #[test]
    fn errors_name_the_frame() {
        let frame = Frame::Bytes { name: "camera 2".into(), bytes: b"text"[..].into() };
        let error = frame.decode(&DecodeOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("camera 2: "), "{error}");
    }
}
