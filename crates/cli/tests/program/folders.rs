//! Which photos of a folder are taken, and for what; what is refused, and what is said of it.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::{FAST, Run, Sandbox, defective_part, part, run, save, shared};
use crate::schemas::assert_follows;

/// Photos in `OK`, defects in `NG` and their masks in `MASK`.
fn ok_ng_mask(sandbox: &Sandbox) -> String {
    (0..5).for_each(|seed| save(&part(seed), &sandbox.path(&format!("parts/OK/{seed}.png"))));
    for number in 0..2 {
        let (image, mask) = defective_part(60 + number);
        save(&image, &sandbox.path(&format!("parts/NG/{number}.png")));
        fs::create_dir_all(sandbox.path("parts/MASK")).unwrap();
        mask.save(sandbox.path(&format!("parts/MASK/{number}.png"))).unwrap();
    }
    sandbox.path("parts")
}

fn train(arguments: &[&str]) -> Run {
    run([&["train"][..], &FAST, arguments].concat())
}

fn info(model: &str) -> Value {
    let printed = run(["info", model, "--json"]).success();
    let info = serde_json::from_str(&printed).unwrap();
    assert_follows("info", &info);
    info
}

#[test]
fn defects_and_masks_are_no_good_parts() {
    let sandbox = Sandbox::new();
    let (parts, model) = (ok_ng_mask(&sandbox), sandbox.path("part.model"));
    let trained = train(&[&parts, "--out", &model]);
    let said = [
        "taking (folders called by what they hold):\n",
        "  OK: 5 good, to train on\n",
        "  NG: 2 defects, to test with\n",
        "  MASK: 2 masks\n",
    ];
    trained.expect(0, &[&said.concat()]);
    let data = &info(&model)["data"];
    assert_eq!((&data["train_images"], &data["validation_images"]), (&json!(4), &json!(1)));
    let folder = json!({"folder": "OK", "taken_as": "good, to train on", "files": 5});
    assert_eq!((&data["folders"][0], data["train_files"].as_array().unwrap().len()), (&folder, 4));
    let told = run(["info", &model]).success();
    assert!(told.contains("folder       NG: 2 defects, to test with"), "{told}");

    let evaluated = run(["eval", &model, &parts, "--json"]).json_lines().remove(0);
    assert_follows("eval", &evaluated);
    assert_eq!(
        (evaluated["images"].as_array().unwrap().len(), &evaluated["without_mask"]),
        (2, &json!(0))
    );
}

#[test]
fn a_dry_run_only_says_what_would_be_taken() {
    let sandbox = Sandbox::new();
    let (parts, model) = (ok_ng_mask(&sandbox), sandbox.path("part.model"));
    let said = "taking (folders called by what they hold):\n  OK: 5 good, to train on\n  NG: 2 defects, \
                to test with\n  MASK: 2 masks\n";
    assert_eq!(train(&[&parts, "--out", &model, "--dry-run"]).success(), said);
    let taken = json!([
        {"folder": "OK", "as": "training", "files": 5},
        {"folder": "NG", "as": "test_defects", "files": 2},
        {"folder": "MASK", "as": "masks", "files": 2},
    ]);
    let lines = train(&[&parts, "--out", &model, "--dry-run", "--json"]).json_lines();
    assert_eq!(lines, [json!({"event": "data", "layout": "labelled", "taken": taken})]);
    assert_eq!(sandbox.names(), ["parts"]);

    let own = &shared().model;
    let printed = run(["eval", own, &parts, "--dry-run", "--json"]).json_lines();
    let to_test = &taken.as_array().unwrap()[1..];
    assert_eq!(printed, [json!({"layout": "labelled", "taken": to_test})]);
    let printed = run(["predict", own, &parts, "--dry-run"]);
    assert_eq!(printed.stdout, "taking:\n  NG: 2 to judge\n  OK: 5 to judge\n");
    printed.expect(0, &["MASK: 2 photos (masks)"]);
    let good = sandbox.good_photos("more", 3);
    let before = fs::read(own).unwrap();
    let printed = run(["calibrate", own, &good, "--dry-run"]).success();
    assert_eq!(printed, "taking:\n  .: 3 good, for the threshold\n");
    assert!(fs::read(own).unwrap() == before);
}

#[test]
fn what_names_leave_open_is_refused_with_the_command_that_says_it() {
    let sandbox = Sandbox::new();
    let parts = ok_ng_mask(&sandbox);
    fs::rename(sandbox.path("parts/NG"), sandbox.path("parts/scratch")).unwrap();
    let model = sandbox.path("part.model");
    let refused = train(&[&parts, "--out", &model]);
    let command = format!(
        "efficientad train --out MODEL --good {parts}/OK --defects {parts}/scratch --masks {parts}/MASK\n"
    );
    refused.expect(2, &["scratch (unclear)", "OK (by its name of good parts)"]);
    assert!(refused.stderr.ends_with(&command), "{}", refused.stderr);
    let words: Vec<&str> = command.trim_end().split(' ').skip(4).collect();
    train(&[&words[..], &["--out", &model]].concat()).expect(0, &["OK: 5 good, to train on"]);
    let evaluated = run([&["eval", &model, "--json"], &words[..]].concat()).json_lines().remove(0);
    assert_eq!(evaluated["images"].as_array().unwrap().len(), 7);

    let named = sandbox.good_photos("mixed", 3);
    save(&part(9), &sandbox.path("mixed/ng_1.png"));
    train(&[&named, "--out", &model])
        .expect(2, &["1 of 4 photos are defects by their names", "--good DIR"]);
}

#[test]
fn a_folder_with_test_photos_alone_is_evaluated() {
    let sandbox = Sandbox::new();
    save(&part(50), &sandbox.path("set/test/good/0.png"));
    save(&defective_part(60).0, &sandbox.path("set/test/hole/0.png"));
    let set = sandbox.path("set");
    let evaluated = run(["eval", &shared().model, &set, "--json"]).json_lines().remove(0);
    assert_eq!(evaluated["images"].as_array().unwrap().len(), 2);
    train(&[&set, "--out", &sandbox.path("m")]).expect(2, &["no train/good"]);
}

#[test]
fn calibration_takes_no_data_set_no_defects_and_no_photos_that_were_trained_on() {
    let sandbox = Sandbox::new();
    let shared = shared();
    let model = sandbox.path("part.model");
    fs::copy(&shared.model, &model).unwrap();
    let before = fs::read(&model).unwrap();
    let refused = |path: &str, text: &str| {
        run(["calibrate", &model, path]).expect(2, &[text]);
        assert!(fs::read(&model).unwrap() == before);
    };
    refused(&shared.dataset, "this is a data set");
    let parts = ok_ng_mask(&sandbox);
    refused(&format!("{parts}/NG"), "by its name this folder holds defects");
    let names = fs::read_dir(format!("{parts}/NG")).unwrap();
    let defect = names.map(|entry| entry.unwrap().path()).next().unwrap();
    refused(defect.to_str().unwrap(), "by its name this folder holds defects");
    refused(
        &format!("{}/train/good", shared.dataset),
        "the model was trained on this photo (3 of 4",
    );
    // Its content tells, whatever it is called.
    for number in 0..4 {
        let photo = format!("{}/train/good/{number}.png", shared.dataset);
        fs::create_dir_all(sandbox.path("copies")).unwrap();
        fs::copy(photo, sandbox.path(&format!("copies/x{number}.png"))).unwrap();
    }
    refused(&sandbox.path("copies"), "(3 of 4 photos are such)");
    assert_eq!(sandbox.names(), ["copies", "part.model", "parts"]);
}

#[test]
fn a_photo_that_is_there_twice_is_taken_once() {
    let sandbox = Sandbox::new();
    let model = sandbox.path("part.model");
    fs::copy(&shared().model, &model).unwrap();
    let photos = sandbox.good_photos("new", 22);
    for number in 0..20 {
        fs::remove_file(format!("{photos}/{number}.png")).unwrap();
        fs::copy(format!("{photos}/20.png"), format!("{photos}/copy-{number}.png")).unwrap();
    }
    let run_on = |paths: &[&str]| run([&["calibrate", &model], paths, &["--dry-run"]].concat());
    let calibrated = run_on(&[&photos, &format!("{photos}/."), &format!("{photos}/21.png")]);
    calibrated.expect(0, &["new: 43 photos (copies of others)"]);
    assert!(calibrated.stdout.contains("2 good, for the threshold"), "{calibrated:?}");
    let trained = run(["train", &photos, "--out", &sandbox.path("m"), "--dry-run"]);
    trained.expect(0, &["new: 20 photos (copies of others)"]);
    assert!(trained.stdout.contains("2 good, to train on"), "{trained:?}");
    fs::remove_file(format!("{photos}/21.png")).unwrap();
    run(["train", &photos, "--out", &sandbox.path("m"), "--dry-run"])
        .expect(2, &["1 image(s) of good parts, copies not counted; at least 2 are needed"]);
}

#[test]
fn no_output_replaces_a_file_of_another_kind() {
    let sandbox = Sandbox::new();
    let shared = shared();
    let photos = sandbox.good_photos("new", 3);
    let photo = format!("{photos}/0.png");
    let before = fs::read(&photo).unwrap();
    let files = [format!("{photos}/files"), "--good".to_owned(), photos.clone()];
    for arguments in [
        vec!["train", &photos, "--out", &photo],
        vec!["calibrate", &shared.model, &photos, "--out", &photo],
        vec!["import", &files[0], &files[1], &files[2], "--out", &photo],
        vec!["export", &shared.model, "--onnx", &photo],
    ] {
        run(&arguments)
            .expect(2, &["0.png: there is a file of another kind, which is left as it is"]);
        assert!(fs::read(&photo).unwrap() == before, "{arguments:?}");
    }
    assert_eq!(fs::read_dir(&photos).unwrap().count(), 3, "nothing is left beside it");
}

#[test]
fn the_model_that_is_replaced_is_kept_and_a_far_threshold_is_told() {
    let sandbox = Sandbox::new();
    let (parts, model) = (ok_ng_mask(&sandbox), sandbox.path("part.model"));
    fs::copy(&shared().model, &model).unwrap();
    let defects = format!("{parts}/NG");
    let run = run(["calibrate", &model, "--good", &defects]);
    run.expect(0, &["look whether all of these photos are of good parts"]);
    let backup = format!("{model}.before-1");
    assert!(
        run.stdout.ends_with(&format!("the model before is kept in {backup}\n")),
        "{}",
        run.stdout
    );
    assert!(fs::read(&backup).unwrap() == fs::read(&shared().model).unwrap());
}
