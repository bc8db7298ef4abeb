//! A disk that fills up. It is one in memory, which only the administrator may mount.

use efficientad_record::{Keep, Photo, Policy, Query, Record, RecordError};
use efficientad_testing::Disk;

use crate::fixture::{entry, photo};

/// Fills the disk; returns how many entries were acknowledged before it was full.
fn fill(record: &Record, keep: bool) -> u32 {
    for n in 0..100_000 {
        let bytes = photo(n);
        let photo = Photo::of(&bytes);
        match record.add(entry(n), if keep { photo } else { Photo::named(photo.sha256()) }) {
            Ok(_) => {}
            Err(RecordError::Full(_)) => return n,
            Err(error) => panic!("a full disk is called by its name: {error}"),
        }
    }
    panic!("the disk was never full");
}

#[test]
fn on_a_full_disk_nothing_is_acknowledged_and_nothing_lost() {
    for keep in [false, true] {
        let Some(disk) = Disk::mount("size=4m") else { return };
        let place = disk.path("record.sqlite");
        let policy = Policy { keep: Keep::All, ..Policy::default() };
        let record = Record::open(&place, policy).unwrap();
        let acknowledged = fill(&record, keep);
        assert!(acknowledged > 100, "{acknowledged}");
        let count = record.count(&Query::default()).unwrap();
        assert!(count >= u64::from(acknowledged) && count <= u64::from(acknowledged) + 1);
        // Room again: it goes on by itself.
        disk.remount("size=16m");
        let id = record.add(entry(7), Photo::of(&photo(7))).unwrap();
        assert_eq!(record.get(id).unwrap().entry, entry(7));
        drop(record);
        let record = Record::open(&place, policy).unwrap();
        record.check().unwrap();
        for n in 0..acknowledged {
            assert_eq!(record.get(i64::from(n) + 1).unwrap().entry, entry(n));
        }
    }
}
