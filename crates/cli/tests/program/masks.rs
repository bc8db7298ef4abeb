//! Masks as people draw them, told by their look.

use std::fs;
use std::path::Path;

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};

use crate::fixture::{Run, Sandbox, evaluation, part, run, save, shared};
use crate::schemas::assert_follows;

/// The shared data set with other masks of its holes: `write` gets the mask and a path without
/// extension.
fn with_masks(sandbox: &Sandbox, write: impl Fn(&GrayImage, &str)) -> String {
    let (from, to) = (Path::new(&shared().dataset), sandbox.path("cloth"));
    for kind in ["train/good", "test/good", "test/hole"] {
        fs::create_dir_all(format!("{to}/{kind}")).unwrap();
        for entry in fs::read_dir(from.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            fs::copy(&path, format!("{to}/{kind}/{name}")).unwrap();
        }
    }
    fs::create_dir_all(format!("{to}/ground_truth/hole")).unwrap();
    for n in 0..2 {
        let mask = from.join(format!("ground_truth/hole/{n}_mask.png"));
        let mask = image::open(mask).unwrap().into_luma8();
        write(&mask, &format!("{to}/ground_truth/hole/{n}_mask"));
    }
    to
}

fn evaluate(dataset: &str, options: &[&str]) -> Run {
    run([&["eval", &shared().model, dataset, "--json"], options].concat())
}

/// Expects that masks of a look are told, and that it says so once; the results.
#[track_caller]
fn told(kind: &str, words: &str, write: impl Fn(&GrayImage, &str)) -> Value {
    let sandbox = Sandbox::new();
    let run = evaluate(&with_masks(&sandbox, write), &[]);
    let notes = if words.is_empty() {
        String::new()
    } else {
        format!(
            "test/hole/0.png: its mask is taken for {words}; --mask-threshold or --invert-masks say \
             otherwise\n"
        )
    };
    assert_eq!((run.code, &run.stderr), (Some(0), &notes));
    let results = run.json_lines().remove(0);
    assert_follows("eval", &results);
    assert_eq!(results["mask_kinds"], json!({ kind: 2 }));
    results
}

/// The same, and that all of the hole is told and nothing else.
#[track_caller]
fn told_exactly(kind: &str, words: &str, write: impl Fn(&GrayImage, &str)) {
    let plain = evaluation();
    let results = told(kind, words, write);
    for metric in ["pixel_auroc", "pixel_aupr", "aupro"] {
        assert_eq!(results[metric], plain[metric], "{metric}");
    }
}

fn coloured(mask: &GrayImage, defect: [u8; 3], other: [u8; 3]) -> RgbImage {
    let colour = |x, y| Rgb(if mask.get_pixel(x, y).0[0] > 0 { defect } else { other });
    RgbImage::from_fn(mask.width(), mask.height(), colour)
}

fn deep(mask: &GrayImage, defect: u16) -> DynamicImage {
    let value = |x, y| Luma([if mask.get_pixel(x, y).0[0] > 0 { defect } else { 0 }]);
    ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(mask.width(), mask.height(), value).into()
}

fn png(image: impl Into<DynamicImage>, path: &str) {
    image.into().save(format!("{path}.png")).unwrap();
}

#[test]
fn white_on_black_of_8_16_and_1_bit_is_the_usual_kind() {
    told_exactly("white_on_black", "", |mask, path| png(mask.clone(), path));
    told_exactly("white_on_black", "", |mask, path| png(deep(mask, u16::MAX), path));
    told_exactly("white_on_black", "", |mask, path| {
        let bits: Vec<&str> =
            mask.pixels().map(|pixel| if pixel.0[0] > 0 { "0" } else { "1" }).collect();
        let rows: Vec<String> = bits.chunks(72).map(|row| row.join(" ")).collect();
        fs::write(format!("{path}.pbm"), format!("P1\n72 64\n{}\n", rows.join("\n"))).unwrap();
    });
}

#[test]
fn numbers_and_colours_on_black_are_told() {
    let numbers = "numbers above 0";
    told_exactly("numbers", numbers, |mask, path| {
        let mut mask = mask.clone();
        mask.pixels_mut().for_each(|pixel| pixel.0[0] = pixel.0[0].min(1));
        png(mask, path);
    });
    told_exactly("numbers", numbers, |mask, path| png(deep(mask, 1), path));
    told_exactly("colour_on_black", "colours on black", |mask, path| {
        png(coloured(mask, [200, 0, 40], [0; 3]), path);
    });
}

#[test]
fn defects_on_white_are_told() {
    told_exactly("colour_on_white", "colours on white", |mask, path| {
        png(coloured(mask, [35, 164, 54], [255; 3]), path);
    });
    told_exactly("dark_on_white", "dark on white", |mask, path| {
        png(coloured(mask, [0; 3], [255; 3]), path);
    });
}

#[test]
fn a_mask_in_the_alpha_channel_is_told() {
    told_exactly("alpha_only", "the alpha channel", |mask, path| {
        let alpha = |x, y| Rgba([0, 0, 0, mask.get_pixel(x, y).0[0]]);
        png(RgbaImage::from_fn(mask.width(), mask.height(), alpha), path);
    });
}

#[test]
fn the_noise_of_jpeg_is_no_defect() {
    let plain = evaluation();
    let jpeg = |image: RgbImage, path: &str| image.save(format!("{path}.jpg")).unwrap();
    let on_black = told("noisy_on_black", "bright on dark, with shades", |mask, path| {
        jpeg(coloured(mask, [255; 3], [0; 3]), path);
    });
    let on_white =
        told("noisy_on_white", "dark or coloured on white, with shades", |mask, path| {
            jpeg(coloured(mask, [0; 3], [255; 3]), path);
        });
    for results in [on_black, on_white] {
        let [found, exact] = [&results, plain].map(|of| of["pixel_auroc"].as_f64().unwrap());
        assert!((found - exact).abs() < 0.02, "{found} instead of {exact}");
    }
}

#[test]
fn what_is_no_mask_is_named_and_its_image_counts_for_image_metrics() {
    let sandbox = Sandbox::new();
    let dataset = with_masks(&sandbox, |mask, path| {
        if path.ends_with("0_mask") {
            save(&part(9), &format!("{path}.png"));
        } else {
            png(mask.clone(), path);
        }
    });
    let run = evaluate(&dataset, &[]);
    run.expect(
        1,
        &[
            "test/hole/0.png: counts for image metrics only: ",
            "0_mask.png: does not look like a mask",
        ],
    );
    let results = run.json_lines().remove(0);
    assert_eq!((&results["n_anomalous"], &results["failed"]), (&json!(2), &json!([])));
    assert_eq!(results["unusable_masks"][0]["path"], "test/hole/0.png");
    assert!(results["aupro"].is_f64(), "the other mask counts");
    let stated = evaluate(&dataset, &["--mask-threshold", "128"]);
    assert_eq!((stated.code, &stated.json_lines()[0]["mask_kinds"]), (Some(0), &json!({})));
}

#[test]
fn masks_on_white_and_on_black_in_one_set_are_told() {
    let sandbox = Sandbox::new();
    let dataset = with_masks(&sandbox, |mask, path| {
        let colours =
            if path.ends_with("0_mask") { ([0; 3], [255; 3]) } else { ([255; 3], [0; 3]) };
        png(coloured(mask, colours.0, colours.1), path);
    });
    let table = run(["eval", &shared().model, &dataset]).success();
    assert!(table.contains("(1 white on black, 1 dark on white): if that is wrong"), "{table}");
}
