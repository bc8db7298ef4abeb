//! New photos for a finished model.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use efficientad_weights::load;
use serde_json::{Value, json};

use crate::fixture::{
    FAST, Run, STEPS, Sandbox, command, end, first_step, part, run, save, shared,
};
use crate::schemas::assert_follows;
use crate::weights::anomalib_model;

/// Photos of good parts that the shared model has not seen; their folder.
fn new_photos(sandbox: &Sandbox, name: &str, first: u64, count: u64) -> String {
    (first..first + count)
        .for_each(|seed| save(&part(seed), &sandbox.path(&format!("{name}/{seed}.png"))));
    sandbox.path(name)
}

/// The arguments that continue the shared model.
fn continuing<'a>(new: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["train", "--continue", &shared().model, new, "--out", out, "--steps", STEPS]
}

fn with_old<'a>(new: &'a str, out: &'a str) -> Vec<&'a str> {
    [continuing(new, out), vec!["--old", &shared().dataset]].concat()
}

/// The shared model, continued with old photos and new ones without a break.
struct Continued {
    /// Folder of the new photos: 200 to 202.
    new: String,
    model: String,
    /// What the training printed.
    summary: String,
}

fn continued() -> &'static Continued {
    static CONTINUED: OnceLock<Continued> = OnceLock::new();
    CONTINUED.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("continued");
        let _ = fs::remove_dir_all(&root);
        let text = |name: &str| root.join(name).to_str().unwrap().to_owned();
        let (new, model) = (text("new"), text("model"));
        (200..203).for_each(|seed| save(&part(seed), &format!("{new}/{seed}.png")));
        let summary = run([with_old(&new, &model), vec!["--threads", "1"]].concat()).success();
        Continued { new, model, summary }
    })
}

fn info(model: &str) -> Value {
    let info = serde_json::from_str(&run(["info", model, "--json"]).success()).unwrap();
    assert_follows("info", &info);
    info
}

/// The calibration scores in a model's file.
fn scores(model: &str) -> Vec<f64> {
    let contents = load::<Value>(model.as_ref(), "efficientad-model").unwrap();
    let scores = contents.tensors.get("calibration.scores").unwrap();
    scores.data().iter().map(|&score| f64::from(score)).collect()
}

/// A number in an event, as the file of a model keeps it.
fn score_in(value: &Value) -> f64 {
    f64::from(value.as_f64().unwrap() as f32)
}

#[test]
fn old_photos_are_held_back_as_before_and_calibrate_with_the_new_ones() {
    let sandbox = Sandbox::new();
    let new = new_photos(&sandbox, "new", 200, 15);
    let out = sandbox.path("next.model");
    let before = fs::read(&shared().model).unwrap();
    let continued = run([with_old(&new, &out), vec!["--json"]].concat());
    continued.expect(0, &[]);
    assert_eq!(continued.stderr, "");
    assert_eq!(sandbox.names(), ["new", "next.model"], "the checkpoint is removed");
    assert!(fs::read(&shared().model).unwrap() == before, "the model itself stays");

    let done = continued.json_lines().pop().unwrap();
    let held_back = &done["held_back"];
    let (old, fresh) = (&held_back["old"], &held_back["new"]);
    assert_eq!((&old["images"], &fresh["images"]), (&json!(1), &json!(3)));
    assert_eq!(
        [score_in(&old["before"]["highest"])],
        scores(&shared().model)[..],
        "the photo that was held back at first is held back again"
    );
    let calibrated = scores(&out);
    assert_eq!(calibrated.len(), 4);
    for kind in [old, fresh] {
        assert!(calibrated.contains(&score_in(&kind["after"]["highest"])), "{held_back}");
    }

    let (parent, child) = (info(&shared().model), info(&out));
    for same in ["size", "input", "recipe", "data"] {
        assert_eq!(parent[same], child[same]);
    }
    assert_eq!(parent["continuations"], json!([]));
    let continuation = &child["continuations"][0];
    assert_eq!(
        (&continuation["steps"], &continuation["seed"], &continuation["data"]["train_images"]),
        (&json!(3), &json!(8), &json!(12))
    );
    assert_eq!(
        continuation["old"],
        json!({
            "fingerprints": [parent["data"]["fingerprint"]],
            "train_images": 3,
            "validation_images": 1
        })
    );
    assert_eq!(child["threshold"]["images"], 4);
    let told = run(["info", &out]).success();
    let line = "continued    3 steps, seed 8, learning rate 0.0001, on 12 new images, 3 held back, \
                in turn with 3 old ones, 1 held back, photos procedural; data ";
    assert!(told.contains(line), "{told}");
    let report = sandbox.path("report");
    run(["eval", &out, &shared().dataset, "--report", &report]).success();
    let page = fs::read_to_string(format!("{report}/report.html")).unwrap();
    assert!(page.contains("in turn with 3 old ones"));
}

#[test]
fn the_same_continuation_gives_the_same_bytes_stopped_or_not() {
    let sandbox = Sandbox::new();
    let Continued { new, model: whole, summary } = continued();
    let stopped = sandbox.path("stopped.model");
    for text in [
        "small model, 3 more steps, ",
        "\nold photos held back: 1; before 0 rejected at ",
        "\nnew photos held back: 1; before ",
    ] {
        assert!(summary.contains(text), "{summary}");
    }

    let arguments = [with_old(new, &stopped), vec!["--json"]].concat();
    let mut child = command(&arguments).spawn().unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = first_step(&mut events);
    assert_eq!((&first["step"], &first["steps"]), (&json!(1), &json!(3)));
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    events.for_each(drop);
    end(child).expect(130, &["stopped after step ", "--continue ", " --resume\n"]);

    let checkpoint = format!("{stopped}.checkpoint");
    run(["train", new, "--out", &stopped, "--resume"]).refused(&format!(
        "{checkpoint}: the training that was stopped here began with a model; give that model with \
         --continue, or delete the checkpoint"
    ));
    run([&continuing(new, &stopped)[..], &["--resume"]].concat())
        .expect(2, &["this checkpoint belongs to other training images", "3 + 1 old images"]);
    let other = sandbox.path("other.model");
    run(["calibrate", &shared().model, new, "--out", &other]).success();
    run(["train", "--continue", &other, new, "--out", &stopped, "--resume"])
        .expect(2, &["began with another model (SHA-256 ", "give that one, or delete"]);
    run([&with_old(new, &stopped)[..], &["--resume", "--seed", "3"]].concat())
        .expect(2, &["began with --seed 8, not 3"]);
    let begun = fs::read(&checkpoint).unwrap();
    run([&arguments[..], &["--resume"]].concat()).success();
    sandbox.write("stopped.model.checkpoint", &begun);
    run(["train", "--continue", &stopped, new, "--out", &stopped, "--resume"])
        .expect(2, &["is finished, and ", "delete the checkpoint"]);
    assert!(fs::read(&stopped).unwrap() == fs::read(whole).unwrap());
}

#[test]
fn a_training_that_began_anew_is_not_resumed_as_a_continuation() {
    let sandbox = Sandbox::new();
    let new = new_photos(&sandbox, "new", 200, 3);
    let out = sandbox.path("m");
    run(["train", &new, "--out", &out, "--steps", "40", "--learning-rate", "1e30"])
        .expect(2, &["training diverged"]);
    run([&continuing(&new, &out)[..2], &[&shared().model, &new, "--out", &out, "--resume"]]
        .concat())
    .refused(&format!(
        "{out}.checkpoint: the training that was stopped here began anew, not with a model; \
             leave out --continue, or delete the checkpoint"
    ));
}

#[test]
fn without_old_photos_it_says_what_that_means() {
    let sandbox = Sandbox::new();
    let new = new_photos(&sandbox, "new", 200, 3);
    let model = sandbox.write("part.model", &fs::read(&shared().model).unwrap());
    let continued =
        run(["train", "--continue", &model, &new, "--out", &model, "--steps", "1", "--json"]);
    continued.expect(0, &["it forgets, and nothing is known of how many old parts"]);
    let done = continued.json_lines().pop().unwrap();
    assert!(done["held_back"]["old"].is_null());
    assert_eq!(done["held_back"]["new"]["images"], 1);
    let told = info(&model);
    assert!(told["continuations"][0]["old"].is_null());
    assert_eq!(told["continuations"][0]["learning_rate"], 0.00001);
    assert_eq!(scores(&model).len(), 1);
    assert_eq!(sandbox.names(), ["new", "part.model"], "--out may name the model");
}

#[test]
fn a_continued_model_is_continued_with_all_it_has_seen() {
    let sandbox = Sandbox::new();
    let Continued { new: first, model, .. } = continued();
    let second = new_photos(&sandbox, "second", 300, 3);
    let again = |out: &str, old: &[&str]| -> Run {
        let mut arguments = vec!["train", "--continue", model, &second, "--out", out];
        old.iter().for_each(|old| arguments.extend(["--old", old]));
        run([arguments, vec!["--steps", "1"]].concat())
    };
    let (one, other) = (sandbox.path("3.model"), sandbox.path("4.model"));
    let told = again(&one, &[first]);
    told.expect(0, &["trained on 1 more data sets than are given with --old"]);
    let both = again(&other, &[&shared().dataset, first]);
    both.expect(0, &[]);
    assert!(!both.stderr.contains("more data sets"), "{both:?}");
    let continuations = &info(&other)["continuations"];
    assert_eq!(continuations[1]["seed"], 9);
    assert_eq!(continuations[1]["old"]["fingerprints"].as_array().unwrap().len(), 2);
    assert_eq!(continuations[1]["old"]["train_images"], 5);
    again(&sandbox.path("5.model"), &[first, first]).expect(2, &["given twice with --old"]);
}

#[test]
fn old_photos_must_be_those_that_the_model_was_trained_on() {
    let sandbox = Sandbox::new();
    let (new, out) = (new_photos(&sandbox, "new", 200, 3), sandbox.path("m"));
    let other = sandbox.good_photos("other", 4);
    let arguments = [&continuing(&new, &out)[..], &["--old", &other]].concat();
    run(&arguments).refused_after_notes(&format!(
        "{other}: the model was not trained on these photos as they are now; photos that it learned \
         from would calibrate it. Give the folder as it was at the training (no photo added, \
         removed, renamed or changed, and none held back by --validation), or leave out --old"
    ));
    run(["train", &new, "--out", &out, "--old", &other]).expect(2, &["--continue <MODEL>"]);
    assert_eq!(sandbox.names(), ["new", "other"]);
}

#[test]
fn old_photos_in_the_new_folder_are_no_news() {
    let sandbox = Sandbox::new();
    let new = new_photos(&sandbox, "new", 200, 3);
    let grown = sandbox.path("grown.model");
    (0..4).for_each(|n| save(&part(900 + n), &sandbox.path(&format!("new/old{n}.png"))));
    run(with_old(&new, &grown)).expect(0, &[&format!("{new}: 4 photos are among those of --old")]);
    assert!(fs::read(&continued().model).unwrap() == fs::read(&grown).unwrap());
    let good = format!("{}/train/good", shared().dataset);
    run(with_old(&good, &grown)).expect(2, &["there is nothing new to learn"]);
}

#[test]
fn what_the_model_decides_is_not_decided_anew() {
    let sandbox = Sandbox::new();
    let (new, out) = (new_photos(&sandbox, "new", 200, 2), sandbox.path("m"));
    for option in [
        &["--size", "small"][..],
        &["--input", "256"],
        &["--letterbox"],
        &["--no-position-weights"],
        &["--augment", "shift"],
        &["--tile", "256"],
        &["--region", "mask.png"],
        &["--exclude", "mask.png"],
        &["--teacher", "teacher.pth"],
        &["--orientation", "exif"],
        &["--bits", "12"],
        &["--range", "0..1"],
    ] {
        run([&continuing(&new, &out)[..], option].concat()).refused(&format!(
            "{0} can't be given with --continue: networks and what they see stay as they are in \
             {1}; leave {0} out, or train anew",
            option[0],
            shared().model
        ));
    }
}

#[test]
fn bad_input_leaves_everything_as_it_was() {
    let sandbox = Sandbox::new();
    let new = new_photos(&sandbox, "new", 200, 2);
    let bytes = fs::read(&shared().model).unwrap();
    let missing = sandbox.path("none.model");
    let out = sandbox.path("m");
    run(["train", "--continue", &missing, &new, "--out", &out])
        .refused(&format!("{missing}: there is no such file; check the path"));
    let cut = sandbox.write("cut.model", &bytes[..bytes.len() / 2]);
    run(["train", "--continue", &cut, &new, "--out", &out]).expect(2, &["the file is cut short"]);

    let model = sandbox.write("part.model", &bytes);
    let broken = sandbox.write("broken/1.png", b"no image");
    sandbox.write("broken/2.png", b"no image either");
    let broken = broken.trim_end_matches("/1.png");
    run(["train", "--continue", &model, broken, "--out", &model])
        .expect(2, &["skipped: ", "0 of 2 images of good parts can be read"]);
    sandbox.write("new/broken.png", b"no image");
    run(["train", "--continue", &model, &new, "--out", &model, "--steps", "1", "--quiet"])
        .expect(1, &["skipped: ", "broken.png"]);
    assert!(fs::read(&model).unwrap() != bytes);
    assert_eq!(sandbox.names(), ["broken", "cut.model", "new", "part.model"]);
}

#[test]
fn an_imported_model_is_continued_on_new_photos_alone() {
    let sandbox = Sandbox::new();
    let new = new_photos(&sandbox, "new", 200, 3);
    let foreign = sandbox.write("model.safetensors", &anomalib_model());
    let (model, out) = (sandbox.path("imported.model"), sandbox.path("m"));
    run(["import", &foreign, "--out", &model]).success();
    let arguments = ["train", "--continue", &model, &new, "--out", &out, "--steps", "1", "--json"];
    run([&arguments[..], &["--old", &shared().dataset]].concat())
        .expect(2, &["the model was imported and does not say what it was trained on"]);
    let done = run(arguments).json_lines().pop().unwrap();
    assert!(done["held_back"]["new"]["before"]["rejected"].is_null(), "it had no threshold");
    let told = info(&out);
    assert!(told["recipe"].is_null() && told["threshold"].is_object());
    assert_eq!(
        (&told["continuations"][0]["seed"], &told["continuations"][0]["steps"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn a_model_trained_without_penalty_is_continued_without() {
    let sandbox = Sandbox::new();
    let (first, new) = (sandbox.good_photos("first", 2), new_photos(&sandbox, "new", 200, 2));
    let (model, out) = (sandbox.path("1.model"), sandbox.path("2.model"));
    run([&["train", &first, "--out", &model][..], &FAST].concat()).success();
    let run = run(["train", "--continue", &model, &new, "--out", &out, "--steps", "1", "--json"]);
    let losses = &run.json_lines()[1]["losses"];
    assert!(losses["hard"].is_f64() && losses["penalty"].is_null(), "{run:?}");
    assert_eq!(info(&out)["continuations"][0]["data"]["photos"], "none");
}
