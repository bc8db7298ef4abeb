//! A station whose disk is full for a while.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::Duration;

use efficientad_testing::Disk;

use super::{Camera, Station, http_line};

#[test]
fn a_full_disk_loses_no_count() {
    let Some(disk) = Disk::mount("size=200k") else { return };
    let camera = Camera::start();
    let station = Station::new(&http_line(&camera, ""));
    symlink(disk.folder(), station.sandbox.path("state")).unwrap();
    let judged = |it: &Station| it.events("lids", "judged").len();
    let running = station.start();
    station.wait_for("photos", |it| judged(it) >= 3);
    for _ in 0..2 {
        let halts =
            |it: &Station| it.text("errors.txt").matches("lids: nothing is judged: ").count();
        let before = halts(&station);
        fill(&disk);
        station.wait_for("a note", |it| halts(it) > before);
        sleep(Duration::from_millis(fastrand::u64(0..500)));
        fs::remove_file(disk.path(FILLER)).unwrap();
        let before = judged(&station);
        station.wait_for("more photos", |it| judged(it) >= before + 3);
    }
    assert_eq!(running.stop(), Some(0), "{}", station.text("errors.txt"));

    let dropped = station.events("lids", "dropped");
    let frames = dropped.iter().map(|line| line["frames"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        judged(&station) as u64 + frames + 1,
        camera.given(),
        "the first one only shows that the camera is there: {dropped:?}"
    );
}

const FILLER: &str = "filler";

fn fill(disk: &Disk) {
    let mut file = File::create(disk.path(FILLER)).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
}
