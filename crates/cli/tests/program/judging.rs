//! From a trained model to verdicts, maps, pictures and metrics.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use serde_json::Value;
use tiff::decoder::{Decoder as TiffDecoder, DecodingResult};

use crate::fixture::{Sandbox, command, end, evaluation, part, run, save, shared};
use crate::schemas::assert_follows;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_map(path: &str, width: u32, height: u32) {
    let mut decoder = TiffDecoder::new(Cursor::new(fs::read(path).unwrap())).unwrap();
    assert_eq!(decoder.dimensions().unwrap(), (width, height));
    let DecodingResult::F32(values) = decoder.read_image().unwrap() else {
        panic!("{path}: not of 32-bit floating point numbers");
    };
    assert!(values.iter().all(|value| value.is_finite()));
}

#[test]
fn predict_prints_json_lines_in_order_and_writes_maps_and_overlays() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let (test, out) = (format!("{}/test", shared.dataset), sandbox.path("out"));
    let run = run(["predict", &shared.model, &test, "--json", "--out", &out]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines = run.json_lines();
    let paths: Vec<&str> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    let names = ["good/0.png", "good/1.png", "hole/0.png", "hole/1.png"];
    assert_eq!(paths, names.map(|name| format!("{test}/{name}")));
    assert!(run.stdout.starts_with(&format!("{{\"path\":\"{test}/good/0.png\",\"score\":")));
    for (line, name) in lines.iter().zip(names) {
        assert_follows("predict", line);
        let regions = line["region_count"].as_u64().unwrap();
        assert_eq!(line["anomalous"].as_bool().unwrap(), regions > 0, "{line}");
        assert!(line["p_value"].is_f64(), "{line}");
        let stem = name.trim_end_matches(".png");
        assert_map(&format!("{out}/{stem}.tiff"), 72, 64);
        let overlay = image::open(format!("{out}/overlays/{stem}.png")).unwrap();
        assert_eq!((overlay.width(), overlay.height()), (72, 64));
    }
}

#[test]
fn predict_prints_tables_for_people_and_for_spreadsheets() {
    let shared = shared();
    let photo = format!("{}/test/hole/0.png", shared.dataset);
    let model = shared.model.as_str();
    let low = run(["predict", model, &photo, "--threshold", "-1000"]);
    assert!(
        low.stdout.starts_with("ANOMALOUS ")
            && low.stdout.contains("hole/0.png  1 region, highest at x ")
            && low.stdout.ends_with(" in 72×64 pixels\n"),
        "{low:?}"
    );
    low.expect(0, &["1 judged, 1 anomalous, 0 failed"]);
    let high = run(["predict", model, &photo, "--threshold", "1e9"]);
    assert!(high.stdout.starts_with("good "), "{high:?}");
    let csv = run(["predict", model, &photo, "--csv", "--threshold", "1e9"]).success();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("path,score,anomalous,p_value,regions,x,y,width,height"));
    let line = lines.next().unwrap();
    assert!(line.starts_with(&format!("{photo},")), "{line}");
    assert!(line.contains(",false,") && line.ends_with(",0,,,,"), "{line}");
}

#[test]
fn predict_says_the_same_with_any_number_of_threads() {
    let (shared, sandbox) = (shared(), Sandbox::new());
    let photos = sandbox.good_photos("photos", 7);
    sandbox.write("photos/3x.png", b"no photo");
    let judge = |threads: &str| {
        let run = run(["predict", &shared.model, &photos, "--json", "--threads", threads]);
        run.expect(1, &["3x.png: is not an image", "1 failed"]);
        run.stdout
    };
    let one_by_one = judge("1");
    assert_eq!(one_by_one.lines().count(), 7);
    assert!(["2", "5"].iter().all(|threads| judge(threads) == one_by_one));
}

#[test]
fn names_do_not_control_the_terminal() {
    let (shared, sandbox) = (shared(), Sandbox::new());
    let name = "\u{1b}[2J\u{9b}2J.png";
    save(&part(1), &sandbox.path(name));
    save(&part(2), &sandbox.path("good.png"));
    let bad = sandbox.write("\u{1b}[1m.png", b"no photo");
    for form in [None, Some("--json")] {
        let arguments = ["predict", &shared.model, &sandbox.path(""), &bad].map(str::to_owned);
        let run = run(arguments.into_iter().chain(form.map(str::to_owned)));
        run.expect(1, &["\\u{1b}[1m.png: is not an image"]);
        let is_control = |c: char| c.is_control() && c != '\n';
        assert!(!run.stdout.contains(is_control) && !run.stderr.contains(is_control), "{run:?}");
    }
    let json = run(["predict", &shared.model, &sandbox.path(name), "--json"]).json_lines();
    assert_eq!(json[0]["path"], sandbox.path(name), "programs get it as it is");
}

#[test]
fn results_never_replace_photos() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let photo = sandbox.path("part.tiff");
    save(&part(1), &photo);
    let before = fs::read(&photo).unwrap();
    let folder = sandbox.path("");
    run(["predict", &shared.model, &photo, "--out", &folder]).refused(&format!(
        "{photo}: this input image would be overwritten by a result; choose another folder for \
         the results"
    ));
    assert_eq!(fs::read(&photo).unwrap(), before);
    save(&part(2), &sandbox.path("part.png"));
    run(["predict", &shared.model, &folder, "--out", &sandbox.path("out")])
        .expect(2, &["out/part.tiff: two images would both write this anomaly map"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let shared = shared();
    let mut child = command(["predict", &shared.model, &shared.dataset, "--json"]).spawn().unwrap();
    drop(child.stdout.take());
    end(child).expect(0, &[]);
}

#[test]
fn eval_measures_and_shows() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let out = sandbox.path("deep/results");
    let table = run(["eval", &shared.model, &shared.dataset, "--out", &out]).success();
    let mut lines = table.lines();
    let columns = [
        "kind",
        "images",
        "anomalous",
        "image",
        "AU-ROC",
        "AU-PR",
        "best",
        "F1",
        "pixel",
        "AU-ROC",
        "AU-PR",
        "AU-PRO",
        "to",
        "5",
        "%",
    ];
    assert_eq!(lines.next().unwrap().split_whitespace().collect::<Vec<_>>(), columns);
    let kinds: Vec<&str> =
        lines.by_ref().take(3).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(kinds, ["hole", "good", "all"]);
    assert!(
        table.contains("at the threshold ") && table.contains(" of 2 defective images found, ")
    );
    assert!(table.ends_with(&format!("results are in {out}\n")), "{table}");

    for name in ["good/0", "good/1", "hole/0", "hole/1"] {
        assert_map(&format!("{out}/test/{name}.tiff"), 72, 64);
    }
    let overlays = names(&format!("{out}/overlays"));
    assert_eq!(overlays.len(), 4);
    let ranks: Vec<&str> = overlays.iter().map(|name| name.split('_').next().unwrap()).collect();
    assert_eq!(ranks, ["1", "2", "3", "4"]);
    let scores: Vec<f32> =
        overlays.iter().map(|name| name.split('_').nth(1).unwrap().parse().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{overlays:?}");
    let picture = image::open(format!("{out}/overlays/{}", overlays[0])).unwrap();
    assert_eq!((picture.width(), picture.height()), (72 + 4 + 72, 64));

    let written: Value =
        serde_json::from_slice(&fs::read(format!("{out}/results.json")).unwrap()).unwrap();
    assert_eq!(*evaluation(), written);
    check_results(&written);
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn check_results(results: &Value) {
    let metrics =
        ["image_auroc", "image_aupr", "image_f1", "pixel_auroc", "pixel_aupr", "aupro", "aupro_05"];
    for metric in metrics {
        for of in [results, &results["kinds"]["hole"]] {
            let value = of[metric].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&value), "{metric}: {value}");
        }
    }
    assert_eq!((&results["n_good"], &results["n_anomalous"]), (&2.into(), &2.into()));
    assert!(results["threshold"].is_f64() && results["verdicts"]["kinds"]["good"].is_object());
    assert_eq!(results["failed"], Value::Array(Vec::new()));
    let first = &results["images"][0];
    assert_eq!(keys(first), ["anomalous", "defective", "kind", "p_value", "path", "score"]);
    assert_follows("threshold", &results["promise"]);
    assert_eq!(results["promise"]["value"], results["threshold"]);
    assert_eq!((&first["path"], &first["defective"]), (&"test/good/0.png".into(), &false.into()));
}

#[test]
fn masks_count_from_a_threshold_on() {
    let shared = shared();
    let run = run(["eval", &shared.model, &shared.dataset, "--json", "--mask-threshold", "255"]);
    assert_eq!(run.json_lines()[0]["empty_masks"], 0);
    let sandbox = Sandbox::new();
    copy(Path::new(&shared.dataset), Path::new(&sandbox.path("cloth")));
    for n in 0..2 {
        let path = sandbox.path(&format!("cloth/ground_truth/hole/{n}_mask.png"));
        let mut mask = image::open(&path).unwrap().into_luma8();
        mask.pixels_mut().for_each(|pixel| pixel.0[0] = pixel.0[0].min(1));
        mask.save(path).unwrap();
    }
    let dataset = sandbox.path("cloth");
    let evaluate = |threshold: &str| {
        let arguments = ["eval", &shared.model, &dataset, "--mask-threshold", threshold, "--json"];
        crate::fixture::run(arguments).json_lines().remove(0)
    };
    assert_eq!(evaluate("1")["pixel_auroc"], run.json_lines()[0]["pixel_auroc"]);
    let none = evaluate("128");
    assert_eq!((&none["empty_masks"], &none["pixel_auroc"]), (&2.into(), &Value::Null));
}

#[test]
fn masks_may_be_inverted() {
    let (shared, plain) = (shared(), evaluation());
    let sandbox = Sandbox::new();
    copy(Path::new(&shared.dataset), Path::new(&sandbox.path("cloth")));
    for n in 0..2 {
        let path = sandbox.path(&format!("cloth/ground_truth/hole/{n}_mask.png"));
        let mut mask = image::open(&path).unwrap().into_luma8();
        mask.pixels_mut().for_each(|pixel| pixel.0[0] = 255 - pixel.0[0]);
        mask.save(path).unwrap();
    }
    let dataset = sandbox.path("cloth");
    let told = run(["eval", &shared.model, &dataset, "--json"]).json_lines().remove(0);
    assert_eq!(told["aupro"], plain["aupro"], "their look tells it, too");
    let stated = ["eval", &shared.model, &dataset, "--json", "--mask-threshold", "1"];
    let wrong = run(stated).json_lines().remove(0);
    assert_eq!(wrong["mostly_defect_masks"], 2);
    let arguments = ["eval", &shared.model, &dataset, "--json", "--invert-masks"];
    let inverted = run(arguments).json_lines().remove(0);
    assert_eq!(inverted["aupro"], plain["aupro"]);
    assert_eq!(inverted["mostly_defect_masks"], 0);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

#[test]
fn a_broken_test_image_counts_nowhere_and_one_without_its_mask_for_image_metrics() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let dataset = sandbox.path("cloth");
    copy(Path::new(&shared.dataset), Path::new(&dataset));
    sandbox.write("cloth/test/good/1.png", b"no image");
    image::GrayImage::new(10, 20).save(sandbox.path("cloth/ground_truth/hole/1_mask.png")).unwrap();
    let run = run(["eval", &shared.model, &dataset, "--json"]);
    run.expect(
        1,
        &["test/good/1.png: is not an image", "1_mask.png: has 10×20 pixels, but its image 72×64"],
    );
    let results = run.json_lines().remove(0);
    assert_eq!(results["failed"][0]["path"], "test/good/1.png");
    assert_eq!(results["failed"].as_array().unwrap().len(), 1);
    assert_eq!(results["unusable_masks"][0]["path"], "test/hole/1.png");
    assert_eq!((&results["n_good"], &results["n_anomalous"]), (&1.into(), &2.into()));
    assert!(results["aupro"].is_f64(), "the other mask counts");
}

#[test]
fn there_must_be_something_to_evaluate() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    run(["eval", &shared().model, &photos]).refused(&format!(
        "{photos}: there are no test images; put good ones into test/good and defective ones into \
         test/<kind>"
    ));
}
