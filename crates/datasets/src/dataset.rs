//! A data set and what it consists of.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::loco::Region;
use crate::{
    Contents, DatasetError, Fingerprint, LeftOut, Split, Taken, fingerprint, hold_back, layout,
    taken, usually_held_back,
};

/// How a data set is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layout {
    /// Nothing but images of good parts.
    Folder,
    /// MVTec AD: `train/good`, `test/<kind>`, `ground_truth/<kind>/<stem>_mask.png`. So are MPDD, BTech (`ok`, `ko`),
    /// MVTec 3D-AD (with folders `rgb` and `gt` in each kind's), MVTec AD 2 (`test_public`) and KolektorSDD2 (masks beside
    /// the photos).
    MvtecAd,
    /// MVTec LOCO: MVTec AD's folders with `validation/good`, `ground_truth/<kind>/<stem>/000.png …` and
    /// `defects_config.json`.
    MvtecLoco,
    /// VisA: `Data/Images`, `Data/Masks`, and the split in `../split_csv/1cls.csv`.
    Visa,
    /// Real-IAD: a folder that a JSON file of its name describes.
    RealIad,
    /// Folders that say by their names what they hold, such as `OK`, `NG` and `MASK`.
    Labelled,
    /// Masks beside the photos, as of KolektorSDD: `Part0.jpg` and `Part0_label.bmp`. Where the mask is black, or there is
    /// none, the part is good.
    MasksBeside,
    /// A CSV file with the columns `path` and `label`, perhaps `mask` and `split`.
    Table,
    /// Folders that the user has told the meaning of ([`Stated`]).
    Stated,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "folder of images",
            Self::MvtecAd => "MVTec AD",
            Self::MvtecLoco => "MVTec LOCO",
            Self::Visa => "VisA",
            Self::RealIad => "Real-IAD",
            Self::Labelled => "folders called by what they hold",
            Self::MasksBeside => "masks beside photos",
            Self::Table => "table",
            Self::Stated => "folders as given",
        })
    }
}

/// Folders, and what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// Photos of good parts, in the folders and below them.
    pub good: Vec<PathBuf>,
    /// Photos of defects; a folder's subfolders are kinds of them.
    pub defects: Vec<PathBuf>,
    /// Masks of the defects, named like the photos.
    pub masks: Vec<PathBuf>,
}

/// Where a data set lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    /// A folder, a table or a description, whose layout tells what is what.
    Recognised(PathBuf),
    /// Folders of which the user has told it.
    Stated(Stated),
}

impl DatasetSource {
    /// Opens the data set.
    ///
    /// # Errors
    /// As [`Dataset::open`] and [`Dataset::stated`].
    pub fn open(&self, purpose: Purpose) -> Result<Dataset, DatasetError> {
        match self {
            Self::Recognised(root) => Dataset::open(root),
            Self::Stated(folders) => Dataset::stated(folders, purpose),
        }
    }
}

impl<P: Into<PathBuf>> From<P> for DatasetSource {
    fn from(root: P) -> Self {
        Self::Recognised(root.into())
    }
}

/// What good parts are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To train on them.
    Training,
    /// To test with them.
    Evaluation,
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

impl TestImage {
    pub(crate) fn new(root: &Path, path: PathBuf, kind: &str, ground_truth: GroundTruth) -> Self {
        let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let anomalous = ground_truth != GroundTruth::Good;
        Self { path, relative, kind: kind.to_owned(), anomalous, ground_truth }
    }
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
    /// What else there is.
    pub left_out: LeftOut,
}

impl Dataset {
    pub(crate) fn empty(root: &Path, layout: Layout) -> Self {
        Self {
            root: root.to_owned(),
            layout,
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    /// Recognises the [`Layout`] of the folder `root` and lists its images. A table ([`Layout::Table`]) or a description
    /// ([`Layout::RealIad`]) may be given instead of its folder. Case tells nothing in names of folders.
    ///
    /// 1. With a folder `train` or `test` it is MVTec AD's layout, or MVTec LOCO's if there is a `defects_config.json`.
    ///    Only `train/good` is trained on. Masks may have any image extension and be named `<stem>_mask` or `<stem>`;
    ///    defects without one have [`GroundTruth::Missing`].
    /// 2. With `Data/Images` it is a VisA category: `root` is the category's folder (such as `VisA/candle`), whose
    ///    name is looked up in the table `split_csv/1cls.csv` beside it.
    /// 3. With a JSON file of its name in or near it, it is a category of Real-IAD.
    /// 4. With a CSV file whose first line names a path and a label, that table tells.
    /// 5. With folders called `OK` and `NG`, `good` and `defects`, or the like, these tell.
    /// 6. With masks beside photos, these tell.
    /// 7. Otherwise it is a plain folder of good images: those directly in it, or if there are none, all in its
    ///    subfolders.
    ///
    /// A layout of 4 to 6 that has defects but tells no good photos to test with keeps a fifth of ten and more good photos
    /// for that, drawn by their number alone.
    ///
    /// Hidden files and files without one of the [`IMAGE_EXTENSIONS`](crate::IMAGE_EXTENSIONS) are left out; those visible,
    /// and photos that are not taken, are in [`left_out`](Self::left_out). Whether there is enough to train on,
    /// [`trainable`](Self::trainable) tells.
    ///
    /// # Errors
    /// The folder is missing, holds no images or several data sets, mixes what looks good with what does not, lacks a part
    /// of its layout, or a file that describes it is malformed.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, DatasetError> {
        layout::open(root.as_ref())
    }

    /// Lists the images of folders whose meaning is told; names tell nothing but masks from photos.
    ///
    /// # Errors
    /// A folder is missing, or a photo lies in two of them.
    pub fn stated(folders: &Stated, purpose: Purpose) -> Result<Self, DatasetError> {
        layout::open_stated(folders, purpose)
    }

    /// The data set, if there is enough to train on: an image, and one for validation, each once.
    ///
    /// # Errors
    /// There is not.
    pub fn trainable(mut self) -> Result<Self, DatasetError> {
        self.leave_out_copies();
        let needed = if self.validation.is_empty() { 2 } else { 1 };
        let Some(first) = self.train.first() else {
            return Err(match self.layout {
                Layout::MvtecAd | Layout::MvtecLoco => DatasetError::MissingTrain(self.root),
                Layout::Folder => DatasetError::NoImages(self.root),
                _ => DatasetError::NoGood(self.root),
            });
        };
        if self.train.len() < needed {
            let path = first.parent().unwrap_or(&self.root).to_owned();
            return Err(DatasetError::TooFewImages { path, found: self.train.len(), needed });
        }
        Ok(self)
    }

    /// Takes each training and validation image once: one held back that is trained on, too, would seem to be judged well,
    /// and one held back twice would count twice in what is promised.
    pub fn leave_out_copies(&mut self) {
        let mut seen = Contents::default();
        for files in [&mut self.train, &mut self.validation] {
            seen.leave_out_copies(files, |path| path, &mut self.left_out);
        }
    }

    /// What is taken from which folder, as what.
    pub fn taken(&self) -> Vec<Taken> {
        taken::of(self)
    }

    /// Training and validation images: the data set's own validation images where it brings some, else as many as
    /// [usual](usually_held_back) are held back from the training images, see [`hold_back`].
    ///
    /// # Errors
    /// As [`hold_back`].
    pub fn split(&self, seed: u64) -> Result<Split, DatasetError> {
        self.split_off(usually_held_back(self.train.len()), seed)
    }

    /// As [`split`](Self::split), with another number of images held back.
    ///
    /// # Errors
    /// As [`hold_back`].
    pub fn split_off(&self, held_back: usize, seed: u64) -> Result<Split, DatasetError> {
        if self.validation.is_empty() {
            hold_back(&self.train, held_back, seed)
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
