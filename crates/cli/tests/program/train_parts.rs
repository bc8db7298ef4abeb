//! A model for each part of a list.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::fixture::{Sandbox, command, run};

const STEPS: [&str; 5] = ["--", "--steps", "6", "--checkpoint-every", "1steps"];

/// A list of three parts, and one whose folder is not there.
fn list(sandbox: &Sandbox) -> String {
    for part in ["a", "b", "c"] {
        sandbox.good_photos(&format!("photos/{part}"), 4);
    }
    let text = "Part, photos\na,photos/a\nb,photos/b\nmissing,photos/none\nc,photos/c\n";
    sandbox.write("parts.csv", text.as_bytes())
}

#[test]
fn processes_that_share_a_list_and_are_killed_train_as_one_alone() {
    let sandbox = Sandbox::new();
    let (list, models) = (list(&sandbox), sandbox.path("models"));
    let arguments = |shard: &'static str| {
        [&["train-parts", &list, "--models", &models, "--shard", shard], &STEPS[..]].concat()
    };
    for pause in [700, 1500] {
        let start = |&shard: &&'static str| {
            let mut command = command(arguments(shard));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let mut running: Vec<_> = ["0/2", "1/2"].iter().map(start).collect();
        sleep(Duration::from_millis(pause));
        for child in &mut running {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    run(arguments("0/2"))
        .expect(1, &["missing: ", "photos/none", "1 of 2 parts have their models"]);
    run(arguments("1/2")).expect(0, &["2 of 2 parts have their models, 0 failed"]);
    for part in ["a", "b", "c"] {
        let alone = sandbox.path(&format!("{part}-alone.model"));
        let photos = sandbox.path(&format!("photos/{part}"));
        run(["train", &photos, "--out", &alone, "--steps", "6"]).success();
        let read = |path: &str| fs::read(path).unwrap();
        assert!(read(&alone) == read(&format!("{models}/{part}.model")), "{part}");
    }
    // What is there is not trained again.
    let changed =
        |part| fs::metadata(format!("{models}/{part}.model")).unwrap().modified().unwrap();
    let before = ["a", "b", "c"].map(changed);
    let again = run(arguments("1/2"));
    assert_eq!(again.stdout, "");
    again.expect(0, &["2 of 2 parts have their models"]);
    assert_eq!(["a", "b", "c"].map(changed), before);
    fs::write(format!("{models}/b.model"), b"no model").unwrap();
    run(arguments("1/2")).expect(1, &["b.model"]);
}

#[test]
fn lists_and_options_that_make_no_sense_are_refused_before_anything_is_trained() {
    let sandbox = Sandbox::new();
    let models = sandbox.path("models");
    let cases = [
        ("", "part,photos"),
        ("part,folder\na,b\n", "part,photos"),
        ("part,photos\n", "there are no parts"),
        ("part,photos\na,x\n../b,y\n", "line 3: \"../b\" is no name of a part"),
        ("part,photos\na,x\nA,y\n", "line 3: the part A is there twice"),
        ("part,photos\na,\n", "line 2: the part a has no photos"),
        ("part,photos\na\n", "parts.csv"),
    ];
    for (text, reason) in cases {
        let list = sandbox.write("parts.csv", text.as_bytes());
        run(["train-parts", &list, "--models", &models]).expect(2, &["parts.csv", reason]);
    }
    let list = list(&sandbox);
    for options in [["--", "--out", "x"], ["--", "--stepz", "3"]] {
        run([&["train-parts", &list, "--models", &models], &options[..]].concat())
            .expect(2, &[options[1]]);
    }
    assert!(fs::read_dir(&models).unwrap().next().is_none());
    run(["train-parts", &sandbox.path("none.csv"), "--models", &models]).expect(2, &["none.csv"]);
}
