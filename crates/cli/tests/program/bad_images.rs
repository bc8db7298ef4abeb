//! Images that are none, to train on and to judge.

use std::fs;

use tiff::encoder::colortype::Gray16;

use crate::fixture::{FAST, Sandbox, part, run, save, save_tiff, shared};

/// A PNG file that ends in the middle.
fn truncated_png(sandbox: &Sandbox, name: &str) -> String {
    let path = sandbox.path(name);
    save(&part(1), &path);
    let bytes = fs::read(&path).unwrap();
    sandbox.write(name, &bytes[..bytes.len() / 2])
}

/// A BMP file that announces 60,000 × 60,000 pixels of 24 bits and holds none.
fn huge_bmp() -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    let fields = [54_u32, 0, 54, 40, 60_000, 60_000, 1 | 24 << 16, 0, 0, 0, 0, 0, 0];
    fields.iter().for_each(|field| bytes.extend(field.to_le_bytes()));
    bytes
}

/// A photo of a part in 16 bits of grey.
fn save_grey16(path: &str, seed: u64) {
    let grey = image::imageops::grayscale(&part(seed));
    let deep: Vec<u16> = grey.iter().map(|&value| u16::from(value) * 257).collect();
    save_tiff::<Gray16>(path, grey.dimensions(), &deep);
}

#[test]
fn an_empty_folder_has_nothing_to_learn_from() {
    let sandbox = Sandbox::new();
    let (folder, out) = (sandbox.path("empty"), sandbox.path("m"));
    fs::create_dir(&folder).unwrap();
    run(["train", &folder, "--out", &out]).refused(&format!(
        "{folder}: no images here; put png, jpg, bmp, tif or webp files into this folder"
    ));
    run(["train", &sandbox.path("none"), "--out", &out])
        .expect(2, &["none: no such folder; check the path"]);
    assert_eq!(sandbox.names(), ["empty"]);
}

#[test]
fn one_image_is_too_few() {
    let sandbox = Sandbox::new();
    let (folder, out) = (sandbox.good_photos("one", 1), sandbox.path("m"));
    run(["train", &folder, "--out", &out]).refused(&format!(
        "{folder}: 1 image(s) of good parts, copies not counted; at least 2 are needed, add more"
    ));
}

#[test]
fn unreadable_photos_are_named_skipped_and_counted() {
    let sandbox = Sandbox::new();
    let folder = sandbox.good_photos("photos", 1);
    let truncated = truncated_png(&sandbox, "photos/cut.png");
    let text = sandbox.write("photos/text.jpg", b"this is a text");
    let huge = sandbox.write("photos/huge.bmp", &huge_bmp());
    let out = sandbox.path("m");
    let messages = [
        format!("skipped: {truncated}: is damaged ("),
        format!(
            "skipped: {text}: is not an image, whatever its extension says; PNG, JPEG, BMP, \
             TIFF, WebP and PNM are read\n"
        ),
        format!(
            "skipped: {huge}: has 60000×60000 pixels, more than the limit of 134217728; raise \
             --max-pixels if the file is to be trusted, or cut the photo into pieces\n"
        ),
    ];
    let too_few = format!(
        "efficientad: {folder}: 1 of 4 images of good parts can be read; at least 2 are needed, \
         replace the damaged ones\n"
    );
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    run(["train", &folder, "--out", &out]).expect(2, &[&messages[..], &[&too_few]].concat());

    save_grey16(&sandbox.path("photos/deep.tif"), 2);
    let trained = run([&["train", &folder, "--out", &out][..], &FAST].concat());
    trained.expect(1, &[&messages[..], &["3 unreadable images were skipped\n"]].concat());
    let info = run(["info", &out]).success();
    assert!(info.contains("images       1 to train on, 1 held back\n"), "{info}");
}

#[test]
fn photos_that_cannot_be_judged_are_named_and_the_others_are_judged() {
    let shared = shared();
    let sandbox = Sandbox::new();
    save_grey16(
        &{
            fs::create_dir(sandbox.path("new")).unwrap();
            sandbox.path("new/a.tif")
        },
        5,
    );
    let truncated = truncated_png(&sandbox, "new/b.png");
    let text = sandbox.write("new/c.jpg", b"this is a text");
    let huge = sandbox.write("new/d.bmp", &huge_bmp());
    save(&part(4), &sandbox.path("new/e.png"));
    let folder = sandbox.path("new");
    let missing = sandbox.path("missing.png");
    let run = run(["predict", &shared.model, &folder, &missing, "--json"]);
    run.expect(
        1,
        &[
            &format!("efficientad: {truncated}: is damaged ("),
            &format!("efficientad: {text}: is not an image"),
            &format!("efficientad: {huge}: has 60000×60000 pixels"),
            &format!("efficientad: {missing}: cannot be read (No such file or directory"),
            "4 failed\n",
        ],
    );
    let lines = run.json_lines();
    let paths: Vec<_> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [format!("{folder}/a.tif"), format!("{folder}/e.png")]);
}

#[test]
fn a_folder_without_photos_is_told() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let empty = sandbox.path("empty");
    fs::create_dir(&empty).unwrap();
    run(["predict", &shared.model, &empty])
        .expect(2, &["empty: no images here", "efficientad: there are no photos to judge\n"]);
    let photo = format!("{}/test/good/0.png", shared.dataset);
    run(["predict", &shared.model, &empty, &photo])
        .expect(1, &["empty: no images here", "1 judged, "]);
}
