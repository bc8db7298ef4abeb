//! Paths that lead to no files, or to files that can't be had: they are named, and nobody waits.
#![cfg(unix)]

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::fixture::{Run, Sandbox, command, defective_part, end, part, run, save, shared};

/// Longest time that a command here may take before it counts as waiting for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn pipe(sandbox: &Sandbox, name: &str) -> String {
    let path = sandbox.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Runs the program, which must not wait for a pipe.
#[track_caller]
fn run_at_once(arguments: &[&str]) -> Run {
    let mut child: Child = command(arguments).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it waits: {arguments:?}");
        }
        sleep(Duration::from_millis(20));
    }
    end(child)
}

#[test]
fn a_pipe_where_a_file_is_read_is_refused_at_once() {
    let sandbox = Sandbox::new();
    let (pipe, dots) = (pipe(&sandbox, "pipe"), pipe(&sandbox, "pipe.json"));
    let photos = sandbox.good_photos("photos", 2);
    let (model, out) = (shared().model.as_str(), sandbox.path("m"));
    let backbone =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../backbone/tests/fixtures/tiny_backbone.onnx");
    let train = ["train", &photos, "--out", &out, "--steps", "1"];
    let large = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/train/good");
    let pretrain = ["pretrain", "--layers", "fine,coarse", "--photos", large, "--out", &out];
    let with = |start: &[&'static str], more: &[&str]| -> Vec<String> {
        start.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let cases: Vec<Vec<String>> = vec![
        with(&["info"], &[&pipe]),
        with(&["predict"], &[&pipe, &photos]),
        with(&["predict"], &[model, &pipe]),
        with(&["watch"], &[&pipe, &photos, "--once"]),
        with(&["watch"], &[model, &photos, "--once", "--log", &pipe]),
        with(&["eval"], &[&pipe, &shared().dataset]),
        with(&["eval"], &[model, &pipe]),
        with(&["calibrate"], &[&pipe, &photos]),
        with(&["calibrate"], &[model, &pipe]),
        with(&["import"], &[&pipe, "--out", &out]),
        with(&["export"], &[&pipe, "--onnx", &out]),
        with(&["train"], &[&pipe, "--out", &out]),
        with(&[], &[&train[..], &["--region", &pipe]].concat()),
        with(&[], &[&train[..], &["--exclude", &dots]].concat()),
        with(&[], &[&train[..], &["--teacher", &pipe]].concat()),
        with(&[], &[&train[..], &["--continue", &pipe]].concat()),
        with(&[], &[&train[..], &["--photos", &pipe]].concat()),
        with(&[], &[&train[..], &["--validation", &pipe]].concat()),
        with(&[], &[&pretrain[..], &["--preset", "none", "--backbone", &pipe]].concat()),
        with(
            &[],
            &[&pretrain[..], &["--preset", "none", "--backbone", backbone, "--init", &pipe]]
                .concat(),
        ),
        with(
            &[],
            &[&pretrain[..], &["--preset", "none", "--backbone", backbone, "--cache", &pipe]]
                .concat(),
        ),
    ];
    for case in cases {
        let words: Vec<&str> = case.iter().map(String::as_str).collect();
        let run = run_at_once(&words);
        assert_ne!(run.code, Some(0), "{words:?}: {run:?}");
        assert!(run.stderr.contains(&pipe), "{words:?}: {run:?}");
    }
    assert!(!Path::new(&out).exists());
}

#[test]
fn what_is_no_file_is_never_replaced_by_one() {
    let sandbox = Sandbox::new();
    let pipe = pipe(&sandbox, "pipe");
    let photos = sandbox.good_photos("photos", 2);
    let model = shared().model.as_str();
    let device = sandbox.path("device");
    symlink("/dev/null", &device).unwrap();
    for out in [&pipe, &device] {
        let reason = "(it is a device, a pipe or a socket, not a file)";
        let message =
            format!("{out}: no file can take its place {reason}; choose another path for --out");
        run_at_once(&["train", &photos, "--out", out]).refused(&message);
        run_at_once(&["calibrate", model, &photos, "--out", out]).refused(&message);
        run_at_once(&["export", model, "--onnx", out]).expect(2, &[reason]);
        assert!(!fs::metadata(out).unwrap().is_file());
    }
    let folder = sandbox.path("results");
    fs::create_dir(&folder).unwrap();
    fs::rename(&pipe, format!("{folder}/results.json")).unwrap();
    symlink("/dev/null", format!("{folder}/report.html")).unwrap();
    for option in ["--out", "--report"] {
        let run = run_at_once(&["eval", model, &shared().dataset, option, &folder]);
        run.expect(2, &["cannot be written (it is a device, a pipe or a socket, not a file)"]);
        assert_eq!(run.stdout, "", "it is refused before anything is judged");
    }
}

#[test]
fn a_model_keeps_its_link_and_its_permissions() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let file = sandbox.write("models/7.model", &fs::read(&shared().model).unwrap());
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let link = sandbox.path("current.model");
    symlink("models/7.model", &link).unwrap();
    run(["calibrate", &link, &photos, "--false-reject", "50%"]).success();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
    assert!(fs::read(&file).unwrap() != fs::read(&shared().model).unwrap());
    assert!(run(["info", &link]).success().contains("false-reject rate"));
    assert_eq!(fs::read_dir(sandbox.path("models")).unwrap().count(), 1);
}

/// Runs the program as a user who may not look into every folder.
fn run_as_anybody(arguments: &[&str]) -> Run {
    let mut command = command(arguments);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    end(command.spawn().unwrap())
}

#[test]
fn a_folder_that_cannot_be_listed_is_named_and_the_others_are_judged() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    save(&part(7), &sandbox.path("photos/below/7.png"));
    save(&part(8), &sandbox.path("photos/closed/8.png"));
    let (closed, out) = (sandbox.path("photos/closed"), sandbox.path("out"));
    let model = sandbox.write("part.model", &fs::read(&shared().model).unwrap());
    fs::create_dir(&out).unwrap();
    for folder in ["", "out"] {
        fs::set_permissions(sandbox.path(folder), Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let told = format!("{closed}: Permission denied (os error 13)");

    let judged = run_as_anybody(&["predict", &model, &photos, "--out", &out]);
    judged.expect(1, &[&told, "3 judged, ", "1 failed"]);
    assert!(Path::new(&format!("{out}/below/7.tiff")).is_file());

    let calibrated = sandbox.path("out/new.model");
    let arguments = ["calibrate", &model, &photos, "--out", &calibrated];
    run_as_anybody(&arguments).expect(1, &[&format!("skipped: {told}")]);
    assert!(run(["info", &calibrated]).success().contains("of 3 calibration images"));

    let log = sandbox.path("out/log.jsonl");
    let watch = ["watch", &model, &photos, "--once", "--log", &log, "--settle", "0.1"];
    run_as_anybody(&watch).expect(1, &["skipped: ", &closed, "3 judged, "]);

    let backbone = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../backbone/tests/fixtures/tiny_backbone.onnx"
    ));
    let backbone = sandbox.write("backbone.onnx", &backbone.unwrap());
    for seed in 0..2 {
        let large =
            image::imageops::resize(&part(seed), 144, 128, image::imageops::FilterType::Nearest);
        save(&large, &sandbox.path(&format!("photos/large{seed}.png")));
    }
    let teacher = sandbox.path("out/teacher");
    let options = ["--preset", "none", "--steps", "1", "--batch", "1", "--photos", &photos];
    let pretrain =
        ["pretrain", "--backbone", &backbone, "--layers", "fine,coarse", "--out", &teacher];
    run_as_anybody(&[&pretrain[..], &options].concat()).expect(1, &[&format!("skipped: {told}")]);
    assert!(Path::new(&teacher).is_file());
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn names_as_long_as_names_may_be_cost_one_map_at_most() {
    let sandbox = Sandbox::new();
    let stem = "n".repeat(251);
    save(&part(1), &sandbox.path("photos/a.png"));
    save(&part(2), &sandbox.path(&format!("photos/{stem}.png")));
    save(&part(3), &sandbox.path("photos/z.png"));
    let (photos, out, model) = (sandbox.path("photos"), sandbox.path("out"), &shared().model);
    let judged = run(["predict", model, &photos, "--out", &out]);
    let told = format!(
        "efficientad: {photos}/{stem}.png: its result cannot be written, for the name of that would be \
         too long (File name too long (os error 36)); rename the photo\n"
    );
    judged.expect(1, &[&told, "3 judged, ", " 1 failed"]);
    assert_eq!(judged.stdout.lines().count(), 3, "it was judged all the same");
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.tiff", "overlays", "z.tiff"]);

    let root = sandbox.path("cloth");
    (0..2).for_each(|n| save(&part(n), &format!("{root}/train/good/{n}.png")));
    save(&part(3), &format!("{root}/test/good/{stem}.png"));
    // The map of this one has a name of 255 bytes; its picture's has the score in it as well.
    let shorter = &stem[1..];
    for (name, image) in [(shorter, part(4)), ("5", part(5)), ("6", defective_part(6).0)] {
        let kind = if name == "6" { "hole" } else { "good" };
        save(&image, &format!("{root}/test/{kind}/{name}.png"));
    }
    let results = sandbox.path("results");
    let evaluated = run(["eval", model, &root, "--out", &results]);
    let told = format!("skipped: {root}/test/good/{stem}.png: its result cannot be written");
    evaluated.expect(1, &[&told]);
    assert!(Path::new(&format!("{results}/test/good/{shorter}.tiff")).is_file());
    let overlays = fs::read_dir(format!("{results}/overlays")).unwrap();
    let mut overlays: Vec<String> =
        overlays.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    overlays.sort();
    assert_eq!(overlays.len(), 3, "{overlays:?}");
    assert!(overlays.iter().all(|name| name.ends_with(".png") && !name.starts_with('.')));
}

#[test]
fn a_name_without_room_for_the_checkpoints_is_refused_at_once() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let out = sandbox.path(&"m".repeat(250));
    run(["train", &photos, "--out", &out]).refused(&format!(
        "{out}.checkpoint: its name is too long (File name too long (os error 36)); choose another \
         path for --out"
    ));
    let out = sandbox.path(&"m".repeat(255));
    run(["calibrate", &shared().model, &photos, "--out", &out]).success();
    run(["info", &out]).success();
}

#[test]
fn names_in_notes_and_errors_do_not_control_the_terminal() {
    let (shared, sandbox) = (shared(), Sandbox::new());
    let hostile = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\nefficientad: all is well";
    let folder = sandbox.path(hostile);
    (0..2).for_each(|seed| save(&part(seed), &format!("{folder}/{seed}.png")));
    sandbox.write(&format!("{hostile}/broken.png"), b"no image");
    let out = format!("{folder}/out");
    let is_clean = |text: &str| {
        let controls = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        !text.contains(controls) && !text.lines().any(|line| line.starts_with("efficientad: all"))
    };
    let root = sandbox.path("set");
    (0..2).for_each(|n| save(&part(n), &format!("{root}/train/good/{n}.png")));
    save(&part(3), &format!("{root}/test/good/3.png"));
    save(&defective_part(4).0, &format!("{root}/test/{hostile}/4.png"));
    sandbox.write(&format!("set/test/{hostile}/5.png"), b"no image");
    let model = shared.model.as_str();
    let cases: [(&[&str], i32); 10] = [
        (&["train", &folder, "--out", &out, "--steps", "1"], 1),
        (&["train", &folder, "--out", &folder], 2),
        (&["train", &folder, "--out", &out, "--resume"], 2),
        (&["predict", model, &folder], 1),
        (&["calibrate", model, &folder, "--out", &out], 1),
        (&["calibrate", model, &sandbox.path("set/train"), "--out", &out, "--defects", &folder], 1),
        (&["eval", model, &root, "--out", &folder, "--report", &folder], 1),
        (&["export", model, "--onnx", &format!("{out}.onnx")], 0),
        (&["info", &format!("{folder}/none")], 2),
        (&["watch", model, &folder, "--once", "--settle", "0", "--log", &format!("{out}.log")], 1),
    ];
    for (arguments, code) in cases {
        let run = run(arguments);
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(is_clean(&run.stdout) && is_clean(&run.stderr), "{run:?}");
    }
    let csv = run(["predict", model, &folder, "--csv"]);
    assert!(csv.stdout.contains(&format!("{folder}/0.png")), "programs get it as it is: {csv:?}");
    let json = run(["predict", model, &folder, "--json"]).json_lines();
    assert_eq!(json[0]["path"], format!("{folder}/0.png"));
}

#[test]
fn a_name_that_is_no_text_can_be_written() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let mut out = OsString::from_vec(b"\xff\xfe".repeat(100));
    out = Path::new(&sandbox.path("")).join(out).into_os_string();
    let mut command = command(["calibrate", &shared().model, &photos, "--out"]);
    end(command.arg(&out).spawn().unwrap()).success();
    assert!(Path::new(&out).is_file());
}
