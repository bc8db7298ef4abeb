//! What can go wrong, one variant per cause.

use std::io;
use std::path::PathBuf;

use efficientad_datasets::DatasetError;
use efficientad_images::ImageError;

/// Why targets could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainingError {
    /// The photos can't be listed or read.
    #[error(transparent)]
    Photos(#[from] DatasetError),
    /// A photo that could be read before can't be read any more.
    #[error(transparent)]
    Photo(#[from] ImageError),
    /// Too few photos are usable.
    #[error(
        "{usable} usable photos are too few: at least 2 are needed, one to learn from and one to \
         hold back; give more folders of photos"
    )]
    TooFewPhotos {
        /// How many there are.
        usable: usize,
    },
    /// The backbone's file can't be read.
    #[error("{}: cannot be read ({source}); check the path of the backbone", .path.display())]
    ReadBackbone {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The backbone's file is larger than any that is expected.
    #[error("{}: {bytes} bytes are more than the limit of {limit} for a backbone", .path.display())]
    BackboneSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The backbone's file is no ONNX network that can be run.
    #[error("{}: this ONNX network cannot be run: {reason}", .path.display())]
    Backbone {
        /// The file.
        path: PathBuf,
        /// What the runtime says.
        reason: String,
    },
    /// The backbone has no layer of this name.
    #[error("{}: there is no tensor `{layer}` in this network; {names}", .path.display())]
    NoLayer {
        /// The file.
        path: PathBuf,
        /// The name that was given.
        layer: String,
        /// What there is instead.
        names: String,
    },
    /// A layer has another shape than needed.
    #[error(
        "{}: layer `{layer}` has shape {found} where 1×C×{side}×{side} (stride {stride}) is needed; \
         {names}", .path.display()
    )]
    LayerShape {
        /// The file.
        path: PathBuf,
        /// The layer.
        layer: String,
        /// Its shape.
        found: String,
        /// Rows and columns needed.
        side: usize,
        /// The stride that gives so many.
        stride: usize,
        /// Which layers would fit.
        names: String,
    },
    /// The backbone's output is no number.
    #[error(
        "the backbone's output for {photo} is not finite: its weights are broken, or the \
         preprocessing is another network's"
    )]
    NotFinite {
        /// The photo.
        photo: PathBuf,
    },
    /// The cache can't be read or written.
    #[error("{}: the cache cannot be used ({source}); check the disk's space and permissions, or \
             choose another folder for it", .path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process fills the cache.
    #[error("{}: another process is filling this cache; wait for it, or choose another one", .path.display())]
    CacheInUse {
        /// The cache's folder.
        path: PathBuf,
    },
    /// A target's channel never changes, so that it can't be normalised.
    #[error(
        "channel {channel} of the targets is the same everywhere in all samples: layer `{layer}` \
         shows nothing; choose other layers or photos"
    )]
    ConstantTarget {
        /// The channel, from 0 to 383.
        channel: usize,
        /// The layer that it comes from.
        layer: String,
    },
    /// Whoever was told of the progress ended the work before it had a result.
    #[error("the work was cancelled")]
    Cancelled,
}
