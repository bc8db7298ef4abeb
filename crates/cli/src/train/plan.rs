//! What a training needs, from its options.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use efficientad::{Augmentation, ContinuationRecipe, InputSize, PdnSize, Recipe, Teacher, View};
use efficientad_jobs::{DataPaths, Parent, PhotosFrom, RegionFiles, Start, TrainPlan};

use crate::args::{RecipeArgs, RecipeName, TrainArgs, ViewArgs};
use crate::engine;
use crate::resuming;

/// The training that options ask for, to report every so often.
///
/// # Errors
/// When options contradict each other, the model or the checkpoint to go on from, or teacher, model
/// or checkpoint can't be read.
pub fn of(args: TrainArgs, report_every: Duration) -> Result<TrainPlan> {
    let start = start(&args)?;
    let (parent, reading) = (start.parent(), args.decode.reading());
    let data = DataPaths {
        photos: match args.photos {
            Some(photos) => photos.into(),
            None if parent.is_some_and(Parent::is_without_photos) => PhotosFrom::Nowhere,
            None => PhotosFrom::Procedural,
        },
        decode: match parent {
            Some(parent) => reading.options_for(parent.model().info()),
            None => reading.options(),
        },
        recognise_bits: parent.is_none(),
        old: parent.and_then(|parent| parent.old_paths(args.old)),
        dataset: args.data.source(),
        validation: args.validation,
    };
    let (include, exclude) = (args.region.region.as_deref(), args.region.exclude.as_deref());
    let region = RegionFiles::open(include, exclude)?;
    let mut plan = TrainPlan::new(data, args.out, start, engine::for_training(&args.engine)?);
    plan.region = region;
    plan.checkpoint_every = args.checkpoint_every;
    plan.report_every = report_every;
    plan.false_reject = args.false_reject.or(plan.false_reject);
    Ok(plan)
}

fn start(args: &TrainArgs) -> Result<Start> {
    let parent = args.continue_from.as_deref().map(|path| parent(path, args)).transpose()?;
    if args.resume {
        let start = Start::resume(&args.out, parent)?;
        refuse_contradictions(&args.recipe, &args.view, &start.recipe())?;
        return Ok(start);
    }
    Ok(match parent {
        Some(parent) => {
            let recipe = continuation(&parent, args);
            Start::Continue { parent: Box::new(parent), recipe }
        }
        None => {
            let teacher = teacher(args.teacher.as_deref(), args.recipe.size)?;
            let recipe = recipe_of(&args.recipe, &args.view, teacher.size())?;
            Start::New { teacher: Box::new(teacher), recipe: Box::new(recipe) }
        }
    })
}

/// The model to go on from, which no option may contradict.
fn parent(path: &Path, args: &TrainArgs) -> Result<Parent> {
    refuse_options_of_the_model(path, args)?;
    Ok(Parent::open(path)?)
}

fn continuation(parent: &Parent, args: &TrainArgs) -> ContinuationRecipe {
    let (given, default) = (&args.recipe, parent.default_recipe(!args.old.is_empty()));
    ContinuationRecipe {
        steps: given.steps.unwrap_or(default.steps),
        seed: given.seed.unwrap_or(default.seed),
        learning_rate: given.learning_rate.unwrap_or(default.learning_rate),
        ..default
    }
}

/// What the model decides can't be decided anew.
fn refuse_options_of_the_model(path: &Path, args: &TrainArgs) -> Result<()> {
    let given = [
        ("--size", args.recipe.size.is_some()),
        ("--input", args.recipe.input.is_some()),
        ("--recipe", args.recipe.recipe.is_some()),
        ("--no-channel-weights", args.recipe.no_channel_weights),
        ("--no-position-weights", args.recipe.no_position_weights),
        ("--augment", !args.recipe.augment.is_empty()),
        ("--letterbox", args.view.letterbox),
        ("--tile", args.view.tile.is_some()),
        ("--overlap", args.view.overlap.is_some()),
        ("--region", args.region.region.is_some()),
        ("--exclude", args.region.exclude.is_some()),
        ("--teacher", args.teacher.is_some()),
        ("--orientation", args.decode.orientation.is_some()),
        ("--bits", args.decode.bits.is_some()),
        ("--range", args.decode.range.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        bail!(
            "{option} can't be given with --continue: networks and what they see stay as they are \
             in {}; leave {option} out, or train anew",
            path.display()
        );
    }
    Ok(())
}

/// The teacher of a file, which must be of the size that is asked for, if one is; or the built-in one.
fn teacher(file: Option<&Path>, size: Option<PdnSize>) -> Result<Teacher> {
    let Some(file) = file else {
        return Ok(Teacher::embedded(size.unwrap_or_default())?);
    };
    let teacher = Teacher::open(file)?;
    match size {
        Some(size) if size != teacher.size() => bail!(
            "{}: this teacher is {}, not {size}; leave out --size, or give another teacher",
            file.display(),
            teacher.size()
        ),
        _ => Ok(teacher),
    }
}

fn recipe_of(given: &RecipeArgs, view: &ViewArgs, size: PdnSize) -> Result<Recipe> {
    let recipe = with_options(given.recipe.map_or_else(Recipe::default, RecipeName::recipe), given);
    let input = match (given.input, view.tile) {
        (Some(input), _) => input,
        (None, Some(tile)) => input_of_tile(tile)?,
        (None, None) => recipe.input,
    };
    let view = view_of(view, input);
    view.check(input)?;
    Ok(Recipe { size, input, view, ..recipe })
}

/// A recipe with all constants of the training that are given.
fn with_options(recipe: Recipe, given: &RecipeArgs) -> Recipe {
    Recipe {
        channel_weights: recipe.channel_weights && !given.no_channel_weights,
        position_weights: recipe.position_weights && !given.no_position_weights,
        steps: given.steps.unwrap_or(recipe.steps),
        seed: given.seed.unwrap_or(recipe.seed),
        learning_rate: given.learning_rate.unwrap_or(recipe.learning_rate),
        augment: given.augment.iter().copied().collect(),
        ..recipe
    }
}

/// Tiles go to the networks as they are, if the networks take that size.
fn input_of_tile(tile: u32) -> Result<InputSize> {
    InputSize::new(tile as usize, tile as usize)
        .map_err(|error| anyhow!("{error}; with --input another size, tiles are resized to it"))
}

fn view_of(given: &ViewArgs, input: InputSize) -> View {
    /// Pixels of the input that tiles overlap by.
    const OVERLAP: u64 = 64;
    match given.tile {
        Some(size) => {
            let default = (OVERLAP * u64::from(size)).div_ceil(input.width() as u64) as u32;
            View::Tiles { size, overlap: given.overlap.unwrap_or(default) }
        }
        None if given.letterbox => View::Letterbox,
        None => View::Stretch,
    }
}

/// What `--resume` is given of the recipe, and what the training began with.
fn refuse_contradictions(given: &RecipeArgs, view: &ViewArgs, recipe: &Recipe) -> Result<()> {
    let side = |size: InputSize| format!("{}x{}", size.height(), size.width());
    let pairs = [
        ("--size", given.size.map(|size| size.to_string()), recipe.size.to_string()),
        ("--input", given.input.map(side), side(recipe.input)),
        ("--steps", given.steps.map(|steps| steps.to_string()), recipe.steps.to_string()),
        ("--seed", given.seed.map(|seed| seed.to_string()), recipe.seed.to_string()),
        (
            "--learning-rate",
            given.learning_rate.map(|rate| rate.to_string()),
            recipe.learning_rate.to_string(),
        ),
        (
            "--no-channel-weights",
            given.no_channel_weights.then(|| on_or_off(true)),
            on_or_off(!recipe.channel_weights),
        ),
        (
            "--no-position-weights",
            given.no_position_weights.then(|| on_or_off(true)),
            on_or_off(!recipe.position_weights),
        ),
        (
            "--augment",
            (!given.augment.is_empty()).then(|| changes(&given.augment.iter().copied().collect())),
            changes(&recipe.augment),
        ),
        (
            "--recipe",
            given.recipe.map(|name| course(&with_options(name.recipe(), given))),
            course(recipe),
        ),
    ];
    resuming::refuse_contradictions(pairs.into_iter().chain(view_contradictions(view, recipe.view)))
}

/// What recipes differ in.
fn course(recipe: &Recipe) -> String {
    let Recipe { steps, learning_rate, schedule, student_start, .. } = recipe;
    let with = |has: bool| if has { "with" } else { "without" };
    let (channels, positions) = (with(recipe.channel_weights), with(recipe.position_weights));
    format!(
        "{steps} steps at {learning_rate} ({schedule}), from {student_start} weights, {channels} \
         channel weights, {positions} position weights"
    )
}

/// The changes of training photos, as they are given.
fn changes(augment: &BTreeSet<Augmentation>) -> String {
    let names: Vec<_> = augment.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

/// The value of an option that has none.
fn on_or_off(given: bool) -> String {
    if given { "on" } else { "off" }.to_owned()
}

/// What is given of a view, and what the training began with.
fn view_contradictions(
    given: &ViewArgs,
    view: View,
) -> [(&'static str, Option<String>, String); 3] {
    let (tile, overlap) = match view {
        View::Tiles { size, overlap } => (size.to_string(), overlap.to_string()),
        View::Stretch | View::Letterbox => ("none".to_owned(), "none".to_owned()),
    };
    [
        ("--tile", given.tile.map(|tile| tile.to_string()), tile),
        ("--overlap", given.overlap.map(|overlap| overlap.to_string()), overlap),
        (
            "--letterbox",
            given.letterbox.then(|| on_or_off(true)),
            on_or_off(view == View::Letterbox),
        ),
    ]
}
