//! Photos that people bring: a folder for each part, below the server's folder of data.
//!
//! | in `DATA/uploads/PART` | what it holds |
//! |---|---|
//! | `train` | photos of good parts, to train on |
//! | `train-2`, … | photos marked as good that the model learned from later |
//! | `marks/good`, `marks/defect` | photos of which people said what they show |
//! | `region.json` | the region of interest that was drawn |
//! | `training.json`, `learned.json` | the training that is not finished; the folders that the model knows |
//!
//! A part has the name of its model. Names come from clients: each is checked before it is part of a
//! path, and a path below the folder of data leads nowhere else.

pub(crate) mod api;
pub(crate) mod picture;
mod shelf;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use axum::http::StatusCode;
use efficientad_jobs::{LONGEST_PART_NAME, is_part_name};

use crate::refusal::Refusal;
pub(crate) use shelf::{Shelf, content_of, photos_in};

/// The folder of data.
#[derive(Debug)]
pub(crate) struct Parts {
    data: PathBuf,
}

/// The folder of a part. It need not be there yet.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub name: String,
    pub folder: PathBuf,
}

impl Parts {
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let data = data.canonicalize()?;
        fs::create_dir_all(data.join("uploads"))?;
        Ok(Self { data })
    }

    /// The folder of data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The names of all parts, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data.join("uploads")).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_part_name(name)).collect();
        names.sort_unstable();
        names
    }

    /// The part of a name.
    pub(crate) fn part(&self, name: &str) -> Result<Part, Refusal> {
        if !is_part_name(name) {
            return Err(Refusal::bad_request(format!(
                "{name:?}: a part's name has 1 to {LONGEST_PART_NAME} letters a to z, digits, dots, dashes \
                 and underscores, and begins with a letter or digit"
            )));
        }
        let folder = self.data.join("uploads").join(name);
        Ok(Part { name: name.to_owned(), folder })
    }

    /// A file or folder below the folder of data, by its path from there.
    pub(crate) fn below(&self, path: &str) -> Result<PathBuf, Refusal> {
        let relative = Path::new(path);
        let is_plain = relative.components().all(|it| matches!(it, Component::Normal(_)));
        let found = is_plain.then(|| self.data.join(relative).canonicalize().ok()).flatten();
        found.filter(|found| found.starts_with(&self.data)).ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "no_such_path",
                format!(
                    "{path:?}: there is no such file or folder below the server's folder of data; write \
                     its path from there"
                ),
            )
        })
    }

    /// The path of something below the folder of data, from there, its parts joined by `/`.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.data).unwrap_or(path);
        let names = below.components().map(|part| part.as_os_str().to_string_lossy());
        names.collect::<Vec<_>>().join("/")
    }
}

impl Part {
    /// The folder of photos to train on.
    pub(crate) fn train(&self) -> PathBuf {
        self.folder.join(Shelf::Train.folder())
    }

    /// A file of this part.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The first folder for photos that a model learns later which is not there yet.
    pub(crate) fn next_training(&self) -> PathBuf {
        let mut folders = (2_u32..).map(|number| self.folder.join(format!("train-{number}")));
        folders.find(|folder| !folder.exists()).unwrap_or_else(|| self.folder.join("train-more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::open(folder.path()).unwrap();
        for wrong in ["", ".", "..", "a/b", "a\\b", "-x", ".x", "ü", "a b", "a\0", &"x".repeat(65)]
        {
            assert!(parts.part(wrong).is_err(), "{wrong:?}");
        }
        assert!(parts.part("part-7_b.2").is_ok());
    }

    #[test]
    fn paths_stay_below_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("a/b")).unwrap();
        fs::create_dir_all(folder.path().join("secret")).unwrap();
        let parts = Parts::open(&data).unwrap();
        assert_eq!(parts.relative(&parts.below("a/b").unwrap()), "a/b");
        assert!(parts.below("").is_ok(), "the folder itself");
        let absolute = folder.path().join("secret");
        for wrong in ["../secret", "a/../../secret", "missing", "/", absolute.to_str().unwrap()] {
            assert!(parts.below(wrong).is_err(), "{wrong}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&absolute, data.join("link")).unwrap();
            assert!(parts.below("link").is_err(), "a link that leads out");
        }
    }
}
