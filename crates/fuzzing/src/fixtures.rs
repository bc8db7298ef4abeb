//! The files of the other crates' tests, to begin with.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// The content of the files in a crate's folder that have one of these extensions, by their names.
///
/// # Panics
/// When the folder can't be read.
pub(crate) fn read(folder: &str, extensions: &[&str]) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder of fixtures");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| {
        path.extension().and_then(OsStr::to_str).is_some_and(|end| extensions.contains(&end))
    });
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a fixture")).collect()
}
