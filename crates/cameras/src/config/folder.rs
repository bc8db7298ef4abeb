use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CameraError;

/// Photos that arrive in a folder and below it, each once it is complete; see `docs/watch.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder. One that is not there yet is waited for.
    pub path: PathBuf,
    /// A folder in it that is left out, for example that of rejects. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<PathBuf>,
    /// How long a photo must not change before it counts as complete, in milliseconds, at most
    /// 3600000. Default 1000.
    #[serde(default = "default_settle_ms")]
    pub settle_ms: u32,
}

fn default_settle_ms() -> u32 {
    1000
}

impl FolderConfig {
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.path = folder.join(&self.path);
        self.left_out = self.left_out.take().map(|path| folder.join(path));
    }

    pub(super) fn check(&self) -> Result<(), CameraError> {
        super::in_range("settle_ms", self.settle_ms, 0, 3_600_000)?;
        if self.path.exists() && !self.path.is_dir() {
            let reason = format!("{}: is no folder", self.path.display());
            return Err(CameraError::field("path", reason));
        }
        Ok(())
    }
}
