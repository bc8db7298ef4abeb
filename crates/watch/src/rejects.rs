//! Where rejects go.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use efficientad_files::{sync_folder_of, write_atomically};

use crate::entry::PhotoFile;
use crate::folder::modified;

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

impl Rejects {
    /// Files a photo; where it is then, below the folder of rejects. Nothing that lies there is
    /// replaced: a name that is taken becomes `name~2.png`, `name~3.png` and so on. A photo that is
    /// there already, which a crash may have kept from being noted, is not filed again.
    ///
    /// # Errors
    /// The operating system refuses; the photo is then where it was.
    pub fn file(&self, source: &Path, photo: &PhotoFile) -> io::Result<String> {
        let name = match self.place(photo) {
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

    /// Where a photo is that was filed, below the folder of rejects.
    pub fn find(&self, photo: &PhotoFile) -> Option<String> {
        match self.place(photo) {
            Place::Taken(name) => Some(name),
            Place::Free(_) => None,
        }
    }

    /// The first name that is free or that the photo has already.
    fn place(&self, photo: &PhotoFile) -> Place {
        for number in 1.. {
            let name = numbered(&photo.path, number);
            match self.folder.join(&name).symlink_metadata() {
                Ok(there) if there.len() == photo.bytes && modified(&there) == photo.modified => {
                    return Place::Taken(name);
                }
                Ok(_) => {}
                Err(_) => return Place::Free(name),
            }
        }
        unreachable!("a folder can't hold that many files")
    }
}

enum Place {
    Free(String),
    Taken(String),
}

/// The path with `~number` before its extension from 2 on; nothing in it leads out of a folder.
fn numbered(path: &str, number: u32) -> String {
    let inside = |part: &Component<'_>| matches!(part, Component::Normal(_));
    let path: PathBuf = Path::new(path).components().filter(inside).collect();
    let path = if number == 1 {
        path
    } else {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{stem}~{number}.{extension}"))
    };
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
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
            let photo = PhotoFile {
                path: path.to_owned(),
                bytes: metadata.len(),
                modified: modified(&metadata),
            };
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
            assert_eq!(rejects.file(&file, &photo).unwrap(), "a/1.png");
            assert_eq!(rejects.find(&photo).as_deref(), Some("a/1.png"));
            assert_eq!(file.exists(), filing != Filing::Move);
            if file.exists() {
                assert_eq!(rejects.file(&file, &photo).unwrap(), "a/1.png");
                // As after a crash between the two halves of a move to another drive.
                let moving = line.rejects(Filing::Move);
                assert_eq!(moving.file(&file, &photo).unwrap(), "a/1.png");
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
                assert_eq!(rejects.file(&file, &photo).unwrap(), name);
                if filing != Filing::Move {
                    fs::remove_file(file).unwrap();
                }
            }
            let names = ["1.png", "1~2.png", "1~3.png"].map(|name| line.content(name));
            assert_eq!(names, ["one", "other", "third"]);
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        assert_eq!(numbered("../../etc/1.png", 1), "etc/1.png");
        assert_eq!(numbered("/a/1.b.png", 2), "a/1.b~2.png");
    }
}
