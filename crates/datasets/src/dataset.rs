//! A data set and what it consists of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::loco::Region;
use crate::{DatasetError, Fingerprint, LeftOut, Split, fingerprint, hold_back, layout};

/// How a data set's folders are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Nothing but images of good parts.
    Folder,
    /// MVTec AD: `train/good`, `test/<kind>`, `ground_truth/<kind>/<stem>_mask.png`.
    MvtecAd,
    /// MVTec LOCO: MVTec AD's folders with `validation/good`, `ground_truth/<kind>/<stem>/000.png …` and
    /// `defects_config.json`.
    MvtecLoco,
    /// VisA: `Data/Images`, `Data/Masks`, and the split in `../split_csv/1cls.csv`.
    Visa,
}

/// Where a test image's defects are written down.
#[derive(Clone, Debug, PartialEq)]
pub enum GroundTruth {
    /// The image is good: there are none.
    Good,
    /// The image is anomalous, but no mask says where. It counts for image metrics only.
    Missing,
    /// An image file whose defect pixels are non-zero.
    Mask(PathBuf),
    /// One image file per defect region, with the saturations that turn overlap into sPRO.
    Regions(Vec<Region>),
}

impl GroundTruth {
    /// The mask files.
    pub fn masks(&self) -> Vec<&PathBuf> {
        match self {
            Self::Good | Self::Missing => Vec::new(),
            Self::Mask(mask) => vec![mask],
            Self::Regions(regions) => regions.iter().map(|region| &region.mask).collect(),
        }
    }
}

/// An image to be inspected, and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TestImage {
    /// The file.
    pub path: PathBuf,
    /// Its path below the data set's root, such as `test/crack/000.png`.
    pub relative: PathBuf,
    /// Name of the defect kind: the folder's name, or VisA's label. `good` for good images.
    pub kind: String,
    /// Whether the image shows a defect.
    pub anomalous: bool,
    /// Where the defects are.
    pub ground_truth: GroundTruth,
}

/// The images of one data set. Every list is sorted by the bytes of the names below the root.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The folder that was opened.
    pub root: PathBuf,
    /// The layout that was recognised.
    pub layout: Layout,
    /// Good images to train on.
    pub train: Vec<PathBuf>,
    /// Good images for calibration, where the data set brings its own (`validation/good`); else empty.
    pub validation: Vec<PathBuf>,
    /// Images to evaluate on; may be empty.
    pub test: Vec<TestImage>,
    /// The other visible files in the folders that photos were taken from.
    pub left_out: LeftOut,
}

impl Dataset {
    /// Recognises the layout of the folder `root` and lists its images.
    ///
    /// 1. With a folder `train` it is MVTec AD's layout, or MVTec LOCO's if there is a `defects_config.json`.
    ///    Only `train/good` is trained on. `test` may be missing. Masks may have any image extension and be named
    ///    `<stem>_mask` or `<stem>`; defects without one have [`GroundTruth::Missing`].
    /// 2. With `Data/Images` it is a VisA category: `root` is the category's folder (such as `VisA/candle`), whose
    ///    name is looked up in the table `split_csv/1cls.csv` beside it.
    /// 3. Otherwise it is a plain folder of good images: those directly in it, or if there are none, all in its
    ///    subfolders.
    ///
    /// Hidden files and files without one of the [`IMAGE_EXTENSIONS`](crate::IMAGE_EXTENSIONS) are left out; those visible
    /// are counted in [`left_out`](Self::left_out).
    ///
    /// # Errors
    /// The folder is missing, holds no images or only a single good one, holds several data sets, lacks a part of its
    /// layout, or a file that describes it is malformed.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, DatasetError> {
        layout::open(root.as_ref())
    }

    /// Training and validation images: the data set's own validation images where it brings some, else a part held
    /// back from the training images, see [`hold_back`].
    ///
    /// # Errors
    /// As [`hold_back`].
    pub fn split(&self, fraction: f64, seed: u64) -> Result<Split, DatasetError> {
        if self.validation.is_empty() {
            hold_back(&self.train, fraction, seed)
        } else {
            Ok(Split { train: self.train.clone(), validation: self.validation.clone() })
        }
    }

    /// Names of the defect kinds among the test images, sorted.
    pub fn kinds(&self) -> Vec<&str> {
        let anomalous = self.test.iter().filter(|image| image.anomalous);
        anomalous.map(|image| image.kind.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The anomalous test images without a mask, which pixel metrics must leave out.
    pub fn without_mask(&self) -> impl Iterator<Item = &TestImage> {
        self.test.iter().filter(|image| image.ground_truth == GroundTruth::Missing)
    }

    /// Fingerprint of everything a model is made from: the training and validation images.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, DatasetError> {
        fingerprint(&self.root, self.train.iter().chain(&self.validation))
    }

    /// Fingerprint of everything an evaluation is made from: the test images and their masks.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn test_fingerprint(&self) -> Result<Fingerprint, DatasetError> {
        let files = self
            .test
            .iter()
            .flat_map(|image| std::iter::once(&image.path).chain(image.ground_truth.masks()));
        fingerprint(&self.root, files)
    }
}
