use std::path::{Path, PathBuf};

/// What is wrong with a data set, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The path does not exist or is not a folder.
    #[error("{0}: no such folder; check the path")]
    MissingFolder(PathBuf),
    /// A folder that should hold images holds none.
    #[error("{0}: no images here; put png, jpg, bmp, tif or webp files into this folder")]
    NoImages(PathBuf),
    /// There are not enough good images to train on and to hold some back for validation.
    #[error("{path}: {found} image(s) of good parts; at least {needed} are needed, add more")]
    TooFewImages {
        /// Folder of the good images.
        path: PathBuf,
        /// Images found there.
        found: usize,
        /// Images needed.
        needed: usize,
    },
    /// A folder has test images but nothing to train on.
    #[error(
        "{0}: there are test images but no train/good; put images of good parts into train/good"
    )]
    MissingTrain(PathBuf),
    /// `train` exists without `train/good`.
    #[error("{0}: there is no folder good in it; put the images of good parts into {0}/good")]
    MissingGood(PathBuf),
    /// Images lie directly in `test`, so that good and defective ones can't be told apart.
    #[error(
        "{0}: images directly in this folder have no kind; move good ones into {0}/good and others into {0}/<kind>"
    )]
    TestWithoutKinds(PathBuf),
    /// The folder holds several data sets.
    #[error("{path}: this folder holds several data sets; open one of them, for example {}", path.join(example).display())]
    Collection {
        /// Folder that was opened.
        path: PathBuf,
        /// Name of one of the data sets in it.
        example: String,
    },
    /// Ground truth lies in one folder per image, as in MVTec LOCO, without the file that says what the masks mean.
    #[error(
        "{0}: missing; MVTec LOCO's ground truth can't be read without it, restore it from the download"
    )]
    MissingDefectsConfig(PathBuf),
    /// A file of the data set can't be understood.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and in which line or field.
        reason: String,
    },
    /// A VisA category without its table of splits.
    #[error(
        "{0}: missing; a VisA category needs split_csv/1cls.csv beside it, restore it from the download"
    )]
    MissingSplitTable(PathBuf),
    /// The fraction to hold back is not between 0 and 1.
    #[error("can't hold back {0} of the images: the fraction must lie between 0 and 1")]
    BadFraction(f64),
    /// The operating system refused to read a file or folder.
    #[error("{path}: {source}")]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not be.
        source: std::io::Error,
    },
}

impl DatasetError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}
