//! Files that are no record, or one that this program may not touch.

use std::fs;

use efficientad_record::{Checked, Photo, Policy, RecordError};

use crate::fixture::{Sandbox, entry};

fn filled(sandbox: &Sandbox, entries: u32) {
    let record = sandbox.open(Policy::default()).unwrap();
    for n in 0..entries {
        record.add(entry(n), Photo::of(b"")).unwrap();
    }
}

/// Opening fails, says this, and changes nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, expected: &str) {
    let before = fs::read(sandbox.record()).unwrap();
    let error = sandbox.open(Policy::default()).unwrap_err().to_string();
    let path = sandbox.record().display().to_string();
    assert_eq!(error, format!("{path}: {expected}"));
    assert!(fs::read(sandbox.record()).unwrap() == before);
}

#[test]
fn a_file_that_is_no_record_is_left_as_it_is() {
    let mut other = b"SQLite format 3\0".to_vec();
    other.resize(4096, 0);
    for content in [&b"{}"[..], b"\0", &other, &[b'x'; 5000]] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.record(), content).unwrap();
        refused(
            &sandbox,
            "this file exists and is not a record of verdicts; it is left as it is: name another \
             file for the record",
        );
        let beside = fs::read_dir(sandbox.path("")).unwrap().count();
        assert_eq!(beside, 1, "nothing is made");
    }
}

#[test]
fn a_record_of_a_later_version_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    filled(&sandbox, 1);
    let mut content = fs::read(sandbox.record()).unwrap();
    content[60..64].copy_from_slice(&2_u32.to_be_bytes());
    fs::write(sandbox.record(), content).unwrap();
    refused(
        &sandbox,
        "this record is of version 2, and this program knows versions up to 1; it is left as it is: \
         use the newer program, or name another file",
    );
}

#[test]
fn damage_is_found_at_the_start() {
    let sandbox = Sandbox::new();
    filled(&sandbox, 300);
    let content = fs::read(sandbox.record()).unwrap();
    for place in [4096, content.len() / 2 / 4096 * 4096, content.len() - 4096] {
        let mut damaged = content.clone();
        damaged[place..place + 200].fill(0xa5);
        fs::write(sandbox.record(), damaged).unwrap();
        let error = sandbox.open(Policy::default()).unwrap_err();
        assert!(matches!(error, RecordError::Damaged { .. }), "at {place}: {error}");
    }
    fs::write(sandbox.record(), &content[..content.len() / 2]).unwrap();
    let error = sandbox.open(Policy::default()).unwrap_err();
    assert!(matches!(error, RecordError::Damaged { .. }), "half of it: {error}");
    fs::write(sandbox.record(), content).unwrap();
    let record = sandbox.open(Policy::default()).unwrap();
    assert_eq!(record.checked(), Checked::Whole);
    record.check().unwrap();
}

#[test]
fn one_process_has_a_record() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    let clone = record.clone();
    drop(record);
    let error = sandbox.open(Policy::default()).unwrap_err();
    assert!(matches!(&error, RecordError::InUse(path) if *path == sandbox.record()), "{error}");
    drop(clone);
    sandbox.open(Policy::default()).unwrap();
}

#[test]
fn what_another_record_left_is_not_taken_for_changes_of_a_new_one() {
    let sandbox = Sandbox::new();
    filled(&sandbox, 1);
    fs::remove_file(sandbox.record()).unwrap();
    for left in ["record.sqlite-wal", "record.sqlite-journal"] {
        fs::write(sandbox.path(left), b"changes").unwrap();
        let error = sandbox.open(Policy::default()).unwrap_err();
        assert!(matches!(&error, RecordError::LeftBehind(path) if *path == sandbox.path(left)));
        assert!(!sandbox.record().exists());
        fs::remove_file(sandbox.path(left)).unwrap();
    }
    sandbox.open(Policy::default()).unwrap();
}

#[test]
fn a_record_that_was_closed_is_one_file_and_its_photos() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    for n in 0..10 {
        record.add(entry(n), Photo::of(b"")).unwrap();
        record.get(1).unwrap();
    }
    drop(record);
    let mut names: Vec<_> = fs::read_dir(sandbox.path(""))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["record.sqlite", "record.sqlite.lock", "record.sqlite.photos"]);
}

#[test]
fn a_place_that_cannot_be_is_named() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("none/record.sqlite");
    let error = efficientad_record::Record::open(&path, Policy::default()).unwrap_err();
    let expected = format!("{}.lock: cannot be locked (No such file", path.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    fs::create_dir(sandbox.record()).unwrap();
    let error = sandbox.open(Policy::default()).unwrap_err().to_string();
    assert!(error.ends_with("cannot be read (it is a folder, not a file)"), "{error}");
}
