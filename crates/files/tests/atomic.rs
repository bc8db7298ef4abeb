//! A file appears whole or not at all, whatever happens meanwhile.

use efficientad_files::write_atomically;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .collect::<Result<_, _>>()
        .expect("plain names");
    names.sort();
    names
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.txt");
    fs::write(&path, "old").expect("written");
    let error = write_atomically(&path, |writer| {
        writer.write_all(b"half of the new")?;
        Err(io::Error::other("the lamp went out"))
    })
    .expect_err("the closure failed");
    assert_eq!(error.to_string(), "the lamp went out");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "old");
    assert_eq!(names_in(folder.path()), ["report.txt"]);
}

#[test]
fn a_panic_while_writing_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.txt");
    let result =
        std::panic::catch_unwind(|| write_atomically::<io::Error>(&path, |_| panic!("on purpose")));
    assert!(result.is_err());
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn the_new_file_appears_only_when_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.txt");
    fs::write(&path, "old").expect("written");
    write_atomically(&path, |writer| {
        writer.write_all(b"new")?;
        writer.flush()?;
        assert_eq!(fs::read_to_string(&path)?, "old");
        assert_eq!(names_in(folder.path()).len(), 2);
        Ok::<(), io::Error>(())
    })
    .expect("written");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
    assert_eq!(names_in(folder.path()), ["report.txt"]);
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    let error = write_atomically::<io::Error>(Path::new("/"), |_| Ok(())).expect_err("no name");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_killed_process_left_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // No process has a number above the kernel's limit of 2^22.
    let [left, other, running] =
        [".report.txt.4194305-0.tmp", ".summary.txt.4194305-0.tmp", ".report.txt.1-0.tmp"];
    for name in [left, other, running] {
        fs::write(at(name), "half").expect("written");
    }
    write_atomically(&at("report.txt"), |writer| writer.write_all(b"new")).expect("written");
    assert_eq!(names_in(folder.path()), [running, other, "report.txt"]);
}
