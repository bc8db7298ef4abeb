//! Folders for tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Writes `content` to `relative` below `root`, making the folders on the way.
pub fn write(root: &Path, relative: &str, content: &str) -> PathBuf {
    let path = root.join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// Writes several files whose content is their own name.
pub fn write_all(root: &Path, names: &[&str]) {
    for name in names {
        write(root, name, name);
    }
}
