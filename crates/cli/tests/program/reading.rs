//! How photos are read: bits of 16, floating point, limits, and what is left out.

use std::fs;

use efficientad_images::MapView;
use efficientad_images::float_tiff::save_float_tiff;
use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::fixture::{FAST, Run, Sandbox, part, run, save, shared};
use crate::schemas::assert_follows;

/// A photo of a part, in grey.
fn grey(seed: u64) -> GrayImage {
    image::imageops::grayscale(&part(seed))
}

/// Saves a photo as a camera of so many bits does, in 16.
fn save_bits(photo: &GrayImage, bits: u32, path: &str) {
    let largest = (1_u32 << bits) - 1;
    let sample = |x, y| Luma([(u32::from(photo.get_pixel(x, y).0[0]) * largest / 255) as u16]);
    let deep = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(photo.width(), photo.height(), sample);
    deep.save(path).unwrap();
}

/// A folder with photos of `bits` in 16; its path.
fn deep_photos(sandbox: &Sandbox, name: &str, seeds: std::ops::Range<u64>, bits: u32) -> String {
    let folder = sandbox.path(name);
    fs::create_dir(&folder).unwrap();
    seeds.for_each(|seed| save_bits(&grey(seed), bits, &format!("{folder}/{seed}.png")));
    folder
}

fn train<'a>(photos: &'a str, out: &'a str, options: &[&'a str]) -> Run {
    run([&["train", photos, "--out", out][..], &FAST, options].concat())
}

fn info(model: &str) -> Value {
    let info = serde_json::from_str(&run(["info", model, "--json"]).success()).unwrap();
    assert_follows("info", &info);
    info
}

fn scores(run: &Run) -> Vec<f64> {
    run.json_lines().iter().map(|line| line["score"].as_f64().unwrap()).collect()
}

#[test]
fn the_bits_of_training_photos_are_recognised_told_and_kept() {
    let sandbox = Sandbox::new();
    let (photos, model) = (deep_photos(&sandbox, "deep", 0..4, 12), sandbox.path("m"));
    let told = "12 bits of 16 are used, as recognised: the largest sample of 4 photos has 12";
    train(&photos, &model, &[]).expect(0, &[&format!("{told}; --bits says otherwise\n")]);
    let text = run(["info", &model]).success();
    assert!(text.contains(&format!("\nsamples      {told}\n")), "{text}");
    let samples = json!({ "bits": 12, "recognised": { "photos": 4, "used_bits": 12 } });
    assert_eq!(info(&model)["data"]["samples"], samples);

    // The same photo in 12 and in 8 bits.
    let (twelve, eight) = (sandbox.path("12.png"), sandbox.path("8.png"));
    save_bits(&grey(9), 12, &twelve);
    grey(9).save(&eight).unwrap();
    let both = run(["predict", &model, &twelve, &eight, &eight, "--json"]);
    assert_eq!(
        both.stderr,
        "some photos have 8 bits, where others have 12: that is right if both \
        are of one camera, and the 8 bits the upper ones of the 12\n"
    );
    assert_eq!(scores(&both)[0], scores(&both)[1]);

    let sixteen = sandbox.path("16.png");
    save_bits(&grey(9), 16, &sixteen);
    let refused = run(["predict", &model, &sixteen, &twelve, "--json"]);
    refused.expect(
        1,
        &[
            &format!("efficientad: {sixteen}: holds a sample of "),
            "12 bits end at 4095; state more in --bits",
        ],
    );
    assert_eq!(scores(&refused), scores(&both)[..1]);
}

#[test]
fn photos_of_fewer_bits_than_the_model_takes_are_told_once() {
    let sandbox = Sandbox::new();
    let photos = deep_photos(&sandbox, "deep", 20..28, 12);
    let model = &shared().model;
    assert!(info(model)["data"].get("samples").is_none(), "models of 8 bits say nothing");
    let told = "the photos use 12 of 16 bits, but are read as having 16, which makes them dark: \
                state 12 in --bits if that is what the camera delivers, or 16 if they are dark\n";
    assert_eq!(run(["predict", model, &photos, "--json"]).stderr, told);
    for bits in ["12", "16"] {
        let stated = run(["predict", model, &photos, "--json", "--bits", bits]);
        assert_eq!((stated.code, stated.stderr.as_str()), (Some(0), ""), "{bits}");
    }
    let log = sandbox.path("log");
    let watched =
        run(["watch", model, &photos, "--once", "--settle", "0", "--log", &log, "--json"]);
    assert_eq!((watched.code, watched.stderr.matches(told).count()), (Some(0), 1), "{watched:?}");
    run(["predict", model, &photos, "--bits", "17"]).expect(2, &["17 is not in 1..=16"]);
}

#[test]
fn what_calibrate_is_told_of_bits_is_kept() {
    let sandbox = Sandbox::new();
    let photos = deep_photos(&sandbox, "deep", 20..24, 12);
    let out = sandbox.path("m");
    let arguments = ["calibrate", &shared().model, &photos, "--bits", "12", "--out", &out];
    assert!(!run(arguments).stderr.contains("dark"));
    assert_eq!(info(&out)["samples"], json!({ "bits": 12 }));
    assert_eq!(run(["predict", &out, &photos, "--json"]).stderr, "");
}

#[test]
fn floating_point_photos_are_read_by_the_range_of_the_model() {
    let sandbox = Sandbox::new();
    let (photos, model) = (sandbox.path("float"), sandbox.path("m"));
    fs::create_dir(&photos).unwrap();
    let save_float = |seed: u64, path: &str| {
        let photo = grey(seed);
        let values: Vec<f32> = photo.iter().map(|&v| f32::from(v) / 255.0 - 0.5).collect();
        let map = MapView::new(&values, photo.width(), photo.height()).unwrap();
        save_float_tiff(path, map).unwrap();
    };
    (0..3).for_each(|seed| save_float(seed, &format!("{photos}/{seed}.tif")));
    train(&photos, &model, &[]).expect(2, &["state their range in --range"]);
    train(&photos, &model, &["--range", "-0.5..0.5"]).success();
    let text = run(["info", &model]).success();
    assert!(text.contains("all bits of 16 are used; floating point from -0.5 to 0.5\n"), "{text}");
    assert_eq!(info(&model)["data"]["samples"], json!({ "range": [-0.5, 0.5] }));
    let (float, eight) = (sandbox.path("9.tif"), sandbox.path("9.png"));
    save_float(9, &float);
    grey(9).save(&eight).unwrap();
    let both = run(["predict", &model, &float, &eight, "--json"]);
    assert_eq!(scores(&both)[0], scores(&both)[1]);
    run(["predict", &model, &float, "--range", "0,0.5"])
        .expect(1, &["outside 0 to 0.5; state a wider --range"]);
}

#[test]
fn limits_are_raised_and_lowered_by_options() {
    let sandbox = Sandbox::new();
    let (photo, long) = (sandbox.path("part.png"), sandbox.path("long.png"));
    save(&part(3), &photo);
    save(&RgbImage::from_pixel(66_000, 1, Rgb([90; 3])), &long);
    let predict = |photo: &str, options: &[&str]| {
        run([&["predict", &shared().model, photo], options].concat())
    };
    predict(&photo, &["--max-pixels", "0.004"])
        .expect(1, &["72×64 pixels, more than the limit of 4000; raise --max-pixels"]);
    predict(&photo, &["--max-side", "70"]).expect(1, &["a side of more than 70; raise --max-side"]);
    predict(&long, &[]).expect(1, &["a side of more than 65535; raise --max-side"]);
    predict(&long, &["--max-side", "70000"]).success();
}

#[test]
fn a_view_that_enlarges_photos_beyond_measure_refuses_them() {
    let sandbox = Sandbox::new();
    let (photos, model) = (sandbox.good_photos("photos", 2), sandbox.path("m"));
    train(&photos, &model, &["--tile", "32", "--input", "256"]).success();
    let large = sandbox.path("large.png");
    GrayImage::new(2600, 2600).save(&large).unwrap();
    run(["predict", &model, &large]).expect(
        1,
        &[
            "large.png: 2600×2600 pixels would take up to ",
            "to be judged as tiles of 32×32 pixels, overlapping by 8",
            "cut the photo into pieces, or train with larger tiles or a smaller input\n",
        ],
    );
}

#[test]
fn files_that_are_no_photos_are_counted_by_kind() {
    let sandbox = Sandbox::new();
    let photos = sandbox.good_photos("photos", 3);
    for name in ["photos/a.gif", "photos/b.GIF", "photos/notes.txt", "photos/.hidden.gif"] {
        sandbox.write(name, b"something");
    }
    let told = "3 files are no photo by name, and left out: 2 .gif, 1 .txt\n";
    let model = sandbox.path("m");
    train(&photos, &model, &[]).expect(0, &[told]);
    assert_eq!(run(["predict", &model, &photos, "--json"]).stderr, told);
    // The model was not trained on these.
    (0..3).for_each(|n| save(&part(500 + n), &format!("{photos}/{n}.png")));
    run(["calibrate", &model, &photos, "--out", &sandbox.path("m2")]).expect(0, &[told]);
    let log = sandbox.path("log");
    let watched =
        run(["watch", &model, &photos, "--once", "--settle", "0", "--log", &log, "--json"]);
    watched.expect(0, &[&format!("skipped: {photos}: .gif pictures are not read\n")]);
    for name in ["train", "test"] {
        let folder = sandbox.path(&format!("set/{name}/good"));
        fs::create_dir_all(&folder).unwrap();
        (0..2).for_each(|seed| save(&part(seed), &format!("{folder}/{seed}.png")));
    }
    sandbox.write("set/test/good/Thumbs.db", b"something");
    let evaluated = run(["eval", &model, &sandbox.path("set"), "--json"]);
    evaluated.expect(0, &["1 file is no photo by name, and left out: 1 .db\n"]);
    assert_eq!(evaluated.json_lines()[0]["left_out"], json!({ "db": 1 }));
}
