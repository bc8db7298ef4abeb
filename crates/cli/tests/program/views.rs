//! Tiles, letterboxes and regions of interest, from the command line to the verdict.

use std::fs;
use std::io::{BufRead, BufReader};

use image::{GrayImage, Rgb};
use serde_json::Value;

use crate::fixture::{STEPS, Sandbox, command, end, first_step, part, run, save};

/// A polygon over the left half of photos.
const LEFT: &str = r#"{"unit":"fraction","polygons":[[[0,0],[0.5,0],[0.5,1],[0,1]]]}"#;

fn info(model: &str) -> Value {
    serde_json::from_str(&run(["info", model, "--json"]).success()).unwrap()
}

fn train<'a>(photos: &'a str, out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["train", photos, "--out", out, "--steps", STEPS, "--photos", "none"], options].concat()
}

#[test]
fn tiles_and_region_are_remembered_and_a_stopped_training_goes_on_alike() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 3);
    let (whole, stopped) = (sandbox.path("whole"), sandbox.path("stopped"));
    let left = sandbox.write("left.json", LEFT.as_bytes());
    let options = ["--tile", "48", "--overlap", "10", "--input", "256", "--region", &left];
    run(train(&photos, &whole, &options)).success();
    let tiles = &info(&whole)["recipe"]["view"]["tiles"];
    assert_eq!((&tiles["size"], &tiles["overlap"]), (&48.into(), &10.into()));
    let text = run(["info", &whole]).success();
    assert!(text.contains("\nview         tiles of 48×48 pixels, overlapping by 10\n"), "{text}");

    let mut child = command(train(&photos, &stopped, &[&options[..], &["--json"]].concat()));
    let mut child = child.args(["--checkpoint-every", "1step"]).spawn().unwrap();
    first_step(&mut BufReader::new(child.stdout.take().unwrap()).lines());
    child.kill().unwrap();
    end(child);
    let resumed = ["train", &photos, "--out", &stopped, "--photos", "none", "--resume"];
    run([&resumed[..], &["--tile", "64"]].concat()).refused(
        "the training to go on with began with --tile 48, not 64; leave --tile out, or delete the \
         checkpoint to begin anew",
    );
    run([&resumed[..], &["--letterbox"]].concat())
        .expect(2, &["began with --letterbox off, not on; leave --letterbox out"]);
    run([&resumed[..], &["--exclude", &left]].concat())
        .expect(2, &["the training to go on with began with another region"]);
    run(resumed).success();
    assert!(fs::read(&whole).unwrap() == fs::read(&stopped).unwrap());
    let verdict = run(["predict", &whole, &photos, "--json"]);
    assert_eq!((verdict.code, verdict.json_lines().len()), (Some(0), 3));
}

#[test]
fn views_that_are_not_possible_are_refused_before_anything_is_read() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("m");
    let refused = |options: &[&str]| run(train("nowhere", &out, options));
    refused(&["--tile", "48"]).expect(2, &["the nearest size is 256×256", "--input"]);
    refused(&["--tile", "256", "--overlap", "200"])
        .expect(2, &["cannot overlap by 200: give 40 to 128 pixels"]);
    refused(&["--tile", "256", "--input", "256x320"]).expect(2, &["tiles are square"]);
    refused(&["--tile", "256", "--letterbox"]).expect(2, &["cannot be used with"]);
    refused(&["--overlap", "64"]).expect(2, &["--tile"]);
}

#[test]
fn a_letterbox_is_exported_with_a_warning() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 2);
    let (model, onnx) = (sandbox.path("m"), sandbox.path("m.onnx"));
    run(train(&photos, &model, &["--letterbox"])).success();
    assert_eq!(info(&model)["recipe"]["view"], "letterbox");
    run(["export", &model, "--onnx", &onnx]).expect(
        0,
        &["the model sees the whole photo in its proportions", "the graph sees one input"],
    );
}

#[test]
fn what_lies_outside_a_region_changes_neither_model_nor_verdict() {
    let sandbox = Sandbox::new();
    let region = sandbox.write("left.json", LEFT.as_bytes());
    for (name, shade) in [("a", None), ("b", Some(200))] {
        for seed in 0..3 {
            let mut photo = part(seed);
            for (x, _, pixel) in photo.enumerate_pixels_mut() {
                if let Some(shade) = shade.filter(|_| x >= 36) {
                    *pixel = Rgb([shade, x as u8, 0]);
                }
            }
            save(&photo, &sandbox.path(&format!("{name}/{seed}.png")));
        }
    }
    let trained = |name: &str| {
        let out = sandbox.path(&format!("{name}.model"));
        run(train(&sandbox.path(name), &out, &["--region", &region])).success();
        let scores = |photos: &str| -> Vec<Value> {
            let lines = run(["predict", &out, &sandbox.path(photos), "--json"]).json_lines();
            lines.iter().map(|line| line["score"].clone()).collect()
        };
        (info(&out)["threshold"].clone(), scores("a"), scores("b"))
    };
    let (a, b) = (trained("a"), trained("b"));
    assert_eq!(a, b);
    assert_eq!(a.1, a.2);
    let text = run(["info", &sandbox.path("a.model")]).success();
    assert!(text.contains("\nregion       50.0 % of 72×64 pixels (width×height)\n"), "{text}");
}

#[test]
fn regions_that_do_not_fit_are_refused() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 3);
    let out = sandbox.path("m");
    let refused = |options: &[&str], texts: &[&str]| {
        run(train(&photos, &out, options)).expect(2, texts);
        assert!(!sandbox.names().contains(&"m".to_owned()));
    };
    let black = sandbox.path("black.png");
    GrayImage::new(72, 64).save(&black).unwrap();
    refused(&["--region", &black], &["black.png: no pixel is inside"]);
    let square = sandbox.path("square.png");
    GrayImage::from_pixel(64, 64, image::Luma([255])).save(&square).unwrap();
    refused(
        &["--region", &square],
        &["square.png: the region was drawn for photos of 64×64", "72×64"],
    );
    let text = sandbox.write("text.png", b"no image");
    refused(&["--region", &text], &["text.png: is not an image"]);
    let json = sandbox.write("wrong.json", br#"{"polygons":[]}"#);
    refused(&["--exclude", &json], &["wrong.json: holds no polygons (missing field `unit`"]);
    refused(&["--region", "none.json"], &["none.json: cannot be read"]);
    let left = sandbox.write("left.json", LEFT.as_bytes());
    refused(
        &["--region", &left, "--augment", "flip-horizontal"],
        &["photos whose region is inspected can't be flipped"],
    );
    refused(&["--region", &left, "--exclude", &left], &["no pixel is inside"]);

    save(&image::imageops::rotate90(&part(7)), &sandbox.path("turned.png"));
    run(train(&photos, &out, &["--region", &left])).success();
    let turned = run(["predict", &out, &sandbox.path("turned.png"), &photos, "--json"]);
    turned.expect(1, &["turned.png: the region was drawn for photos of 72×64 pixels"]);
    assert_eq!(turned.json_lines().len(), 3, "the others are judged");
}
