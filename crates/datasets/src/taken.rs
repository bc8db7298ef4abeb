//! What of a data set is taken, from which folder, as what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Dataset;
use crate::files::relative_name;

/// Files of one folder that are taken for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The folder below the data set's root, its parts joined by `/`; empty for the root itself.
    pub folder: String,
    /// What they are taken for.
    #[serde(rename = "as")]
    pub taken_as: TakenAs,
    /// How many there are.
    pub files: usize,
}

/// What files are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TakenAs {
    /// Good parts to train on, and to hold some back of.
    Training,
    /// Good parts for the threshold.
    Validation,
    /// Good parts to test with.
    TestGood,
    /// Defects to test with.
    TestDefects,
    /// Masks of defects.
    Masks,
    /// Photos to be judged.
    ToJudge,
}

impl fmt::Display for TakenAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Training => "good, to train on",
            Self::Validation => "good, for the threshold",
            Self::TestGood => "good, to test with",
            Self::TestDefects => "defects, to test with",
            Self::Masks => "masks",
            Self::ToJudge => "to judge",
        })
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, taken_as, files } = self;
        let folder = if folder.is_empty() { "." } else { folder };
        write!(f, "{folder}: {files} {taken_as}")
    }
}

impl Taken {
    /// Counts photos by their folders.
    pub fn count<'a, T: 'a>(
        photos: impl IntoIterator<Item = &'a T>,
        path: impl Fn(&T) -> &Path,
        taken_as: TakenAs,
    ) -> Vec<Self> {
        let mut counts = BTreeMap::<String, usize>::new();
        for photo in photos {
            let folder = path(photo).parent().unwrap_or(Path::new(""));
            *counts.entry(relative_name(Path::new(""), folder)).or_default() += 1;
        }
        counts.into_iter().map(|(folder, files)| Self { folder, taken_as, files }).collect()
    }
}

/// By use, then by folder.
pub(crate) fn of(dataset: &Dataset) -> Vec<Taken> {
    let mut counts = BTreeMap::<(TakenAs, String), usize>::new();
    let mut count = |taken_as, path: &Path| {
        let folder = relative_name(&dataset.root, path.parent().unwrap_or(path));
        *counts.entry((taken_as, folder)).or_default() += 1;
    };
    dataset.train.iter().for_each(|path| count(TakenAs::Training, path));
    dataset.validation.iter().for_each(|path| count(TakenAs::Validation, path));
    for image in &dataset.test {
        let taken_as = if image.anomalous { TakenAs::TestDefects } else { TakenAs::TestGood };
        count(taken_as, &image.path);
        image.ground_truth.masks().into_iter().for_each(|mask| count(TakenAs::Masks, mask));
    }
    let taken = |((taken_as, folder), files)| Taken { folder, taken_as, files };
    counts.into_iter().map(taken).collect()
}
