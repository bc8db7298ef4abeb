//! Thresholds taken from photos of good parts, and what is said about them.

use std::fs;

use efficientad_weights::{Tensors, load, save};
use serde_json::{Value, json};

use crate::fixture::{Sandbox, defective_part, part, run, save as save_photo, shared};
use crate::schemas::assert_follows;

/// Photos of good parts that the shared model has not seen.
fn good_photos(sandbox: &Sandbox, count: u64) -> String {
    (0..count)
        .for_each(|n| save_photo(&part(1000 + n), &sandbox.path(&format!("good/{n:02}.png"))));
    sandbox.path("good")
}

fn info(model: &str) -> Value {
    let printed = run(["info", model, "--json"]).success();
    let info = serde_json::from_str(&printed).unwrap();
    assert_follows("info", &info);
    info
}

/// What `predict --json` says, each line checked.
fn verdicts(arguments: &[&str]) -> Vec<Value> {
    let run = run([&["predict"], arguments, &["--json"]].concat());
    let lines = run.json_lines();
    lines.iter().for_each(|line| assert_follows("predict", line));
    lines
}

fn scores(lines: &[Value]) -> Vec<f64> {
    let mut scores: Vec<f64> = lines.iter().map(|line| line["score"].as_f64().unwrap()).collect();
    scores.sort_by(f64::total_cmp);
    scores
}

#[test]
fn a_model_is_calibrated_on_new_photos() {
    let sandbox = Sandbox::new();
    let (good, model) = (good_photos(&sandbox, 8), &shared().model);
    let (image, _) = defective_part(5);
    save_photo(&image, &sandbox.path("bad/hole.png"));
    save_photo(&part(7), &sandbox.path("bad/hidden.png"));
    let (out, bad) = (sandbox.path("new.model"), sandbox.path("bad"));
    let before = fs::read(model).unwrap();
    let options = ["--false-reject", "0.35", "--defects", &bad, "--out", &out];
    let calibrated = run([&["calibrate", model, &good, "--json"][..], &options].concat());
    let report = calibrated.json_lines().remove(0);
    assert_eq!((calibrated.code, calibrated.stderr.as_str()), (Some(0), ""));
    assert_follows("calibrate", &report);
    assert!(fs::read(model).unwrap() == before);

    // Of 8 images none may lie above the threshold for 35 % at 95 % confidence: 0.65^8 = 0.03.
    let threshold = &report["threshold"];
    assert_eq!(
        (&threshold["basis"], &threshold["above"]),
        (&json!("distribution_free"), &json!(0))
    );
    let lines = verdicts(&[&out, &good]);
    let largest = *scores(&lines).last().unwrap() as f32;
    assert_eq!(threshold["value"].as_f64().unwrap() as f32, largest.next_up());
    assert!(lines.iter().all(|line| line["anomalous"] == false && line["regions"] == json!([])));
    let ninths = |line: &Value| (9.0 * line["p_value"].as_f64().unwrap()).round() as u64;
    let mut p_values: Vec<u64> = lines.iter().map(ninths).collect();
    p_values.sort_unstable();
    assert_eq!(p_values, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(scores(&lines), scores(&verdicts(&[model, &good])), "scores keep their meaning");

    let defects = &report["defects"];
    let missed = defects["missed"].as_array().unwrap();
    let below = verdicts(&[&out, &bad]).into_iter().filter(|line| line["anomalous"] == false);
    assert_eq!(missed.len(), below.count());
    assert_eq!(defects["images"], json!(2));

    let told = info(&out);
    assert_eq!((&told["threshold"], &told["calibration"]), (threshold, &report["calibration"]));
    assert_eq!(told["calibration"]["images"], 8);
    assert_eq!(told["recipe"], info(model)["recipe"]);
}

#[test]
fn without_out_the_model_itself_is_calibrated_and_keeps_its_rate() {
    let sandbox = Sandbox::new();
    let (good, model) = (good_photos(&sandbox, 4), sandbox.path("part.model"));
    fs::copy(&shared().model, &model).unwrap();
    run(["calibrate", &model, &good, "--false-reject", "60%"]).success();
    assert_eq!(info(&model)["threshold"]["false_reject"], 0.6);
    let first = fs::read(&model).unwrap();
    let printed = run(["calibrate", &model, &good]).success();
    let expected = format!("{model}: calibrated on 4 photos of good parts\nthreshold ");
    assert!(printed.starts_with(&expected), "{printed}");
    assert!(fs::read(&model).unwrap() == first, "the same photos give the same bytes");
    let kept = ["part.model.before-1", "part.model.before-2"];
    assert_eq!(sandbox.names(), [&["good", "part.model"], &kept[..]].concat());
    assert!(fs::read(sandbox.path(kept[1])).unwrap() == first);
}

#[test]
fn the_lowest_rate_gives_a_model_that_opens_and_a_lower_one_changes_nothing() {
    let sandbox = Sandbox::new();
    let (good, model) = (good_photos(&sandbox, 2), sandbox.path("part.model"));
    fs::copy(&shared().model, &model).unwrap();
    run(["calibrate", &model, &good, "--false-reject", "0.0001%"]).success();
    let threshold = &info(&model)["threshold"];
    assert_eq!(threshold["false_reject"], 1e-6);
    assert!(threshold["value"].is_f64(), "{threshold}");
    let before = fs::read(&model).unwrap();
    for rate in ["1e-17", "0.00001%"] {
        let told = "must be from 0.000001 to below 1 (or 0.0001% to below 100%)";
        run(["calibrate", &model, &good, "--false-reject", rate]).expect(2, &[told]);
        let judge = ["predict", &model, &good, "--false-reject", rate];
        run(judge).expect(2, &[told]);
    }
    assert!(fs::read(&model).unwrap() == before);
}

#[test]
fn too_few_photos_are_told_and_the_assumption_is_named() {
    let sandbox = Sandbox::new();
    let (good, out) = (good_photos(&sandbox, 4), sandbox.path("new.model"));
    let printed = run(["calibrate", &shared().model, &good, "--out", &out]).success();
    for text in ["ASSUMING normally distributed", "4 calibration images", "59 would do"] {
        assert!(printed.contains(text), "{printed}");
        assert!(run(["info", &out]).success().contains(text));
        run(["predict", &out, &good]).expect(0, &[text]);
    }
    let threshold = &info(&out)["threshold"];
    assert_eq!((&threshold["basis"], &threshold["images_needed"]), (&json!("normal"), &json!(59)));
}

#[test]
fn predict_takes_another_rate_without_photos() {
    let sandbox = Sandbox::new();
    let (good, model) = (good_photos(&sandbox, 5), sandbox.path("part.model"));
    run(["calibrate", &shared().model, &good, "--out", &model]).success();
    let judge = |rate: &str| run(["predict", &model, &good, "--json", "--false-reject", rate]);
    // 5 images promise 50 %, as 0.5^5 = 0.03; 81 % lets two of them lie above.
    judge("50%").expect(0, &["false-reject rate of at most 50 %: none of 5 calibration images"]);
    let loose = judge("0.82");
    loose.expect(0, &["for a false-reject rate of at most 82 %: at most 2 of 5"]);
    let rejected = loose.json_lines().iter().filter(|line| line["anomalous"] == true).count();
    assert_eq!(rejected, 2);
    let both = ["predict", &model, &good, "--false-reject", "1%", "--threshold", "1"];
    run(both).expect(2, &["cannot be used with"]);
    for wrong in ["0", "1", "100%", "x"] {
        run(["predict", &model, &good, "--false-reject", wrong]).expect(2, &["--false-reject"]);
    }
}

#[test]
fn regions_show_where_the_map_reaches_the_threshold() {
    let sandbox = Sandbox::new();
    let photo = sandbox.path("part.png");
    save_photo(&part(3), &photo);
    let whole = &verdicts(&[&shared().model, &photo, "--threshold", "-1000"])[0];
    assert_eq!(whole["region_count"], 1);
    let region = &whole["regions"][0];
    assert_eq!(region["box"], json!({"x": 0, "y": 0, "width": 72, "height": 64}));
    assert_eq!((&region["area"], &region["peak"]["value"]), (&json!(72 * 64), &whole["score"]));
    assert_eq!(region["centroid"], json!({"x": 35.5, "y": 31.5}));
    let score = whole["score"].to_string();
    let peak = &verdicts(&[&shared().model, &photo, "--threshold", &score])[0];
    assert_eq!((&peak["anomalous"], &peak["region_count"]), (&json!(true), &json!(1)));
    assert_eq!(peak["regions"][0]["peak"], region["peak"]);
}

#[test]
fn photos_that_cannot_be_read_are_left_out() {
    let sandbox = Sandbox::new();
    let (good, out) = (good_photos(&sandbox, 3), sandbox.path("new.model"));
    sandbox.write("good/broken.png", b"no image");
    let calibrated = run(["calibrate", &shared().model, &good, "--out", &out, "--json"]);
    calibrated.expect(1, &["skipped: ", "good/broken.png"]);
    let report = calibrated.json_lines().remove(0);
    assert_follows("calibrate", &report);
    assert_eq!(report["calibration"]["images"], 3);
    assert_eq!(report["failed"][0]["path"], format!("{good}/broken.png"));

    let model = sandbox.write("part.model", &fs::read(&shared().model).unwrap());
    let empty = sandbox.write("empty/readme.txt", b"");
    let empty = empty.trim_end_matches("/readme.txt");
    run(["calibrate", &model, empty])
        .expect(2, &["there are no photos of good parts to calibrate with"]);
    let broken = sandbox.write("broken.png", b"no image");
    run(["calibrate", &model, &broken]).expect(2, &["0 calibration images are too few"]);
    assert!(fs::read(&model).unwrap() == fs::read(&shared().model).unwrap());
}

/// A model that was never calibrated, as imported ones are.
fn uncalibrated(sandbox: &Sandbox) -> String {
    let model = sandbox.path("uncalibrated.model");
    let contents = load::<Value>(shared().model.as_ref(), "efficientad-model").unwrap();
    let mut document = contents.document;
    document["threshold"] = Value::Null;
    let mut tensors = Tensors::new();
    for (name, tensor) in contents.tensors.iter().filter(|(name, _)| *name != "calibration.scores")
    {
        tensors.insert(name, tensor.clone());
    }
    assert_eq!(tensors.len() + 1, contents.tensors.len());
    save(model.as_ref(), "efficientad-model", &document, &tensors).unwrap();
    model
}

#[test]
fn models_without_scores_can_be_calibrated() {
    let sandbox = Sandbox::new();
    let (model, good) = (uncalibrated(&sandbox), good_photos(&sandbox, 2));
    for line in verdicts(&[&model, &good]) {
        assert!(line["p_value"].is_null() && line["anomalous"].is_null(), "{line}");
    }
    run(["predict", &model, &good, "--false-reject", "1%"]).refused(&format!(
        "{model}: the model keeps no scores of good images, so that no threshold can be taken from \
         them: calibrate it with photos of good parts (efficientad calibrate)"
    ));
    run(["calibrate", &model, &good]).success();
    assert!(verdicts(&[&model, &good])[0]["p_value"].is_f64());
}
