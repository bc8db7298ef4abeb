//! Telling files that are copies of others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Fingerprint, LeftOut, Reason, file_fingerprint};

/// The contents of files seen so far. Only files of one size are read.
#[derive(Debug, Default)]
pub struct Contents(HashMap<u64, OfOneSize>);

#[derive(Debug)]
struct OfOneSize {
    /// The first one, as long as no other has its size.
    unread: Option<PathBuf>,
    read: HashSet<Fingerprint>,
}

impl Contents {
    /// Takes out what has the content of a file seen before, and counts it by folder. What can't be read stays: whoever
    /// opens it says so.
    pub fn leave_out_copies<T>(
        &mut self,
        files: &mut Vec<T>,
        path: impl Fn(&T) -> &Path,
        left_out: &mut LeftOut,
    ) {
        let mut copies = BTreeMap::<PathBuf, usize>::new();
        files.retain(|file| {
            let path = path(file);
            let is_new = self.is_new(path);
            if !is_new {
                *copies.entry(path.parent().unwrap_or(path).to_owned()).or_default() += 1;
            }
            is_new
        });
        for (folder, photos) in copies {
            left_out.add_photos(&folder, photos, Reason::Copies);
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return true };
        let Some(same) = self.0.get_mut(&metadata.len()) else {
            let first = OfOneSize { unread: Some(path.to_owned()), read: HashSet::new() };
            self.0.insert(metadata.len(), first);
            return true;
        };
        let first = same.unread.take().and_then(|path| file_fingerprint(&path).ok());
        same.read.extend(first);
        file_fingerprint(path).map_or(true, |content| same.read.insert(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_content_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (name, content) in
            [("a", "one"), ("b", "two"), ("c", "one"), ("d", "three"), ("e", "two")]
        {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            files.push(path);
        }
        files.push(folder.path().join("not there"));
        files.push(files[3].clone());
        let mut left_out = LeftOut::default();
        let mut contents = Contents::default();
        contents.leave_out_copies(&mut files, |path| path, &mut left_out);
        let names: Vec<_> = files.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["a", "b", "d", "not there"]);
        let expected = format!("{}: 3 photos (copies of others)", folder.path().display());
        assert_eq!(left_out.to_string(), expected);
        let mut others = vec![files[0].clone()];
        contents.leave_out_copies(&mut others, |path| path, &mut left_out);
        assert!(others.is_empty(), "seen in another list");
    }
}
