//! Where rejects go.

use std::fs::{self, File, FileTimes};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use efficientad_evaluation::{Judged, Verdict};
use efficientad_files::{sync_folder_of, write_atomically};

use crate::entry::{PhotoFile, as_logged};
use crate::folder::modified;
use crate::sink::{Receipt, Sink};
use crate::source::Arrival;

/// How a reject gets into the folder of rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filing {
    /// As a copy; the photo stays.
    Copy,
    /// The photo itself.
    Move,
    /// As a hard link: a second name of the same file, on the same drive.
    Link,
}

/// A folder of rejects, laid out like the watched folder.
#[derive(Clone, Debug)]
pub struct Rejects {
    /// The folder.
    pub folder: PathBuf,
    /// How rejects get there.
    pub filing: Filing,
}

impl Sink for Rejects {
    fn wants(&self, verdict: &Verdict) -> bool {
        verdict.anomalous == Some(true)
    }

    fn deliver(
        &mut self,
        arrival: &Arrival,
        _verdict: &Verdict,
        _judged: Option<&Judged>,
    ) -> io::Result<Receipt> {
        let source = arrival.file.as_deref().ok_or_else(|| {
            io::Error::new(io::ErrorKind::Unsupported, "only photos that are files can be filed")
        })?;
        self.file(source, &arrival.photo).map(|path| receipt(&path))
    }

    fn find(&self, photo: &PhotoFile) -> Option<Receipt> {
        self.place(photo, |_| Ok(true)).ok()?.taken().map(|path| receipt(&path))
    }
}

fn receipt(path: &Path) -> Receipt {
    let (to, to_hex) = as_logged(path);
    Receipt { to, to_hex }
}

impl Rejects {
    /// Files a photo; where it is then, below the folder of rejects. Nothing that lies there is
    /// replaced: a name that is taken becomes `name~2.png`, `name~3.png` and so on. A photo that is
    /// there already, which a crash may have kept from being noted, is not filed again; it is
    /// recognised by its size, time of change and content.
    ///
    /// # Errors
    /// The operating system refuses; the photo is then where it was.
    pub fn file(&self, source: &Path, photo: &PhotoFile) -> io::Result<PathBuf> {
        let name = match self.place(photo, |there| has_content_of(there, source))? {
            Place::Taken(name) => {
                if self.filing == Filing::Move {
                    fs::remove_file(source)?;
                }
                return Ok(name);
            }
            Place::Free(name) => name,
        };
        let target = self.folder.join(&name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        match self.filing {
            Filing::Copy => copy(source, &target)?,
            Filing::Link => fs::hard_link(source, &target)?,
            Filing::Move => match fs::rename(source, &target) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    copy(source, &target)?;
                    fs::remove_file(source)?;
                }
                moved => moved?,
            },
        }
        sync_folder_of(&target);
        Ok(name)
    }

    /// The first name that is free or that the photo has already. What has its size and time is
    /// the photo if `is_same` says so.
    fn place(
        &self,
        photo: &PhotoFile,
        is_same: impl Fn(&Path) -> io::Result<bool>,
    ) -> io::Result<Place> {
        for number in 1.. {
            let name = numbered(&photo.to_path(), number);
            let path = self.folder.join(&name);
            match path.symlink_metadata() {
                Ok(there) if there.len() == photo.bytes && modified(&there) == photo.modified => {
                    if there.is_file() && is_same(&path)? {
                        return Ok(Place::Taken(name));
                    }
                }
                Ok(_) => {}
                Err(_) => return Ok(Place::Free(name)),
            }
        }
        unreachable!("a folder can't hold that many files")
    }
}

enum Place {
    Free(PathBuf),
    Taken(PathBuf),
}

impl Place {
    fn taken(self) -> Option<PathBuf> {
        match self {
            Self::Taken(path) => Some(path),
            Self::Free(_) => None,
        }
    }
}

/// The path with `~number` before its extension from 2 on.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("~{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Whether two files of one size hold the same bytes.
fn has_content_of(one: &Path, other: &Path) -> io::Result<bool> {
    let open = |path| File::open(path).map(|file| BufReader::with_capacity(1 << 16, file));
    let (mut one, mut other) = (open(one)?, open(other)?);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(left.len() == right.len());
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Copies content and time of change; the copy appears whole or not at all.
fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let mut file = File::open(source)?;
    let modified: SystemTime = file.metadata()?.modified()?;
    write_atomically(target, |writer| {
        io::copy(&mut file, writer)?;
        io::Write::flush(writer)?;
        writer.get_ref().set_times(FileTimes::new().set_modified(modified))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Line {
        root: tempfile::TempDir,
    }

    impl Line {
        fn photo(&self, path: &str, content: &str) -> (PathBuf, PhotoFile) {
            let file = self.root.path().join("line").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            let metadata = file.metadata().unwrap();
            let photo = PhotoFile::new(Path::new(path), metadata.len(), modified(&metadata));
            (file, photo)
        }

        fn rejects(&self, filing: Filing) -> Rejects {
            Rejects { folder: self.root.path().join("rejects"), filing }
        }

        fn content(&self, name: &str) -> String {
            fs::read_to_string(self.root.path().join("rejects").join(name)).unwrap()
        }
    }

    fn line() -> Line {
        Line { root: tempfile::tempdir().unwrap() }
    }

    #[test]
    fn a_reject_is_filed_once_however_often_one_tries() {
        for filing in [Filing::Copy, Filing::Move, Filing::Link] {
            let line = line();
            let rejects = line.rejects(filing);
            let (file, photo) = line.photo("a/1.png", "one");
            assert_eq!(rejects.find(&photo), None);
            assert_eq!(rejects.file(&file, &photo).unwrap(), Path::new("a/1.png"));
            assert_eq!(rejects.find(&photo).map(|receipt| receipt.to).as_deref(), Some("a/1.png"));
            assert_eq!(file.exists(), filing != Filing::Move);
            if file.exists() {
                assert_eq!(rejects.file(&file, &photo).unwrap(), Path::new("a/1.png"));
                // As after a crash between the two halves of a move to another drive.
                let moving = line.rejects(Filing::Move);
                assert_eq!(moving.file(&file, &photo).unwrap(), Path::new("a/1.png"));
                assert!(!file.exists());
            }
            assert_eq!(line.content("a/1.png"), "one");
            assert_eq!(fs::read_dir(rejects.folder.join("a")).unwrap().count(), 1);
        }
    }

    #[test]
    fn rejects_of_one_name_are_all_kept() {
        for filing in [Filing::Copy, Filing::Move, Filing::Link] {
            let line = line();
            let rejects = line.rejects(filing);
            for (content, name) in [("one", "1.png"), ("other", "1~2.png"), ("third", "1~3.png")] {
                let (file, photo) = line.photo("1.png", content);
                assert_eq!(rejects.file(&file, &photo).unwrap(), Path::new(name));
                if filing != Filing::Move {
                    fs::remove_file(file).unwrap();
                }
            }
            let names = ["1.png", "1~2.png", "1~3.png"].map(|name| line.content(name));
            assert_eq!(names, ["one", "other", "third"]);
        }
    }

    #[test]
    fn another_photo_of_the_same_size_and_time_is_not_taken_for_a_filed_one() {
        for filing in [Filing::Copy, Filing::Move, Filing::Link] {
            let line = line();
            let rejects = line.rejects(filing);
            let (file, photo) = line.photo("1.png", "one");
            rejects.file(&file, &photo).unwrap();
            drop(fs::remove_file(&file));
            let (file, _) = line.photo("1.png", "two");
            let time = File::open(rejects.folder.join("1.png")).unwrap().metadata().unwrap();
            let times = FileTimes::new().set_modified(time.modified().unwrap());
            File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
            assert_eq!(rejects.file(&file, &photo).unwrap(), Path::new("1~2.png"), "{filing:?}");
            assert_eq!(["1.png", "1~2.png"].map(|name| line.content(name)), ["one", "two"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_kept() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let line = line();
        let rejects = line.rejects(Filing::Move);
        for bytes in [b"a\xff.png", b"a\xfe.png"] {
            let name = Path::new(OsStr::from_bytes(bytes));
            let file = line.root.path().join(name);
            fs::write(&file, bytes).unwrap();
            let metadata = file.metadata().unwrap();
            let photo = PhotoFile::new(name, metadata.len(), modified(&metadata));
            assert_eq!(rejects.file(&file, &photo).unwrap(), name);
            assert_eq!(fs::read(rejects.folder.join(name)).unwrap(), bytes);
            assert!(rejects.find(&photo).unwrap().to_hex.is_some());
        }
        assert_eq!(numbered(Path::new("a/1.b.png"), 2), Path::new("a/1.b~2.png"));
    }
}
