//! Where files lie that can be made again.

use std::env;
use std::path::PathBuf;

/// The folder of efficientad for files of this user that can be made again; `None` where the user has
/// no home. It may not be there yet.
///
/// `$XDG_CACHE_HOME/efficientad`, or `.cache/efficientad` in the home folder; on Windows
/// `%LOCALAPPDATA%\efficientad`; on macOS `Library/Caches/efficientad` in the home folder.
pub fn cache_folder() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = match env::consts::OS {
        "windows" => variable("LOCALAPPDATA"),
        "macos" => Some(variable("HOME")?.join("Library/Caches")),
        _ => variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache"))),
    };
    Some(of_user?.join("efficientad"))
}
