//! A file appears whole or not at all, whatever happens meanwhile.

use efficientad_files::write_atomically;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
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

fn write(path: &Path, text: &str) -> io::Result<()> {
    write_atomically(path, |writer| writer.write_all(text.as_bytes()))
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
fn what_was_written_can_be_read_back_before_it_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.txt");
    write_atomically(&path, |writer| {
        writer.write_all(b"new")?;
        writer.rewind()?;
        let mut text = String::new();
        writer.get_mut().read_to_string(&mut text)?;
        assert_eq!(text, "new");
        Ok::<(), io::Error>(())
    })
    .expect("written");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    let error = write(Path::new(""), "").expect_err("no name");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // Numbers tell nothing: 1 is a living process here, and one in every container.
    let [left, other, living] =
        [".report.txt.1-0.tmp", ".summary.txt.1-0.tmp", ".report.txt.4194305-0.tmp"];
    for name in [left, other] {
        fs::write(at(name), "half").expect("written");
    }
    let writer = File::create(at(living)).expect("made");
    writer.try_lock().expect("nobody else has it");
    write(&at("report.txt"), "new").expect("written");
    assert_eq!(names_in(folder.path()), [living, other, "report.txt"]);
    drop(writer);
    write(&at("report.txt"), "new").expect("written");
    assert_eq!(names_in(folder.path()), [other, "report.txt"]);
}

#[test]
fn two_writers_of_one_file_do_not_take_each_other_for_dead() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.txt");
    std::thread::scope(|scope| {
        for text in ["one", "two"] {
            let path = &path;
            scope.spawn(move || {
                (0..100).for_each(|_| write(path, text).expect("written"));
            });
        }
    });
    assert!(["one", "two"].contains(&fs::read_to_string(&path).expect("readable").as_str()));
    assert_eq!(names_in(folder.path()), ["report.txt"]);
}

#[test]
fn a_name_may_be_as_long_as_names_may_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let longest = "n".repeat(255);
    write(&folder.path().join(&longest), "new").expect("written");
    assert_eq!(names_in(folder.path()), [longest.as_str()]);
    let error = write(&folder.path().join("n".repeat(256)), "new").expect_err("too long");
    assert_eq!(error.kind(), io::ErrorKind::InvalidFilename);
    assert_eq!(names_in(folder.path()), [longest]);
}
