//! Photos in and pictures out: decoding, Pillow-exact resizing, jitter, heat maps.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@decode`] | photos from PNG, JPEG, BMP, TIFF and WebP files, as 8-bit RGB |
//! | [`pixels`] | photos from pixels in memory |
//! | [`mask`] | ground truth: defect masks and label maps |
//! | [`region`] | regions of interest, from masks or polygons |
//! | [`limits`] | how large a file may be before it is refused |
//! | [`resize`] | Pillow's antialiased bilinear resize, bit for bit |
//! | [`jitter`] | Pillow's brightness, contrast, saturation and grey, bit for bit |
//! | [`crop`] | parts of images |
//! | [`anomaly_map`] | an anomaly map with its size |
//! | [`heatmap`] | an anomaly map drawn over its photo |
//! | [`picture`] | PNG files out |
//! | [`float_tiff`] | anomaly maps out, as 32-bit float TIFF |
//! | [`error`] | what can go wrong, one variant per cause |
//!
//! Every image is an [`RgbImage`]: `width × height` pixels, row by row from the top left, three
//! bytes each. The reference preprocessing of EfficientAD is Pillow's (through torchvision), and a
//! teacher loses accuracy under any other resize: [`resize`] and [`jitter`] therefore repeat
//! Pillow's arithmetic exactly. Decoded PNG, BMP, TIFF and lossless WebP agree with Pillow bit for
//! bit; JPEG to within 8 levels (most values to within 1), because the decoders round differently.
//!
//! ```no_run
//! use efficientad_images::{DecodeOptions, load, resize_bilinear};
//!
//! let photo = load("part.png", &DecodeOptions::default())?;
//! let input = resize_bilinear(&photo, 256, 256);
//! assert_eq!(input.dimensions(), (256, 256));
//! # Ok::<(), efficientad_images::ImageError>(())
//! ```

pub mod anomaly_map;
pub mod crop;
pub mod decode;
pub mod error;
pub mod float_tiff;
pub mod heatmap;
pub mod jitter;
pub mod limits;
pub mod mask;
pub mod picture;
pub mod pixels;
pub mod region;
pub mod resize;
mod samples;

pub use anomaly_map::AnomalyMap;
pub use crop::{center_crop, crop_at, flip_horizontal};
pub use decode::{DecodeOptions, Orientation, decode, load};
pub use error::{ImageError, PictureError, RegionError};
pub use image::RgbImage;
pub use jitter::{adjust_brightness, adjust_contrast, adjust_saturation, to_grayscale};
pub use limits::Limits;
pub use mask::{LabelMap, Mask, load_labels, load_mask};
pub use pixels::{PixelFormat, PixelsView};
pub use region::{MarkedArea, RegionOfInterest};
pub use resize::resize_bilinear;
