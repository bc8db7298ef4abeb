//! The folder that maps and pictures go to.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use efficientad_images::PictureError;
use efficientad_images::float_tiff::save_float_tiff;
use efficientad_images::heatmap::{ValueRange, overlay};
use efficientad_images::picture::save_png;

use crate::heat::{make_folder, make_folder_of, map_of, write_error};
use crate::{Judged, OutputError, Photo};

/// Name of the folder of pictures in an [`OutputFolder`].
const OVERLAYS: &str = "overlays";

/// A folder for anomaly maps and overlays, laid out like the images that they belong to.
///
/// The map of `test/crack/000.png` is `test/crack/000.tiff` in it, where the MVTec evaluation
/// scripts look for it; its overlay is `overlays/test/crack/000.png`.
#[derive(Debug)]
pub struct OutputFolder {
    folder: PathBuf,
}

impl OutputFolder {
    /// Makes the folder for the results of `photos`, once it is sure that none of them overwrites
    /// a photo or another result.
    ///
    /// # Errors
    /// Two results would have one name, one would replace an input, or the folder can't be made.
    pub fn create(folder: &Path, photos: &[Photo]) -> Result<Self, OutputError> {
        make_folder(folder)?;
        let output = Self { folder: folder.to_owned() };
        let (mut sources, mut maps) = (BTreeSet::new(), BTreeSet::new());
        for photo in photos {
            let map = output.map_path(&photo.relative);
            if !maps.insert(map.clone()) {
                return Err(OutputError::Twice(map));
            }
            sources.extend(fs::canonicalize(&photo.path));
        }
        let overlays =
            maps.iter().map(|map| output.overlay_path(map.strip_prefix(folder).unwrap_or(map)));
        for result in maps.iter().cloned().chain(overlays) {
            if fs::canonicalize(&result).is_ok_and(|existing| sources.contains(&existing)) {
                return Err(OutputError::OverInput(result));
            }
        }
        Ok(output)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The folder of pictures.
    pub fn overlays(&self) -> PathBuf {
        self.folder.join(OVERLAYS)
    }

    /// Where the map of an image goes.
    pub fn map_path(&self, relative: &Path) -> PathBuf {
        self.folder.join(relative).with_extension("tiff")
    }

    /// Where the overlay of an image goes.
    pub fn overlay_path(&self, relative: &Path) -> PathBuf {
        self.overlays().join(relative).with_extension("png")
    }

    /// Whether the map of a photo can have its name, before the photo counts.
    pub(crate) fn check_name(&self, photo: &Photo) -> Result<(), OutputError> {
        let path = self.map_path(&photo.relative);
        make_folder_of(&path).map_err(of_photo(photo))?;
        match fs::symlink_metadata(&path) {
            Err(source) if source.kind() == ErrorKind::InvalidFilename => {
                Err(of_photo(photo)(write_error(&path, source)))
            }
            _ => Ok(()),
        }
    }

    /// Writes the anomaly map as 32-bit float TIFF of the image's size.
    ///
    /// # Errors
    /// The map is not finite, or the file or a folder can't be written;
    /// [`OutputError::NameTooLong`] is a matter of this photo alone.
    pub fn save_map(&self, photo: &Photo, judged: &Judged) -> Result<(), OutputError> {
        let path = self.map_path(&photo.relative);
        make_folder_of(&path)
            .and_then(|()| save_float_tiff(&path, map_of(judged)?))
            .map_err(of_photo(photo))
    }

    /// Writes the photo with the anomaly map drawn over it as PNG.
    ///
    /// # Errors
    /// As [`save_map`](Self::save_map).
    pub fn save_overlay(
        &self,
        photo: &Photo,
        judged: &Judged,
        range: ValueRange,
    ) -> Result<(), OutputError> {
        let path = self.overlay_path(&photo.relative);
        make_folder_of(&path)
            .and_then(|()| save_png(&path, &overlay(&judged.image, map_of(judged)?, range)?))
            .map_err(of_photo(photo))
    }
}

/// Tells what is wrong with the name of a photo from what is wrong with the folder of results.
fn of_photo(photo: &Photo) -> impl FnOnce(PictureError) -> OutputError {
    move |error| match error {
        PictureError::Write { source, .. } if source.kind() == ErrorKind::InvalidFilename => {
            OutputError::NameTooLong { photo: photo.path.clone(), source }
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(path: impl Into<PathBuf>, relative: &str) -> Photo {
        Photo { path: path.into(), relative: relative.into() }
    }

    #[test]
    fn results_have_the_names_of_their_images() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        let output =
            OutputFolder::create(&folder, &[photo("x/crack/0.1.png", "crack/0.1.png")]).unwrap();
        assert_eq!(output.map_path(Path::new("crack/0.1.png")), folder.join("crack/0.1.tiff"));
        let overlay = folder.join("overlays/crack/0.1.png");
        assert_eq!(output.overlay_path(Path::new("crack/0.1.jpg")), overlay);
        assert!(folder.is_dir());
    }

    #[test]
    fn two_results_of_one_name_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let inputs = [photo("x/0.png", "0.png"), photo("y/0.jpg", "0.jpg")];
        let error = OutputFolder::create(root.path(), &inputs).unwrap_err();
        assert!(matches!(error, OutputError::Twice(path) if path == root.path().join("0.tiff")));
    }

    #[test]
    fn inputs_are_not_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        fs::create_dir(folder.join("overlays")).unwrap();
        for (source, relative) in [("0.tiff", "0.tiff"), ("overlays/0.png", "0.png")] {
            let source = folder.join(source);
            fs::write(&source, b"").unwrap();
            let error = OutputFolder::create(folder, &[photo(&source, relative)]).unwrap_err();
            assert!(matches!(error, OutputError::OverInput(path) if path == source));
            fs::remove_file(source).unwrap();
        }
    }
}
