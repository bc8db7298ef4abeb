//! Where a password is, and nothing of what it is.

use std::io;
use std::path::{Path, PathBuf};

use efficientad_files::read_limited;

use crate::config::http::Access;
use crate::error::CameraError;

/// Most bytes of a password.
const MAX_BYTES: u64 = 4096;

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Password {
    File(PathBuf),
    Environment(String),
}

impl Password {
    pub(crate) fn of(access: Access<'_>) -> Result<Option<Self>, CameraError> {
        Self::from_fields(access.password_file, access.password_env)
    }

    pub(crate) fn from_fields(
        file: Option<&Path>,
        variable: Option<&str>,
    ) -> Result<Option<Self>, CameraError> {
        match (file, variable) {
            (Some(_), Some(_)) => {
                let reason = "goes instead of password_file; leave one of them out";
                Err(CameraError::field("password_env", reason))
            }
            (Some(path), None) => Ok(Some(Self::File(path.to_owned()))),
            (None, Some(name)) => Ok(Some(Self::Environment(name.to_owned()))),
            (None, None) => Ok(None),
        }
    }

    /// The password now.
    pub(crate) fn read(&self) -> Result<String, CameraError> {
        match self {
            Self::File(path) => read_file(path).map_err(|source| CameraError::File {
                field: "password_file",
                path: path.clone(),
                source,
            }),
            Self::Environment(name) => std::env::var(name).map_err(|error| {
                CameraError::field("password_env", format!("the variable {name} ({error})"))
            }),
        }
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read_limited(path, MAX_BYTES)?).map_err(io::Error::other)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
