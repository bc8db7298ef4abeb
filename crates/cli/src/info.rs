//! `efficientad info`.

use anyhow::Result;
use efficientad::{Model, ModelInfo};

use crate::args::InfoArgs;
use crate::output::{self, Status};

/// Tells what a model file holds.
pub fn run(args: &InfoArgs) -> Result<Status> {
    let model = Model::open(&args.model)?;
    if args.json {
        output::print_json(model.info())?;
    } else {
        for line in lines(model.info()) {
            output::print(line)?;
        }
    }
    Ok(Status::Done)
}

fn lines(info: &ModelInfo) -> Vec<String> {
    let (height, width) = (info.input.height(), info.input.width());
    let mut facts = vec![
        ("networks", info.size.to_string()),
        ("input", format!("{height}×{width} (height×width)")),
    ];
    match &info.recipe {
        Some(recipe) => facts.push((
            "training",
            format!(
                "{} steps, seed {}, learning rate {}, weight decay {}",
                recipe.steps, recipe.seed, recipe.learning_rate, recipe.weight_decay
            ),
        )),
        None => facts.push(("training", "by another program".to_owned())),
    }
    if let Some(data) = &info.data {
        let counts =
            format!("{} to train on, {} held back", data.train_images, data.validation_images);
        facts.push(("images", counts));
        facts.push(("photos", data.photos.clone()));
        facts.push(("fingerprint", data.fingerprint.clone()));
    }
    let threshold = info.threshold.as_ref().map(ToString::to_string);
    facts.push(("threshold", threshold.unwrap_or_else(|| "none: never calibrated".to_owned())));
    facts.push(("made by", format!("efficientad {}", info.program_version)));
    facts.into_iter().map(|(name, fact)| format!("{name:<11}  {fact}")).collect()
}
