//! `efficientad info`.

use anyhow::Result;
use efficientad::{Calibration, Model, ModelInfo, PhotoFolder};

use crate::args::InfoArgs;
use crate::output::{self, Status, printable};

/// Tells what a model file holds.
pub fn run(args: &InfoArgs) -> Result<Status> {
    let model = Model::open(&args.model)?;
    if args.json {
        output::print_json(model.info())?;
    } else {
        for line in lines(&model) {
            output::print(line)?;
        }
    }
    Ok(Status::Done)
}

fn lines(model: &Model) -> Vec<String> {
    let info = model.info();
    let (height, width) = (info.input.height(), info.input.width());
    let mut facts = vec![
        ("networks", info.size.to_string()),
        ("input", format!("{height}×{width} (height×width)")),
        ("view", info.view().to_string()),
    ];
    if let Some(region) = info.region() {
        let (width, height) = region.dimensions();
        let share = 100.0 * region.share();
        facts.push(("region", format!("{share:.1} % of {width}×{height} pixels (width×height)")));
    }
    match &info.recipe {
        Some(recipe) => facts.push(("training", recipe.to_string())),
        None => facts.push(("training", "by another program".to_owned())),
    }
    if let Some(weights) = model.channel_weights() {
        let values = || weights.values().iter().copied();
        let (least, most) = (values().fold(f32::INFINITY, f32::min), values().fold(0.0, f32::max));
        facts.push((
            "channels",
            format!("the teacher's weigh {least:.2} to {most:.2}, by how well they are predicted"),
        ));
    }
    if let Some(weights) = model.position_weights() {
        let least = weights.values().iter().copied().fold(1.0, f32::min);
        facts.push((
            "positions",
            format!(
                "the autoencoder's part of the map weighs {least:.2} to 1, by what is usual there"
            ),
        ));
    }
    let samples = info.photo_samples();
    if !samples.is_default() {
        facts.push(("samples", samples.to_string()));
    }
    if let Some(data) = &info.data {
        let counts =
            format!("{} to train on, {} held back", data.train_images, data.validation_images);
        facts.push(("images", counts));
        facts.extend(data.folders.iter().map(|it| ("folder", folder(it))));
        if !data.left_out.is_empty() {
            facts.push(("left out", printable(&data.left_out)));
        }
        facts.push(("photos", data.photos.clone()));
        facts.push(("fingerprint", data.fingerprint.clone()));
    }
    facts.extend(info.continuations.iter().map(|it| ("continued", it.to_string())));
    if let Some(scores) = model.calibration() {
        facts.push(("calibration", calibration(info, scores)));
    }
    let threshold = info.threshold.as_ref().map(ToString::to_string);
    facts.push(("threshold", threshold.unwrap_or_else(|| "none: never calibrated".to_owned())));
    if let Some(engine) = info.calibrated_by() {
        facts.push(("engine", format!("calibrated by {engine}")));
    }
    facts.push(("made by", format!("efficientad {}", info.program_version)));
    facts.into_iter().map(|(name, fact)| format!("{name:<11}  {fact}")).collect()
}

fn folder(folder: &PhotoFolder) -> String {
    let PhotoFolder { folder, taken_as, files } = folder;
    printable(&format!("{}: {files} {taken_as}", if folder.is_empty() { "." } else { folder }))
}

fn calibration(info: &ModelInfo, calibration: &Calibration) -> String {
    let scores = calibration.scores();
    let of = match &info.calibration {
        Some(images) => format!("other images than those held back, {}", images.fingerprint),
        // The maps' quantiles know these images, and not those to be judged.
        None => "images held back, which scale the maps too: promises hold nearly".to_owned(),
    };
    let quantile = |share: f64| scores[(share * (scores.len() - 1) as f64).round() as usize];
    format!(
        "{} {of}; scores {:.4} to {:.4}, median {:.4}",
        scores.len(),
        quantile(0.0),
        quantile(1.0),
        quantile(0.5)
    )
}
