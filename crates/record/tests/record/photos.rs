//! Which photos are kept, and for how long.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use efficientad_record::{Keep, Photo, Policy, Record, RecordError};
use jiff::Timestamp;

use crate::fixture::{Sandbox, entry, photo};

fn policy(keep: Keep, max_bytes: u64) -> Policy {
    Policy { keep, max_bytes, max_age: None }
}

/// Adds entries of these numbers with their photos; returns which photos are there afterwards.
fn kept_after(record: &Record, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let numbers: Vec<_> = numbers.into_iter().collect();
    for &n in &numbers {
        record.add(entry(n), Photo::of(&photo(n))).unwrap();
    }
    // Photos are deleted after the answer; the next call comes after that.
    record.mark(1, efficientad_record::Mark::Good, "test").unwrap();
    kept(record, numbers)
}

fn kept(record: &Record, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let is_kept = |n: &u32| {
        let found = record.photo(Photo::of(&photo(*n)).sha256()).unwrap();
        assert!(found.as_ref().is_none_or(|bytes| *bytes == photo(*n)));
        found.is_some()
    };
    numbers.into_iter().filter(is_kept).collect()
}

/// All files of photos.
fn files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(sandbox.path("record.sqlite.photos")) else { return Vec::new() };
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn those_of_the_policy_are_kept() {
    for (keep, expected) in [
        (Keep::All, (0..10).collect()),
        // Entries 0 and 7 have no threshold: nothing was rejected.
        (Keep::Rejects, vec![3, 6, 9]),
        (Keep::None, vec![]),
    ] {
        let sandbox = Sandbox::new();
        let record = sandbox.open(policy(keep, 1 << 20)).unwrap();
        assert_eq!(kept_after(&record, 0..10), expected);
        assert_eq!(files(&sandbox).len(), expected.len());
        let says: Vec<_> =
            (1..=10).map(|id| record.get(id).unwrap()).filter(|it| it.photo_kept).collect();
        assert_eq!(says.len(), expected.len());
    }
}

#[test]
fn files_are_called_by_their_sha256() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(policy(Keep::All, 1 << 20)).unwrap();
    record.add(entry(1), Photo::of(b"abc")).unwrap();
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(files(&sandbox), [sandbox.path("record.sqlite.photos/ba").join(sum)]);
}

#[test]
fn the_oldest_are_deleted_where_there_are_too_many() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(policy(Keep::All, 20_000)).unwrap();
    assert_eq!(kept_after(&record, 0..20).len(), 20);
    // One too many: nine tenths are left.
    record.add(entry(20), Photo::of(&photo(20))).unwrap();
    record.mark(1, efficientad_record::Mark::Good, "test").unwrap();
    assert_eq!(kept(&record, 0..21), (3..21).collect::<Vec<_>>());
    assert_eq!(files(&sandbox).len(), 18);
    // The record itself keeps all.
    assert_eq!(record.count(&Default::default()).unwrap(), 21);
    // A photo that is too large alone drives no other out.
    record.add(entry(21), Photo::of(&vec![0; 20_001])).unwrap();
    assert_eq!(files(&sandbox).len(), 18);
    drop(record);
    // A lower limit holds from the next start on.
    let record = sandbox.open(policy(Keep::All, 5_000)).unwrap();
    assert_eq!(kept(&record, 0..21), (17..21).collect::<Vec<_>>());
    assert_eq!(record.trouble(), None);
}

#[test]
fn a_photo_seen_again_counts_once_and_is_as_young_as_its_last_verdict() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(policy(Keep::All, 20_000)).unwrap();
    let again = photo(0);
    kept_after(&record, 0..15);
    for n in 100..140 {
        record.add(entry(n), Photo::of(&again)).unwrap();
    }
    assert_eq!(kept_after(&record, 15..20).len(), 5);
    assert_eq!(kept(&record, 0..20).len(), 20, "forty verdicts, one photo");
    assert_eq!(kept_after(&record, [20]), [20]);
    assert_eq!(kept(&record, 0..5), [0, 4], "1 to 3 are the oldest now");
}

#[test]
fn old_photos_are_deleted() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(policy(Keep::All, 1 << 20)).unwrap();
    for n in 0..4 {
        let age = Duration::from_secs(3600 * u64::from(n) + 60);
        let entry = efficientad_record::Entry { time: Timestamp::now() - age, ..entry(n) };
        record.add(entry, Photo::of(&photo(n))).unwrap();
    }
    drop(record);
    let max_age = Some(Duration::from_secs(2 * 3600));
    let record = sandbox.open(Policy { max_age, ..policy(Keep::All, 1 << 20) }).unwrap();
    assert_eq!(kept(&record, 0..4), [0, 1]);
}

#[test]
fn a_photo_that_changed_on_the_disk_is_not_given_out() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(policy(Keep::All, 1 << 20)).unwrap();
    record.add(entry(1), Photo::of(&photo(1))).unwrap();
    let file = &files(&sandbox)[0];
    let mut bytes = photo(1);
    bytes[500] ^= 1;
    for content in [&bytes[..], &bytes[..999], &bytes.repeat(2)] {
        fs::write(file, content).unwrap();
        let result = record.photo(Photo::of(&photo(1)).sha256());
        assert!(matches!(&result, Err(RecordError::Damaged { path, .. }) if path == file));
    }
    fs::remove_file(file).unwrap();
    assert_eq!(record.photo(Photo::of(&photo(1)).sha256()).unwrap(), None);
    // Seen again, it is there again.
    record.add(entry(1), Photo::of(&photo(1))).unwrap();
    assert_eq!(kept(&record, [1]), [1]);
}

#[test]
fn threads_that_share_photos_under_a_low_limit_lose_none_that_should_be_there() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(policy(Keep::All, 4_000)).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let record = record.clone();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..100 {
                    let n = random.u32(0..8);
                    record.add(entry(n), Photo::of(&photo(n))).unwrap();
                }
            });
        }
    });
    record.mark(1, efficientad_record::Mark::Good, "test").unwrap();
    assert_eq!(record.trouble(), None);
    let there = kept(&record, 0..8);
    assert!((1..=4).contains(&there.len()), "{there:?}");
    assert_eq!(files(&sandbox).len(), there.len(), "no file without a row");
    for found in record.search(&Default::default(), None, 1000).unwrap() {
        let is_there = record.photo(found.photo_sha256).unwrap().is_some();
        assert_eq!(found.photo_kept, is_there);
    }
}
