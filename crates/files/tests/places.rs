//! What a file is written in place of, and what is opened to be read.
#![cfg(unix)]

use efficientad_files::{
    NotRegular, check_regular, check_writable, open_regular, read_limited, write_atomically,
};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

fn write(path: &Path, text: &str) -> io::Result<()> {
    write_atomically(path, |writer| writer.write_all(text.as_bytes()))
}

#[test]
fn a_link_stays_and_the_file_it_leads_to_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("there")).expect("made");
    fs::write(at("there/model"), "old").expect("written");
    symlink("there/model", at("link")).expect("made");
    symlink(at("link"), at("link of a link")).expect("made");
    symlink("there/none yet", at("dangling")).expect("made");
    for (link, file) in [("link", "model"), ("link of a link", "model"), ("dangling", "none yet")] {
        check_writable(&at(link)).expect("it can be");
        write(&at(link), link).expect("written");
        assert!(at(link).is_symlink());
        let file = at("there").join(file);
        assert!(!file.is_symlink());
        assert_eq!(fs::read_to_string(file).expect("readable"), link);
    }
    assert_eq!(fs::read_dir(at("there")).expect("a folder").count(), 2);
    symlink("circle", at("circle")).expect("made");
    let error = write(&at("circle"), "new").expect_err("nowhere");
    assert_eq!(error.to_string(), "its symbolic links lead in a circle");
}

#[test]
fn permissions_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    fs::write(&path, "old").expect("written");
    let mode = || fs::metadata(&path).expect("there").mode() & 0o7777;
    for kept in [0o600, 0o664, 0o440] {
        fs::set_permissions(&path, Permissions::from_mode(kept)).expect("set");
        write_atomically(&path, |writer| {
            let unfinished = writer.get_ref().metadata()?.mode();
            assert_eq!(unfinished & 0o077, 0, "nobody else reads it meanwhile");
            Ok::<(), io::Error>(())
        })
        .expect("written");
        assert_eq!(mode(), kept);
    }
}

/// Only the administrator can make a file of somebody else.
#[test]
fn the_owner_is_kept_where_that_is_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    fs::write(&path, "old").expect("written");
    if chown(&path, Some(1234), Some(4321)).is_err() {
        eprintln!("NOT TESTED: files can't be given away here");
        return;
    }
    write(&path, "new").expect("written");
    let there = fs::metadata(&path).expect("there");
    assert_eq!((there.uid(), there.gid()), (1234, 4321));
}

#[test]
fn what_is_no_file_is_neither_replaced_nor_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).expect("made");
    let made = Command::new("mkfifo").arg(at("pipe")).status().expect("a program of every Unix");
    assert!(made.success());
    let _socket = UnixListener::bind(at("socket")).expect("made");
    symlink("/dev/null", at("device")).expect("made");
    let special = ["pipe", "socket", "device"].map(|name| (name, NotRegular::Special));
    for (name, found) in special.into_iter().chain([("folder", NotRegular::Folder)]) {
        let kind = fs::metadata(at(name)).expect("there").file_type();
        for error in [
            write(&at(name), "new").expect_err("not replaced"),
            check_writable(&at(name)).expect_err("not replaced"),
            open_regular(&at(name)).expect_err("not read"),
            check_regular(&at(name)).expect_err("not taken"),
        ] {
            assert_eq!(NotRegular::of(&error), Some(found), "{name}");
        }
        assert_eq!(fs::metadata(at(name)).expect("there").file_type(), kind);
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 4);
    let none = open_regular(&at("none")).expect_err("not there");
    assert_eq!((none.kind(), NotRegular::of(&none)), (ErrorKind::NotFound, None));
    check_regular(&at("none")).expect("there may be a file");
}

#[test]
fn whether_a_file_can_be_written_is_found_out_without_a_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model");
    check_writable(&path).expect("it can be");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let error = check_writable(&folder.path().join("none/model")).expect_err("no folder");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_file_is_read_up_to_its_limit_and_a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "1234").expect("written");
    assert_eq!(read_limited(&file, 4).expect("read"), b"1234");
    let error = read_limited(&file, 3).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    assert_eq!(error.to_string(), "it is longer than 3 bytes");
    let none = read_limited(&folder.path().join("none"), 3).expect_err("none");
    assert_eq!(none.kind(), ErrorKind::NotFound);
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let error = read_limited(&pipe, 3).expect_err("a pipe");
    assert_eq!(NotRegular::of(&error), Some(NotRegular::Special));
}
