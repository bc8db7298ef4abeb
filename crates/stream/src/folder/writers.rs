//! Whether a file is still being written, as far as that can be told from outside.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the end of a file that must not all be zero, and of a small one this part of it.
const TAIL: u64 = 4096;
const TAIL_OF_SMALL: u64 = 8;

/// Extensions of files whose decoders miss what is not there.
const TELL_THEIR_END: [&str; 8] = ["png", "apng", "jpg", "jpeg", "jpe", "jif", "jfif", "jfi"];

/// Whether half of such a file can pass for the whole, if its place on the disk was reserved before
/// it was written: there is no compression or checksum to tell.
pub fn may_look_whole(path: &Path) -> bool {
    let is_kind =
        |kind| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(kind));
    !TELL_THEIR_END.into_iter().any(is_kind)
}

/// Whether a file ends in zeros, as one does that grew to its full size before it was written.
pub fn ends_in_zeros(path: &Path) -> bool {
    let read_tail = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let looked_at = TAIL.min(length.div_ceil(TAIL_OF_SMALL));
        file.seek(SeekFrom::Start(length.saturating_sub(looked_at)))?;
        let mut tail = Vec::new();
        file.take(looked_at).read_to_end(&mut tail)?;
        Ok(tail)
    };
    read_tail().is_ok_and(|tail| !tail.is_empty() && tail.iter().all(|&byte| byte == 0))
}

/// Files that processes of this machine have open for writing; of processes that may not be looked
/// at, and of other systems than Linux, nothing is known.
#[derive(Debug, Default)]
pub struct OpenFiles(HashSet<FileId>);

impl OpenFiles {
    /// Looks for files of these names.
    pub fn named(names: &HashSet<&OsStr>) -> Self {
        let mut found = HashSet::new();
        if !names.is_empty() {
            // Processes and files come and go while they are listed.
            let _ = collect(names, &mut found);
        }
        Self(found)
    }

    /// Whether a file is one of them.
    pub fn contains(&self, path: &Path) -> bool {
        !self.0.is_empty() && file_id(path).is_some_and(|id| self.0.contains(&id))
    }
}

/// Device and inode.
type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;

    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn file_id(_path: &Path) -> Option<FileId> {
    None
}

#[cfg(target_os = "linux")]
fn collect(names: &HashSet<&OsStr>, found: &mut HashSet<FileId>) -> io::Result<()> {
    for process in fs::read_dir("/proc")?.flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let Ok(handles) = fs::read_dir(process.path().join("fd")) else { continue };
        for handle in handles.flatten() {
            let is_named = fs::read_link(handle.path())
                .is_ok_and(|file| file.file_name().is_some_and(|name| names.contains(name)));
            let info = || process.path().join("fdinfo").join(handle.file_name());
            if is_named && is_for_writing(&info()) {
                found.extend(file_id(&handle.path()));
            }
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn collect(_names: &HashSet<&OsStr>, _found: &mut HashSet<FileId>) -> io::Result<()> {
    Ok(())
}

/// Whether a handle is for writing, by the `flags` of its `/proc/PROCESS/fdinfo/HANDLE`.
#[cfg(target_os = "linux")]
fn is_for_writing(info: &Path) -> bool {
    /// The bits for writing only, and for reading and writing.
    const ACCESS_MODE: u32 = 0o3;
    let Ok(text) = fs::read_to_string(info) else { return false };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS_MODE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_open_for_writing_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let [written, read] = ["written.bmp", "read.bmp"].map(|name| folder.path().join(name));
        fs::write(&written, b"1").unwrap();
        fs::write(&read, b"1").unwrap();
        let names = HashSet::from([OsStr::new("written.bmp"), OsStr::new("read.bmp")]);
        let reader = File::open(&read).unwrap();
        let writer = File::options().append(true).open(&written).unwrap();
        let open = OpenFiles::named(&names);
        assert_eq!([&written, &read].map(|path| open.contains(path)), [true, false]);
        drop((reader, writer));
        assert!(!OpenFiles::named(&names).contains(&written));
    }

    #[test]
    fn zeros_at_the_end_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.bmp");
        for (content, expected) in [
            ([vec![7; 5000], vec![0; 5000]].concat(), true),
            ([vec![7; 50_000], vec![0; 4000]].concat(), false),
            ([vec![7; 3000], vec![0; 1000]].concat(), true),
            ([vec![7; 5000], vec![0; 500]].concat(), false),
            ([vec![0; 9999], vec![1]].concat(), false),
            (vec![0; 10], true),
            (vec![], false),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(ends_in_zeros(&path), expected);
        }
        for (name, expected) in
            [("a/1.BMP", true), ("1.ppm", true), ("1.TF8", true), ("1.png", false)]
        {
            assert_eq!(may_look_whole(Path::new(name)), expected, "{name}");
        }
    }
}
