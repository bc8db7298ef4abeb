//! Which photos to judge, and what to call their results.

use std::fs;
use std::path::{Component, Path, PathBuf};

use efficientad_datasets::{
    DatasetError, FoundImages, LeftOut, Wanted, common_folder, find_images,
};

/// A photo to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its file.
    pub path: PathBuf,
    /// What its results are called after: its path below the folder that all photos have in common.
    pub relative: PathBuf,
}

/// Photos, the folders that gave none, and what is not taken for photos.
#[derive(Debug, Default)]
pub struct FoundPhotos {
    /// The photos, in the order of the paths, those of a folder sorted by name.
    pub photos: Vec<Photo>,
    /// Why a folder, or one below it, gave none.
    pub errors: Vec<DatasetError>,
    /// The other visible files of the folders.
    pub left_out: LeftOut,
}

/// Finds the photos that `paths` name: files, and folders with all images in and below them but masks. A file
/// that does not exist is found too, so that reading it fails in its turn.
///
/// A folder of `results` that lies inside a folder of photos is left out.
pub fn find_photos(paths: &[PathBuf], results: Option<&Path>) -> FoundPhotos {
    let mut found = FoundPhotos::default();
    let roots: Vec<PathBuf> = paths.iter().map(|path| root_of(path)).collect();
    let common = common_folder(&roots);
    for (path, root) in paths.iter().zip(&roots) {
        let below = root.strip_prefix(&common).unwrap_or(root);
        if !path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            found.photos.push(Photo { path: path.clone(), relative: inside(&below.join(name)) });
            continue;
        }
        match find_images(path, Wanted::NoMasks) {
            Ok(FoundImages { images, left_out, not_listed }) => {
                if images.is_empty() && not_listed.is_empty() {
                    found.errors.push(DatasetError::NoImages(path.clone()));
                }
                found.errors.extend(not_listed);
                found.left_out.extend(&left_out);
                let files = images.iter().filter(|file| !is_result(file, path, results));
                found.photos.extend(files.map(|file| Photo {
                    path: file.clone(),
                    relative: inside(&below.join(file.strip_prefix(path).unwrap_or(file))),
                }));
            }
            Err(error) => found.errors.push(error),
        }
    }
    found
}

/// The folder that a path is or lies in, without links and `..`; empty if there is none.
fn root_of(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        _ if path.is_dir() => path,
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::canonicalize(folder).unwrap_or_default()
}

fn is_result(file: &Path, folder: &Path, results: Option<&Path>) -> bool {
    let results = results.and_then(|results| fs::canonicalize(results).ok());
    let folder = fs::canonicalize(folder).ok();
    let file = fs::canonicalize(file).ok();
    match (results, folder, file) {
        (Some(results), Some(folder), Some(file)) => {
            results != folder && results.starts_with(&folder) && file.starts_with(&results)
        }
        _ => false,
    }
}

/// A path that can't lead out of the folder that it is joined to.
fn inside(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
    }

    fn names(paths: &[PathBuf], results: Option<&Path>) -> Vec<String> {
        let found = find_photos(paths, results);
        found.photos.iter().map(|photo| photo.relative.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn names_begin_below_the_common_folder() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        files(root, &["test/a/0.png", "test/a/deep/1.png", "test/b/0.png", "c.png"]);
        let of = |paths: &[&str]| {
            names(&paths.iter().map(|path| root.join(path)).collect::<Vec<_>>(), None)
        };
        assert_eq!(of(&["test"]), ["a/0.png", "a/deep/1.png", "b/0.png"]);
        assert_eq!(of(&["test/a"]), ["0.png", "deep/1.png"]);
        assert_eq!(of(&["test/b", "test/a/0.png"]), ["b/0.png", "a/0.png"]);
        assert_eq!(of(&["test/a/0.png"]), ["0.png"]);
        assert_eq!(of(&["test/b/../a", "c.png"]), ["test/a/0.png", "test/a/deep/1.png", "c.png"]);
    }

    #[test]
    fn results_are_no_photos() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        files(root, &["0.png", "out/overlays/0.png"]);
        let paths = [root.to_owned()];
        assert_eq!(names(&paths, Some(&root.join("out"))), ["0.png"]);
        assert_eq!(names(&paths, Some(root)).len(), 2);
        assert_eq!(names(&[root.join("out")], Some(root)), ["overlays/0.png"]);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().join("none/0.png"), root.path().to_owned()];
        let found = find_photos(&paths, None);
        assert_eq!(found.photos.len(), 1);
        assert_eq!(found.photos[0].path, paths[0]);
        assert!(matches!(&found.errors[..], [DatasetError::NoImages(_)]));
    }
}
