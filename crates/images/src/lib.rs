//! Photos in and pictures out: decoding, Pillow-exact resizing, jitter, heat maps.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@decode`] | photos from PNG, JPEG, BMP, TIFF, WebP and PNM files, as 8-bit RGB |
//! | [`pixels`] | photos from pixels in memory |
//! | [`bits`] | how many bits the 16-bit samples of photos use |
//! | [`mask`] | ground truth: defect masks and label maps |
//! | [`mask_kind`] | masks of unknown kind, told by their look |
//! | [`region`] | regions of interest, from masks or polygons |
//! | [`limits`] | how large a file may be before it is refused |
//! | [`resize`] | Pillow's antialiased bilinear resize, bit for bit |
//! | [`jitter`] | Pillow's brightness, contrast, saturation and grey, bit for bit |
//! | [`crop`] | parts of images, flips and shifts |
//! | [`map_view`] | an anomaly map with its size |
//! | [`heatmap`] | an anomaly map drawn over its photo |
//! | [`picture`] | PNG files out |
//! | [`float_tiff`] | anomaly maps out and in again, as 32-bit float TIFF |
//! | [`error`] | what can go wrong, one variant per cause |
//!
//! Every image is an [`RgbImage`]: `width × height` pixels, row by row from the top left, three
//! bytes each. The reference preprocessing of EfficientAD is Pillow's (through torchvision), and a
//! teacher loses accuracy under any other resize: [`resize`] and [`jitter`] therefore repeat
//! Pillow's arithmetic exactly. Decoded PNG, BMP, TIFF, WebP and PNM agree with Pillow bit for bit,
//! but for the conventions of [`mod@decode`]; JPEG to within 8 levels and 0.6 in a photo's mean
//! (most values to within 1), because the decoders round differently. What cannot be read rightly is
//! refused by name, and so is what makes a decoder panic.
//!
//! ```no_run
//! use efficientad_images::{DecodeOptions, load, resize_bilinear};
//!
//! let photo = load("part.png", &DecodeOptions::default())?;
//! let input = resize_bilinear(&photo, 256, 256);
//! assert_eq!(input.dimensions(), (256, 256));
//! # Ok::<(), efficientad_images::ImageError>(())
//! ```

pub mod bits;
pub mod crop;
pub mod decode;
pub mod error;
mod fence;
mod files;
pub mod float_tiff;
pub mod heatmap;
pub mod jitter;
mod jpeg;
pub mod limits;
pub mod map_view;
pub mod mask;
pub mod mask_kind;
pub mod picture;
pub mod pixels;
mod pnm;
pub mod region;
pub mod resize;
mod samples;
mod source;
mod tiff_file;
mod webp;

pub use bits::{camera_bits, used_bits};
pub use crop::{center_crop, crop_at, flip_horizontal, flip_vertical, shift_mirrored};
pub use decode::{DecodeOptions, Orientation, decode, decode_measured, load, load_measured};
pub use error::{ImageError, PictureError, RegionError};
pub use files::{
    IMAGE_EXTENSIONS, UNREAD_IMAGE_EXTENSIONS, is_image_extension, is_unread_image_extension,
};
pub use image::RgbImage;
pub use jitter::{adjust_brightness, adjust_contrast, adjust_saturation, to_grayscale};
pub use limits::Limits;
pub use map_view::MapView;
pub use mask::{LabelMap, Mask, load_labels, load_mask};
pub use mask_kind::{MaskKind, RecognisedMask, recognise_mask};
pub use pixels::{PixelFormat, PixelsView};
pub use region::{MarkedArea, RegionOfInterest};
pub use resize::resize_bilinear;
