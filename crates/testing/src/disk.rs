//! A file system of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory, unmounted at the end.
pub struct Disk(TempDir);

impl Disk {
    /// Mounts one with options of tmpfs; `None`, with a notice, where only the administrator may, or on
    /// another system than Linux.
    ///
    /// # Panics
    /// When there is no folder to mount it at.
    pub fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        crate::not_here("mounting a file system in memory is not allowed");
        None
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Gives it other options.
    ///
    /// # Panics
    /// When that fails.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.folder()).status();
        assert!(status.is_ok_and(|status| status.success()), "remounting {options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the folder is then left behind.
        let _ = Command::new("umount").arg(self.folder()).status();
    }
}
