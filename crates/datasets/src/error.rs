use std::fmt;
use std::path::{Path, PathBuf};

use crate::meaning::{Label, Meaning};

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
    #[error(
        "{path}: {found} image(s) of good parts, copies not counted; at least {needed} are needed, add more"
    )]
    TooFewImages {
        /// Folder of the good images.
        path: PathBuf,
        /// Images found there, each once.
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
    /// Names say that a folder holds more than good parts, but not what all of it is.
    #[error("{0}")]
    Mixed(Box<Mixed>),
    /// The name of a folder says that it holds no good parts.
    #[error(
        "{}: by its name this folder holds {doubt}, not good parts; say that they are good parts, if they are",
        .folder.display()
    )]
    DoubtfulFolder {
        /// The folder.
        folder: PathBuf,
        /// What it seems to hold.
        doubt: Doubt,
    },
    /// The names of some photos say that they are not of good parts.
    #[error(
        "{}: {doubtful} of {photos} photos are {doubt} by their names, such as {example}; move them to a folder of \
         their own, or say that all are good parts",
        .folder.display()
    )]
    DoubtfulNames {
        /// The folder.
        folder: PathBuf,
        /// Photos in it.
        photos: usize,
        /// Those of such names.
        doubtful: usize,
        /// One of them.
        example: String,
        /// What they seem to be.
        doubt: Doubt,
    },
    /// There are folders of defects, but none of good parts.
    #[error(
        "{0}: there are photos of defects, but none of good parts to train on; add a folder good"
    )]
    NoGood(PathBuf),
    /// A photo is said to be two things.
    #[error("{0}: this photo is given twice")]
    Twice(PathBuf),
    /// A folder holds several tables of photos.
    #[error("{}: several tables of photos are here; open one of them, for example {}", .folder.display(), .example.display())]
    SeveralTables {
        /// The folder.
        folder: PathBuf,
        /// One of the tables.
        example: PathBuf,
    },
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

/// What photos seem to be by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Photos of defects.
    Defects,
    /// Masks.
    Masks,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Defects => "defects",
            Self::Masks => "masks",
        })
    }
}

/// Folders of a folder, by what their names say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Mixed {
    /// The folder.
    pub root: PathBuf,
    /// Those of good parts.
    pub good: Vec<PathBuf>,
    /// Those of defects.
    pub defects: Vec<PathBuf>,
    /// Those of masks.
    pub masks: Vec<PathBuf>,
    /// Names say nothing of these.
    pub unclear: Vec<PathBuf>,
}

impl Mixed {
    /// Adds a folder to those of its kind.
    pub(crate) fn add(&mut self, meaning: Meaning, folder: PathBuf) {
        let list = match (meaning.masks, meaning.label) {
            (true, _) => &mut self.masks,
            (false, Some(Label::Bad)) => &mut self.defects,
            (false, Some(Label::Good)) => &mut self.good,
            (false, None) => &mut self.unclear,
        };
        list.push(folder);
    }
}

impl fmt::Display for Mixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, good, defects, masks, unclear } = self;
        write!(f, "{}: not all of this is of good parts:", root.display())?;
        let kinds = [
            ("by its name of good parts", good),
            ("by its name of defects", defects),
            ("by its name of masks", masks),
            ("unclear", unclear),
        ];
        let mut separator = " ";
        for (kind, folders) in kinds {
            for folder in folders.iter().take(3) {
                let below = folder.strip_prefix(root).unwrap_or(folder);
                let name = if below.as_os_str().is_empty() { folder } else { below };
                write!(f, "{separator}{} ({kind})", name.display())?;
                separator = ", ";
            }
            if folders.len() > 3 {
                write!(f, ", and {} more", folders.len() - 3)?;
            }
        }
        f.write_str("; say which folders hold good parts, which defects, and which masks")
    }
}
