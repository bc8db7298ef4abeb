//! Disks that are full, read-only or not there. Tests that need a file system of their own mount
//! one in memory, and say so loudly where that is not allowed.

use std::fs;
use std::path::Path;

use efficientad_testing::Disk;

use crate::fixture::{Sandbox, run, shared, training};

/// A path as it is typed.
fn typed(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

#[test]
fn a_folder_that_is_none_is_found_out_at_once() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    sandbox.write("file", b"");
    let out = sandbox.path("file/m");
    run(["train", &photos, "--out", &out]).refused(&format!(
        "{out}: its folder does not exist (Not a directory (os error 20)); choose another path for \
         --out"
    ));
    let out = sandbox.path("none/m");
    run(["train", &photos, "--out", &out]).expect(2, &["its folder does not exist (No such file"]);
    run(["train", &photos, "--out", &photos])
        .refused(&format!("{photos}: this is a folder; give the name of a file for --out"));
    let folder = sandbox.path("file/results");
    let model = shared().model.as_str();
    for arguments in [
        ["predict", model, &photos, "--out", &folder],
        ["eval", model, &shared().dataset, "--out", &folder],
    ] {
        run(arguments)
            .expect(2, &["file/results: cannot be written (Not a directory (os error 20))"]);
    }
}

#[test]
fn a_read_only_folder_is_found_out_at_once() {
    let Some(disk) = Disk::mount("ro") else { return };
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let out = typed(disk.path("m"));
    run(["train", &photos, "--out", &out]).refused(&format!(
        "{out}: its folder cannot be written to (Read-only file system (os error 30)); choose \
         another path for --out"
    ));
    run(["predict", &shared().model, &photos, "--out", &typed(disk.folder())])
        .expect(2, &["cannot be written (Read-only file system (os error 30))"]);
}

#[test]
fn a_full_disk_is_found_out_at_the_first_checkpoint() {
    let Some(disk) = Disk::mount("size=20m") else { return };
    let out = typed(disk.path("m"));
    run(training(&shared().dataset, &out)).expect(
        2,
        &["m.checkpoint: the disk is full (No space left on device (os error 28)); make room and \
             save again"],
    );
    assert_eq!(fs::read_dir(disk.folder()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_disk_that_fills_up_costs_no_training() {
    let Some(disk) = Disk::mount("size=80m") else { return };
    let shared = shared();
    let out = typed(disk.path("m"));
    let arguments = training(&shared.dataset, &out);
    let full = run(&arguments);
    full.expect(
        2,
        &[
            "no checkpoint, but training goes on: ",
            "efficientad: ",
            "m: the disk is full (No space left on device (os error 28))",
            "the last checkpoint is kept in ",
            "m.checkpoint; go on from it with --resume\n",
        ],
    );
    disk.remount("size=300m");
    run([&arguments[..], &["--resume"]].concat()).success();
    assert!(fs::read(&out).unwrap() == fs::read(&shared.model).unwrap());
}

#[test]
fn maps_on_a_full_disk_end_the_run() {
    let Some(disk) = Disk::mount("size=16k") else { return };
    let test = format!("{}/test", shared().dataset);
    run(["predict", &shared().model, &test, "--out", &typed(disk.folder())])
        .expect(2, &["cannot be written (No space left on device (os error 28))"]);
}
