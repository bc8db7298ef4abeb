//! What a folder holds besides the photos that are taken.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use efficientad_images::is_unread_image_extension;

use crate::DatasetError;
use crate::files::{name, relative_name};

/// Visible files that are not taken for images, counted by their extensions (pipes, sockets and devices, too, whatever
/// they are called), and folders with photos that are not taken.
///
/// It reads as `2 .gif, 1 .txt, 1 without extension; parts/NG: 3 photos (named like defects)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// By extension in lower case; empty for none.
    counts: BTreeMap<String, usize>,
    folders: Vec<LeftOutFolder>,
}

/// A folder of which photos are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutFolder {
    /// The folder.
    pub path: PathBuf,
    /// How many photos; `None` if nobody looked.
    pub photos: Option<usize>,
    /// Why they are not.
    pub reason: Reason,
}

/// Why photos are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A system or a program made the folder, for thumbnails or waste.
    System,
    /// It is a symbolic link, which might lead round in a circle.
    Linked,
    /// Its name says that they are masks, or theirs do.
    Masks,
    /// They are masks, but of no photo there is.
    MasksWithoutPhotos,
    /// Its name says that they are defects, where photos to train on lie; or their masks do.
    Defects,
    /// They lie where photos have a place, but in none of the folders that say what they are.
    NoKind,
    /// The data set does not publish what they show.
    Unlabelled,
    /// Others that are taken have the same content: what is seen twice is known no better.
    Copies,
    /// They are below a folder that has photos of its own.
    Below,
    /// The folder can't be listed.
    NotListed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "made by the system",
            Self::Linked => "a link to a folder, not followed",
            Self::Masks => "masks",
            Self::MasksWithoutPhotos => "masks of no photo",
            Self::Defects => "defects, not trained on",
            Self::NoKind => "nothing says what they show",
            Self::Unlabelled => "their truth is not published",
            Self::Copies => "copies of others",
            Self::Below => "below a folder that has photos of its own",
            Self::NotListed => "it can't be listed: look at its permissions",
        })
    }
}

impl fmt::Display for LeftOutFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, photos, reason } = self;
        match photos {
            Some(1) => write!(f, "{}: 1 photo ({reason})", path.display()),
            Some(photos) => write!(f, "{}: {photos} photos ({reason})", path.display()),
            None => write!(f, "{} ({reason})", path.display()),
        }
    }
}

impl LeftOut {
    /// Counts a file.
    pub fn add(&mut self, path: &Path) {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        *self.counts.entry(extension).or_default() += 1;
    }

    /// Notes `photos` of a folder, unless there are none.
    pub(crate) fn add_photos(&mut self, folder: &Path, photos: usize, reason: Reason) {
        if photos > 0 {
            self.folders.push(LeftOutFolder {
                path: folder.to_owned(),
                photos: Some(photos),
                reason,
            });
        }
    }

    /// Notes a folder that can't be listed.
    pub(crate) fn add_not_listed(&mut self, error: &DatasetError) {
        if let DatasetError::Io { path, .. } | DatasetError::MissingFolder(path) = error {
            self.add_folder(path, Reason::NotListed);
        }
    }

    /// Notes a folder that is not looked into.
    pub(crate) fn add_folder(&mut self, folder: &Path, reason: Reason) {
        self.folders.push(LeftOutFolder { path: folder.to_owned(), photos: None, reason });
    }

    /// Counts what another has counted.
    pub fn extend(&mut self, other: &Self) {
        self.folders.extend_from_slice(&other.folders);
        for (extension, count) in &other.counts {
            *self.counts.entry(extension.clone()).or_default() += count;
        }
    }

    /// How many files there are that are no images.
    pub fn count(&self) -> usize {
        self.counts.values().sum()
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.folders.is_empty()
    }

    /// Folders that can't be listed, which nobody wanted to leave out.
    pub fn not_listed(&self) -> usize {
        self.folders.iter().filter(|folder| folder.reason == Reason::NotListed).count()
    }

    /// Folders with photos that are not taken.
    pub fn folders(&self) -> &[LeftOutFolder] {
        &self.folders
    }

    /// Extensions in lower case without the dot, sorted, and their numbers of files.
    pub fn by_extension(&self) -> impl Iterator<Item = (&str, usize)> {
        self.counts.iter().map(|(extension, &count)| (extension.as_str(), count))
    }

    /// The same with folders as they are called below `root`; others by their names alone.
    pub fn below(&self, root: &Path) -> Self {
        let mut below = self.clone();
        for folder in &mut below.folders {
            folder.path = match folder.path.strip_prefix(root) {
                Ok(_) => relative_name(root, &folder.path).into(),
                Err(_) => name(&folder.path).into(),
            };
        }
        below
    }

    /// Those of them that are pictures by their names, of formats that are not read: a user may take
    /// them for judged.
    pub fn pictures(&self) -> Self {
        let is_picture =
            |extension: &str| is_unread_image_extension(Path::new(&format!("x.{extension}")));
        let counts = self.by_extension().filter(|(extension, _)| is_picture(extension));
        let counts = counts.map(|(extension, count)| (extension.to_owned(), count)).collect();
        Self { counts, folders: Vec::new() }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (extension, count)) in self.by_extension().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            match extension {
                "" => write!(f, "{comma}{count} without extension")?,
                _ => write!(f, "{comma}{count} .{extension}")?,
            }
        }
        for (i, folder) in self.folders.iter().enumerate() {
            let semicolon = if i > 0 || !self.counts.is_empty() { "; " } else { "" };
            write!(f, "{semicolon}{folder}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_kind() {
        let mut left_out = LeftOut::default();
        assert!(left_out.is_empty() && left_out.to_string().is_empty());
        for name in ["a/1.gif", "2.GIF", "notes.txt", "Makefile", "3.heic"] {
            left_out.add(Path::new(name));
        }
        assert_eq!(left_out.to_string(), "1 without extension, 2 .gif, 1 .heic, 1 .txt");
        assert_eq!(
            (left_out.count(), left_out.pictures().to_string()),
            (5, "2 .gif, 1 .heic".into())
        );
        let more = left_out.clone();
        left_out.extend(&more);
        assert_eq!(left_out.by_extension().collect::<Vec<_>>()[1], ("gif", 4));
    }
}
