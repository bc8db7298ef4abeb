//! The files of a job: its result, and the checkpoint beside it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use efficientad_files::NotRegular;

use crate::error::JobError;

/// Most characters of a part's name.
pub const LONGEST_PART_NAME: usize = 64;

/// Whether a name is one for a part: one that files can have everywhere, and that leads nowhere else.
pub fn is_part_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_PART_NAME).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

/// The checkpoint's place: beside the file to be written in the end, named `OUT.checkpoint`.
pub fn checkpoint_of(out: &Path) -> PathBuf {
    beside(out, ".checkpoint")
}

/// The path with something appended to its name.
pub fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(out);
    name.push(ending);
    name.into()
}

/// A training that was stopped is not begun anew by accident.
///
/// # Errors
/// [`JobError::CheckpointExists`].
pub(crate) fn refuse_checkpoint(checkpoint: &Path) -> Result<(), JobError> {
    if checkpoint.exists() {
        return Err(JobError::CheckpointExists { checkpoint: checkpoint.to_owned() });
    }
    Ok(())
}

/// Finds out whether a file could be written, before hours of work are spent on its content.
///
/// # Errors
/// [`JobError::OutIsFolder`] or [`JobError::NotWritable`] when it could not.
pub fn check_writable(path: &Path) -> Result<(), JobError> {
    efficientad_files::check_writable(path).map_err(|source| {
        let path = path.to_owned();
        let problem = match (NotRegular::of(&source), source.kind()) {
            (Some(NotRegular::Folder), _) => return JobError::OutIsFolder { path },
            (Some(_), _) => "no file can take its place",
            (None, ErrorKind::NotFound | ErrorKind::NotADirectory) => "its folder does not exist",
            (None, ErrorKind::InvalidFilename) => "its name is too long",
            (None, _) => "its folder cannot be written to",
        };
        JobError::NotWritable { path, problem, source }
    })
}

/// The same of a file to be replaced only by its like: `is_like` tells whether a file that is there already begins so.
///
/// # Errors
/// As [`check_writable`], and [`JobError::OtherFile`].
pub(crate) fn check_replaceable(
    path: &Path,
    is_like: impl FnOnce(&Path) -> io::Result<bool>,
) -> Result<(), JobError> {
    check_writable(path)?;
    let has_content = fs::metadata(path).is_ok_and(|there| there.len() > 0);
    if has_content && !is_like(path).unwrap_or_default() {
        return Err(JobError::OtherFile { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("photo.png");
        let is_text = |path: &Path| Ok(fs::read(path)?.starts_with(b"text"));
        check_replaceable(&out, is_text).unwrap();
        for content in ["", "text of old"] {
            fs::write(&out, content).unwrap();
            check_replaceable(&out, is_text).unwrap();
        }
        fs::write(&out, "a photo").unwrap();
        let refused = check_replaceable(&out, is_text);
        assert!(matches!(refused, Err(JobError::OtherFile { path }) if path == out));
    }

    #[test]
    fn what_cannot_be_written_is_found_out_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("my.model");
        check_writable(&out).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let is_folder = check_writable(folder.path());
        assert!(matches!(is_folder, Err(JobError::OutIsFolder { .. })));
        let nowhere = check_writable(&folder.path().join("none/m"));
        assert!(matches!(nowhere, Err(JobError::NotWritable { .. })));
        let long = check_writable(&folder.path().join("n".repeat(256)));
        let too_long = "its name is too long";
        assert!(matches!(long, Err(JobError::NotWritable { problem, .. }) if problem == too_long));
        #[cfg(unix)]
        assert!(matches!(
            check_writable(Path::new("/dev/null")),
            Err(JobError::NotWritable { .. })
        ));
        assert_eq!(checkpoint_of(&out), folder.path().join("my.model.checkpoint"));
    }
}
