//! What can go wrong: with one image, or with all of them.

use std::io;
use std::path::PathBuf;

use efficientad_datasets::DatasetError;
use efficientad_images::{ImageError, PictureError};
use efficientad_metrics::MetricError;
use thiserror::Error;

/// Why one image has no verdict, or none that counts. The others are judged all the same.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The image, or the mask that belongs to it, could not be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Pixels in memory are no image.
    #[error("{name}: {source}")]
    Pixels {
        /// The name that they were given.
        name: String,
        /// What went wrong.
        source: ImageError,
    },
    /// The networks could not judge it.
    #[error("{name}: {source}")]
    Detector {
        /// The image's path.
        name: String,
        /// What went wrong.
        source: efficientad::Error,
    },
    /// The ground truth has another size than the image.
    #[error(
        "{}: has {width}×{height} pixels, but its image {image_width}×{image_height}; \
         masks must be as large as the images as stored",
        mask.display()
    )]
    MaskSize {
        /// The mask's path.
        mask: PathBuf,
        /// The mask's width in pixels.
        width: u32,
        /// The mask's height in pixels.
        height: u32,
        /// The image's width in pixels.
        image_width: u32,
        /// The image's height in pixels.
        image_height: u32,
    },
    /// Nothing tells which of a mask's pixels are defects.
    #[error(
        "{}: does not look like a mask (one colour behind, others on it), so that its defects can't \
         be told; state from which value on they are, or save it white on black", mask.display()
    )]
    UnclearMask {
        /// The mask's path.
        mask: PathBuf,
    },
    /// A mask file of one region holds no region, or several.
    #[error("{}: {problem}; MVTec LOCO's masks hold one region each, of one value from 1 to 255", mask.display())]
    Region {
        /// The mask's path.
        mask: PathBuf,
        /// What was found in it.
        problem: String,
    },
    /// The image's results can't have the names that they should.
    #[error(transparent)]
    Output(OutputError),
    /// Another process could not judge it: what that one said.
    #[error("{0}")]
    Elsewhere(String),
    /// The meaning of a mask could not be looked up.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The map and its ground truth do not fit the metrics.
    #[error("{name}: {source}")]
    Metric {
        /// The image's path.
        name: String,
        /// What does not fit.
        source: MetricError,
    },
}

/// Why there is no evaluation at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The data set has nothing to judge.
    #[error(
        "{}: there are no test images; put good ones into test/good and defective ones into test/<kind>",
        .0.display()
    )]
    NoTestImages(PathBuf),
    /// Not one of the test images could be judged.
    #[error("none of the {0} test images could be judged")]
    NothingJudged(usize),
    /// The results could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The metrics could not be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A model could not be calibrated.
    #[error(transparent)]
    Calibration(#[from] efficientad::Error),
    /// The images could not be named.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// What other processes found could not be put together.
    #[error(transparent)]
    Shard(#[from] crate::shards::ShardError),
}

/// Why results could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// A result would be written over one of the images.
    #[error(
        "{}: this input image would be overwritten by a result; choose another folder for the results",
        .0.display()
    )]
    OverInput(PathBuf),
    /// Two images differ only in their extension, or one is named twice, so that their results
    /// would have one name.
    #[error(
        "{}: two images would both write this anomaly map; rename one, or judge them in two runs",
        .0.display()
    )]
    Twice(PathBuf),
    /// A result has a longer name than its photo, and the file system takes none so long.
    #[error(
        "{}: its result cannot be written, for the name of that would be too long ({source}); rename \
         the photo",
        photo.display()
    )]
    NameTooLong {
        /// The photo.
        photo: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another evaluation writes its pictures into the same folder.
    #[error("{}: another evaluation writes into this folder; wait for it, or choose another one", .0.display())]
    InUse(PathBuf),
    /// A picture, a map or a report could not be made or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
}
