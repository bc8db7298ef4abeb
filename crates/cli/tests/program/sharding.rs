//! Photos judged by several processes, each a part of them, and put together.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::fixture::{Sandbox, command, run, shared};

const SHARDS: usize = 3;

/// Folders of photos, some of which can't be read.
fn photos(sandbox: &Sandbox) -> String {
    let photos = sandbox.good_photos("photos", 8);
    sandbox.write("photos/3x.png", b"no photo");
    photos
}

/// Runs all shards of a command at once, and again and again those that are killed meanwhile.
fn run_and_kill(arguments: &[&str], results: &str) {
    let mut random = fastrand::Rng::with_seed(1);
    let mut unfinished: Vec<usize> = (0..SHARDS).collect();
    for round in 0.. {
        let start = |&index: &usize| {
            let shard = format!("{index}/{SHARDS}");
            let mut command = command(arguments);
            command.args(["--shard", &shard, "--results", results, "--threads", "1"]);
            (index, command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        };
        let mut running: Vec<_> = unfinished.iter().map(start).collect();
        if round < 4 {
            sleep(Duration::from_millis(random.u64(50..600)));
            running.iter_mut().for_each(|(_, child)| child.kill().unwrap());
        }
        unfinished.clear();
        for (index, mut child) in running {
            match child.wait().unwrap().code() {
                Some(0) => {}
                None => unfinished.push(index),
                code => panic!("{arguments:?}, part {index}: {code:?}"),
            }
        }
        if unfinished.is_empty() {
            return;
        }
        // As a crash of the machine leaves a file that was being written.
        if round == 0 {
            let mut torn = fs::OpenOptions::new();
            let path = format!("{results}/shard-0-of-{SHARDS}.jsonl.partial");
            if let Ok(mut file) = torn.append(true).open(path) {
                std::io::Write::write_all(&mut file, b"{\"photo\":{\"jud").unwrap();
            }
        }
    }
}

#[test]
fn parts_that_are_killed_and_started_again_predict_as_one_process() {
    let (shared, sandbox) = (shared(), Sandbox::new());
    let (photos, results) = (photos(&sandbox), sandbox.path("results"));
    let whole = ["predict", &shared.model, &photos, "--json"];
    run_and_kill(&whole, &results);
    let merged = run([&whole[..], &["--merge", &results]].concat());
    let alone = run(whole);
    assert_eq!(alone.json_lines().len(), 8);
    assert_eq!((merged.code, merged.stdout), (alone.code, alone.stdout));
    assert_eq!(merged.stderr, alone.stderr);
    let csv = ["predict", &shared.model, &photos, "--csv"];
    let merged = run([&csv[..], &["--merge", &results]].concat());
    assert_eq!(merged.stdout, run(csv).stdout);

    // A finished part is not judged again.
    let again = run([&whole[..], &["--shard", "1/3", "--results", &results]].concat());
    assert_eq!(again.stdout, "");
    again.expect(0, &["part 1/3: 3 photos, 3 of them judged before"]);
}

#[test]
fn parts_that_are_killed_and_started_again_evaluate_as_one_process() {
    let (shared, sandbox) = (shared(), Sandbox::new());
    let (results, out) = (sandbox.path("results"), sandbox.path("out"));
    let whole = ["eval", &shared.model, &shared.dataset, "--json"];
    run_and_kill(&whole, &results);
    let merged = run([&whole[..], &["--merge", &results, "--out", &out]].concat());
    let alone_out = sandbox.path("alone");
    let alone = run([&whole[..], &["--out", &alone_out]].concat());
    assert_eq!((merged.code, &merged.stdout), (alone.code, &alone.stdout));
    for name in ["results.json", "test/hole/0.tiff", "test/good/1.tiff"] {
        let read = |folder: &str| fs::read(format!("{folder}/{name}")).unwrap();
        assert!(read(&out) == read(&alone_out), "{name}");
    }
    let pictures = |folder: &str| {
        let names = fs::read_dir(format!("{folder}/overlays")).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(pictures(&out), pictures(&alone_out));
}

#[test]
fn parts_of_other_runs_and_missing_parts_are_refused() {
    let (shared, sandbox) = (shared(), Sandbox::new());
    let (photos, results) = (photos(&sandbox), sandbox.path("results"));
    let part = |arguments: &[&str]| {
        run([&["predict", &shared.model, &photos, "--results", &results], arguments].concat())
    };
    let merge = |arguments: &[&str]| {
        run([&["predict", &shared.model, &photos, "--merge", &results], arguments].concat())
    };
    merge(&[]).expect(2, &["results"]);
    part(&["--shard", "0/2"]).expect(0, &["3x.png", "5 photos, 0 of them judged before, 1 failed"]);
    merge(&[]).expect(2, &["of 2 shards 1 have no finished results, such as 1/2"]);
    part(&["--shard", "0/2", "--threshold", "7"])
        .expect(2, &["another run: the threshold differs"]);
    part(&["--shard", "1/2"]).expect(0, &["4 photos, 0 of them judged before, 0 failed"]);
    merge(&[]).expect(1, &["3x.png"]);
    merge(&["--threshold", "7"]).expect(2, &["another run: the threshold differs"]);
    sandbox.write("photos/new.png", b"no photo");
    merge(&[]).expect(2, &["another run: the list of photos differs"]);
    fs::remove_file(sandbox.path("photos/new.png")).unwrap();

    part(&["--shard", "2/3"]).expect(0, &["3 photos"]);
    merge(&[]).expect(2, &["results of 2 shards and of 3 shards"]);
    fs::remove_file(sandbox.path("results/shard-2-of-3.jsonl")).unwrap();
    let path = sandbox.path("results/shard-1-of-2.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let short: Vec<&str> = text.lines().take(4).collect();
    fs::write(&path, short.join("\n") + "\n").unwrap();
    merge(&[]).expect(2, &["line 5: this is no shard's file, or a damaged one"]);
    part(&["--shard", "2/2"]).expect(2, &["the first is 0/N"]);
    part(&["--shard", "x"]).expect(2, &["a part of the work is I/N"]);
    let indexed = |index: &str| {
        let arguments = ["predict", &shared.model, &photos, "--shard", "4"];
        let mut command = command([&arguments[..], &["--results", &sandbox.path("jobs")]].concat());
        command.env("JOB_COMPLETION_INDEX", index).output().unwrap()
    };
    assert_eq!(indexed("3").status.code(), Some(0));
    assert!(fs::exists(sandbox.path("jobs/shard-3-of-4.jsonl")).unwrap());
    assert_eq!(indexed("4").status.code(), Some(2));
}
