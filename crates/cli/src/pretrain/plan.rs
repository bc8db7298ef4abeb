//! What a pretraining needs, from its options.

use std::time::{Duration, Instant};

use anyhow::Result;
use efficientad::{DistillationRecipe, PdnSize};
use efficientad_jobs::{InitialWeights, PretrainPlan, PretrainStart, TimeLimit, beside};
use efficientad_pretraining::Settings;

use crate::args::PretrainArgs;
use crate::engine;
use crate::resuming::refuse_contradictions;

/// The pretraining that options ask for, which began at `started`, to report every so often.
///
/// # Errors
/// When options contradict the checkpoint, or it or the teacher to begin with can't be read.
pub fn of(args: PretrainArgs, started: Instant, report_every: Duration) -> Result<PretrainPlan> {
    let begun = if args.resume { PretrainStart::resume(&args.out)? } else { None };
    let initial = args.init.as_deref().map(|path| InitialWeights::open(path, args.size));
    let initial = initial.transpose()?;
    let start = match begun {
        Some(begun) => {
            refuse_other_recipe(&args, begun.recipe())?;
            begun
        }
        None => PretrainStart::New(recipe_of(&args, initial.as_ref().map(InitialWeights::size))),
    };
    let runtime = engine::of_backbone(&args)?;
    Ok(PretrainPlan {
        settings: Settings {
            backbone: args.backbone,
            layers: args.layers,
            preprocessing: args.preprocessing.preprocessing(),
            photos: args.photos,
            limits: args.limits.limits(),
            augmentation: args.augmentation,
            seed: start.recipe().seed,
            cache: args.cache.unwrap_or_else(|| beside(&args.out, ".cache")),
        },
        runtime,
        out: args.out,
        start,
        initial,
        time_limit: args.hours.map(|time| TimeLimit { started, time }),
        cache_bytes: (args.cache_size * f64::from(1 << 30)) as u64,
        checkpoint_every: args.checkpoint_every,
        report_every,
        engine: engine::for_training(&args.engine)?,
    })
}

fn recipe_of(args: &PretrainArgs, initial: Option<PdnSize>) -> DistillationRecipe {
    let default = DistillationRecipe::default();
    DistillationRecipe {
        size: args.size.or(initial).unwrap_or(default.size),
        steps: args.steps.unwrap_or(default.steps),
        batch: args.batch.map_or(default.batch, usize::from),
        seed: args.seed.unwrap_or(default.seed),
        optimizer: args.optimizer.unwrap_or(default.optimizer),
        learning_rate: args.learning_rate.unwrap_or(default.learning_rate),
        weight_decay: default.weight_decay,
    }
}

fn refuse_other_recipe(args: &PretrainArgs, recipe: &DistillationRecipe) -> Result<()> {
    let text = |value: Option<String>, begun: String| (value, begun);
    let pairs = [
        ("--size", text(args.size.map(|size| size.to_string()), recipe.size.to_string())),
        ("--steps", text(args.steps.map(|steps| steps.to_string()), recipe.steps.to_string())),
        ("--batch", text(args.batch.map(|batch| batch.to_string()), recipe.batch.to_string())),
        ("--seed", text(args.seed.map(|seed| seed.to_string()), recipe.seed.to_string())),
        (
            "--optimizer",
            text(args.optimizer.map(|it| it.to_string()), recipe.optimizer.to_string()),
        ),
        (
            "--learning-rate",
            text(args.learning_rate.map(|rate| rate.to_string()), recipe.learning_rate.to_string()),
        ),
    ];
    refuse_contradictions(pairs.map(|(option, (given, begun))| (option, given, begun)))
}
