//! Training: the same again, stopped and resumed, and what is in its way.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::{Sandbox, command, end, first_step, part, run, save, shared, training};
use crate::schemas::assert_follows;

#[track_caller]
pub fn assert_same_file(a: &str, b: &str) {
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{a} and {b} differ");
}

/// Waits until something is true, or fails the test after a minute.
#[track_caller]
pub fn wait_for(mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never happened");
        sleep(Duration::from_millis(1));
    }
}

/// Whether a checkpoint is just being written beside the model.
fn is_writing(sandbox: &Sandbox) -> bool {
    sandbox.names().iter().any(|name| name.contains(".checkpoint.") && name.ends_with(".tmp"))
}

/// Starts the program.
pub fn start<S: AsRef<OsStr>>(arguments: &[S]) -> Child {
    command(arguments).spawn().unwrap()
}

#[test]
fn training_reports_what_it_does() {
    let events = &shared().events;
    let taken = json!({"folder": "train/good", "as": "training", "files": 4});
    assert_eq!((&events[0]["event"], &events[0]["taken"][0]), (&"data".into(), &taken));
    let step = &events[1];
    assert_eq!(
        (&step["event"], &step["step"], &step["steps"]),
        (&"step".into(), &1.into(), &3.into())
    );
    for loss in ["total", "hard", "penalty", "autoencoder", "student_autoencoder"] {
        assert!(step["losses"][loss].as_f64().unwrap() >= 0.0, "{step}");
    }
    assert!(step["steps_per_second"].as_f64().unwrap() > 0.0);
    assert!(step["seconds_left"].as_f64().unwrap() > 0.0);
    let done = events.last().unwrap();
    assert_eq!((&done["event"], &done["skipped"]), (&"done".into(), &0.into()));
    assert_eq!(done["model"], shared().model.as_str());
    assert_follows("threshold", &done["threshold"]);
}

#[test]
fn the_same_seed_gives_the_same_model_whatever_the_threads() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let out = sandbox.path("again.model");
    let mut arguments = training(&shared.dataset, &out);
    arguments.extend(["--threads", "1"]);
    let summary = run(arguments).success();
    assert!(summary.starts_with(&format!("{out}: small model, 3 steps, ")), "{summary}");
    assert!(summary.contains("\nthreshold "), "{summary}");
    assert_same_file(&out, &shared.model);
    assert_eq!(sandbox.names(), ["again.model"], "the checkpoint is removed");
}

#[test]
fn killed_while_writing_a_checkpoint_nothing_is_lost() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let out = sandbox.path("m.model");
    let mut arguments = training(&shared.dataset, &out);
    arguments.extend(["--checkpoint-every", "1step", "--quiet"]);
    let checkpoint = format!("{out}.checkpoint");
    let mut child = start(&arguments);
    wait_for(|| Path::new(&checkpoint).exists());
    let first = fs::read(&checkpoint).unwrap();
    wait_for(|| is_writing(&sandbox));
    child.kill().unwrap();
    let killed = end(child);
    assert_eq!((killed.code, killed.stderr.as_str()), (None, ""));
    assert!(!Path::new(&out).exists());
    let kept = fs::read(&checkpoint).unwrap();
    assert_eq!(kept.len(), first.len(), "a whole checkpoint is there");
    arguments.push("--resume");
    run(arguments).success();
    assert_same_file(&out, &shared.model);
    assert!(!Path::new(&checkpoint).exists());
}

#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let out = sandbox.path("my model");
    let mut arguments = training(&shared.dataset, &out);
    arguments.push("--json");
    let mut child = start(&arguments);
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = first_step(&mut events);
    assert_eq!(first["step"], 1);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let last: Value = serde_json::from_str(&events.last().unwrap().unwrap()).unwrap();
    let stopped = end(child);
    let checkpoint = format!("{out}.checkpoint");
    let resume = format!(
        "go on with:\n{} train {} --out '{out}' --steps 3 --seed 7 --json --resume\n",
        env!("CARGO_BIN_EXE_efficientad"),
        shared.dataset
    );
    stopped.expect(130, &["stopping after this step", "stopped after step ", &resume]);
    assert_eq!(last["event"], "stopped");
    assert_eq!(last["checkpoint"], checkpoint.as_str());
    run(["train", &shared.dataset, "--out", &out, "--resume"]).success();
    assert_same_file(&out, &shared.model);
}

/// A checkpoint of a training that was killed right after it.
fn killed_training(sandbox: &Sandbox, dataset: &str, out: &str) {
    let mut child = start(&training(dataset, out));
    let checkpoint = format!("{out}.checkpoint");
    wait_for(|| Path::new(&checkpoint).exists());
    child.kill().unwrap();
    end(child);
    assert!(!sandbox.names().iter().any(|name| name.ends_with(".tmp")));
}

#[test]
fn a_checkpoint_is_neither_ignored_nor_bent() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 3);
    let out = sandbox.path("m");
    let checkpoint = format!("{out}.checkpoint");
    let train = ["train", &photos, "--out", &out];
    run([&train[..], &["--resume"]].concat()).refused(&format!(
        "{checkpoint}: there is no checkpoint to go on from; leave out --resume to train anew"
    ));
    killed_training(&sandbox, &photos, &out);
    run(train).refused(&format!(
        "{checkpoint}: an earlier training was stopped here; go on from it with --resume, or \
         delete it to begin anew"
    ));
    for (option, given, begun) in
        [("--seed", "8", "7"), ("--steps", "4", "3"), ("--input", "260", "256x256")]
    {
        let given_text = if option == "--input" { "260x260" } else { given };
        run([&train[..], &["--resume", option, given]].concat()).refused(&format!(
            "the training to go on with began with {option} {begun}, not {given_text}; leave \
             {option} out, or delete the checkpoint to begin anew"
        ));
    }
    run([&train[..], &["--resume", "--no-position-weights"]].concat()).refused(
        "the training to go on with began with --no-position-weights off, not on; leave \
         --no-position-weights out, or delete the checkpoint to begin anew",
    );
    run([&train[..], &["--resume", "--augment", "shift,flip-vertical"]].concat())
        .expect(2, &["began with --augment none, not flip-vertical,shift; leave --augment out"]);
    run([&train[..], &["--resume", "--recipe", "paper"]].concat()).expect(
        2,
        &[
            "began with --recipe 3 steps at 0.0003 (cosine), from the teacher's weights, ",
            "; leave --recipe out",
        ],
    );
    run([&train[..], &["--resume", "--photos", "none"]].concat())
        .expect(2, &["this checkpoint belongs to other", "photos: procedural", "photos: none"]);
    save(&part(9), &format!("{photos}/9.png"));
    run([&train[..], &["--resume"]].concat())
        .expect(2, &["this checkpoint belongs to other training images", "2 + 1 images"]);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let out = sandbox.path("m");
    sandbox.write("m.checkpoint", &fs::read(&shared().model).unwrap());
    run(["train", &photos, "--out", &out, "--resume"]).expect(
        2,
        &["this is an `efficientad-model` file where an `efficientad-checkpoint` file is needed"],
    );
}

#[test]
fn losses_that_explode_stop_the_training() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let out = sandbox.path("m");
    let arguments = ["train", &photos, "--out", &out, "--steps", "60", "--learning-rate", "1e30"];
    run(arguments).expect(2, &["training diverged at step ", "the last checkpoint is kept in "]);
    assert_eq!(sandbox.names(), ["m.checkpoint", "photos"]);
}

#[test]
fn recipes_can_be_chosen() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("parts", 4);
    let recipe_of = |name: &str, options: &[&str]| {
        let out = sandbox.path(name);
        run([&["train", &photos, "--out", &out][..], options].concat()).success();
        let info = run(["info", &out, "--json"]).json_lines();
        info[0]["recipe"].clone()
    };
    let paper = recipe_of("paper", &["--recipe", "paper", "--steps", "2"]);
    let told = |recipe: &Value| {
        let of = |field: &str| recipe[field].clone();
        let course = ["schedule", "learning_rate"].map(of);
        let map = ["channel_weights", "position_weights", "map_border", "autoencoder_smoothing"];
        [&course[..], &map.map(of)].concat()
    };
    assert_eq!(
        told(&paper),
        serde_json::json!(["drop", 0.0001, false, false, "zero", false]).as_array().unwrap()[..]
    );
    let usual = recipe_of("usual", &["--steps", "2"]);
    assert_eq!(
        told(&usual),
        serde_json::json!(["cosine", 0.0003, true, true, "halfway", true]).as_array().unwrap()[..]
    );
    assert_eq!(
        (&paper["student_start"], &usual["student_start"]),
        (&"random".into(), &"teacher".into())
    );
    for few in [&paper, &usual] {
        assert_eq!(few["autoencoder_optimizer"], "adam", "4 photos are too few for Muon");
    }
    assert_eq!(recipe_of("fast", &["--recipe", "fast", "--steps", "2"]), usual);
    let changes = ["--augment", "shift,flip-vertical", "--steps", "2"];
    assert_eq!(
        recipe_of("changed", &changes)["augment"],
        serde_json::json!(["flip_vertical", "shift"])
    );
    assert_eq!(
        (&usual["augment"], &paper["augment"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    let info = run(["info", &sandbox.path("changed")]).success();
    assert!(info.contains("learned by Adam; augmented by flip-vertical, shift"), "{info}");
    let model = |name: &str| fs::read(sandbox.path(name)).unwrap();
    assert_ne!(model("changed"), model("usual"));
    run(["train", &photos, "--out", &sandbox.path("m"), "--augment", "rotate"])
        .expect(2, &["choose flip-horizontal, flip-vertical or shift"]);
    let medium = recipe_of("medium", &["--size", "medium", "--steps", "1"]);
    assert_eq!((&usual["size"], &medium["size"]), (&"small".into(), &"medium".into()));
}

#[test]
fn photos_for_the_penalty_come_from_a_folder_or_not_at_all() {
    let sandbox = Sandbox::new();
    let parts = sandbox.good_photos("parts", 2);
    let photos = sandbox.good_photos("photos", 1);
    sandbox.write("photos/broken.jpg", b"no photo");
    let out = sandbox.path("m");
    let train = ["train", &parts, "--out", &out, "--steps", "4", "--json"];
    let folder = run([&train[..], &["--photos", &photos]].concat());
    folder.expect(1, &["skipped: ", "broken.jpg: is not an image"]);
    assert_eq!(folder.stderr.matches("broken.jpg").count(), 1, "each photo is named once");
    assert_eq!(folder.json_lines().last().unwrap()["skipped"], 1);
    let info: Value = serde_json::from_str(&run(["info", &out, "--json"]).success()).unwrap();
    assert_eq!(info["data"]["photos"], "folder: 2 photos");
    let none = run([&train[..], &["--photos", "none"]].concat());
    assert!(none.json_lines()[0]["losses"]["penalty"].is_null());
    fs::remove_file(format!("{photos}/0.png")).unwrap();
    run([&train[..], &["--photos", &photos]].concat())
        .expect(2, &["none of 20 photos drawn from the folder of --photos can be read"]);
}

#[test]
fn validation_photos_can_be_given() {
    let sandbox = Sandbox::new();
    let parts = sandbox.good_photos("parts", 2);
    // Two of them are copies of what is trained on.
    let held_back = sandbox.good_photos("held_back", 5);
    let out = sandbox.path("m");
    let options = ["--validation", &held_back, "--steps", "1", "--photos", "none"];
    let summary = run([&["train", &parts, "--out", &out][..], &options[..]].concat()).success();
    assert!(summary.contains("as 3 calibration images are too few"), "{summary}");
    let info = run(["info", &out]).success();
    for text in
        ["images       2 to train on, 3 held back\n", "photos       none\n", "1 steps, seed 0"]
    {
        assert!(info.contains(text), "{info}");
    }
}
