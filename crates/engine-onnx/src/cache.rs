//! Where TensorRT keeps what it has built.

use crate::error::OnnxRuntimeError;
use efficientad_files::cache_folder;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

/// The folder, made if need be.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf, OnnxRuntimeError> {
    let error = |reason: &dyn ToString| OnnxRuntimeError::Cache { reason: reason.to_string() };
    let default = || cache_folder().map(|folder| folder.join("tensorrt"));
    let folder = named.map(Path::to_owned).or_else(default);
    let folder = folder.ok_or_else(|| error(&"there is no home folder"))?;
    if folder.to_str().is_none() {
        return Err(error(&format!("{} is no Unicode text", folder.display())));
    }
    fs::create_dir_all(&folder)
        .map_err(|cause| error(&format!("{}: {cause}", folder.display())))?;
    Ok(folder)
}

/// The part of the folder for one graph. TensorRT knows engines by the graph's names and shapes,
/// which are those of any other model, and not by the weights that are in them.
pub(crate) fn of_graph(folder: &Path, graph: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    hasher.write(graph);
    folder.join(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_that_differ_have_folders_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("a").join("b");
        let made = super::folder(Some(&named)).unwrap();
        assert!(made == named && named.is_dir());
        assert_eq!(of_graph(&made, b"graph"), of_graph(&made, b"graph"));
        assert_ne!(of_graph(&made, b"graph"), of_graph(&made, b"Graph"));
        fs::write(named.join("file"), "").unwrap();
        let error = super::folder(Some(&named.join("file"))).unwrap_err().to_string();
        assert!(error.contains("name one that can be written to"), "{error}");
    }
}
