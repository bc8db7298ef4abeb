//! What a training needs, checked.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use efficientad::{
    BegunTraining, ContinuationRecipe, CpuEngine, FalseRejectRate, ImageSource, InputSize, PdnSize,
    Recipe, RegionOfInterest, Teacher, TrainOptions, Trainer, View,
};
use efficientad_images::MarkedArea;

use super::parent::{Parent, refuse_other_beginning};
use crate::args::{RecipeArgs, RecipeName, RegionArgs, TrainArgs, ViewArgs};
use crate::machine;
use crate::output::check_writable;
use crate::progress::Progress;
use crate::resuming::{self, checkpoint_of, refuse_checkpoint};
use crate::schedule::Interval;
use crate::training_data::{Data, DataPaths};

/// A training that can begin.
pub struct Plan {
    /// Where the images lie.
    pub data: DataPaths,
    /// The model's file.
    pub out: PathBuf,
    /// The checkpoint's file, beside the model.
    pub checkpoint: PathBuf,
    /// How to train, but for the region, which depends on the photos' size.
    pub recipe: Recipe,
    region: RegionFiles,
    /// The model to go on from, if training does not begin anew.
    pub parent: Option<Parent>,
    start: Start,
    /// How often to write a checkpoint.
    pub checkpoint_every: Interval,
    /// Share of good images that the threshold may reject.
    pub false_reject: FalseRejectRate,
    /// What to compute with.
    pub cpu: Arc<CpuEngine>,
    /// Whether to print for machines.
    pub json: bool,
    /// Whether to show no progress.
    pub quiet: bool,
}

/// Where a training begins.
enum Start {
    /// At step 0, with this teacher.
    Anew(Teacher),
    /// At step 0, with the parent.
    FromModel(ContinuationRecipe),
    /// Where the checkpoint is.
    FromCheckpoint,
}

impl Plan {
    /// Checks all that can be checked before images are read.
    ///
    /// # Errors
    /// When the model could not be written, or teacher or checkpoint not be read.
    pub fn new(args: TrainArgs) -> Result<Self> {
        check_writable(&args.out)?;
        let checkpoint = checkpoint_of(&args.out);
        let parent = args.continue_from.as_deref().map(|path| Parent::open(path, &args));
        let parent = parent.transpose()?;
        let (recipe, start) = if args.resume {
            let begun = begun_training(&checkpoint, &args.out)?;
            refuse_other_beginning(&begun, parent.as_ref(), &checkpoint)?;
            refuse_contradictions(&args.recipe, &args.view, &begun.recipe)?;
            (begun.recipe, Start::FromCheckpoint)
        } else if let Some(parent) = &parent {
            refuse_checkpoint(&checkpoint)?;
            let recipe = parent.recipe(&args);
            (recipe.on(parent.model.info()), Start::FromModel(recipe))
        } else {
            refuse_checkpoint(&checkpoint)?;
            let teacher = teacher(args.teacher.as_deref(), args.recipe.size)?;
            (recipe_of(&args.recipe, &args.view, teacher.size())?, Start::Anew(teacher))
        };
        Ok(Self {
            data: DataPaths {
                dataset: args.dataset,
                validation: args.validation,
                photos: args.photos.or_else(|| parent.as_ref().and_then(Parent::photos)),
                decode: match &parent {
                    Some(parent) => args.decode.options_for(parent.model.info()),
                    None => args.decode.options(),
                },
                old: parent.as_ref().and_then(|parent| parent.old_paths(args.old)),
            },
            out: args.out,
            checkpoint,
            recipe,
            region: RegionFiles::open(&args.region)?,
            false_reject: args
                .false_reject
                .or_else(|| rate_of(parent.as_ref()))
                .unwrap_or_default(),
            parent,
            start,
            checkpoint_every: args.checkpoint_every,
            cpu: machine::cpu(&args.cpu)?,
            json: args.report.json,
            quiet: args.report.quiet,
        })
    }

    /// Prepares the trainer; there is a checkpoint from now on.
    ///
    /// # Errors
    /// When images, teacher and checkpoint don't fit, or the checkpoint can't be written.
    pub fn trainer(&self, data: &Data, progress: &mut Progress) -> Result<Trainer> {
        let (cpu, options) = (self.cpu.clone(), TrainOptions::default());
        let mut report = |at: efficientad::Progress| {
            progress.count(at.stage, at.done, at.total);
            ControlFlow::Continue(())
        };
        let region = self.region.region(data)?;
        let trainer = match (&self.start, &self.parent) {
            (Start::Anew(teacher), _) => {
                let (teacher, recipe) = (teacher.clone(), Recipe { region, ..self.recipe.clone() });
                Trainer::new(cpu, teacher, recipe, data.for_trainer(), options, &mut report)?
            }
            (Start::FromModel(recipe), Some(Parent { model, .. })) => {
                Trainer::continue_from(cpu, model, recipe.clone(), data.for_trainer(), options)?
            }
            _ => {
                refuse_other_region(region.as_ref(), &self.recipe)?;
                return Ok(Trainer::resume(cpu, &self.checkpoint, data.for_trainer(), options)?);
            }
        };
        // A disk that is too small is better found now than after hours.
        trainer.save_checkpoint(&self.checkpoint)?;
        Ok(trainer)
    }
}

/// Files that say which part of photos is inspected.
struct RegionFiles {
    include: Option<MarkedArea>,
    exclude: Option<MarkedArea>,
}

impl RegionFiles {
    fn open(args: &RegionArgs) -> Result<Self> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(MarkedArea::open).transpose();
        Ok(Self { include: open(&args.region)?, exclude: open(&args.exclude)? })
    }

    /// The region on photos of the first one's size.
    fn region(&self, data: &Data) -> Result<Option<RegionOfInterest>> {
        let (include, exclude) = (self.include.as_ref(), self.exclude.as_ref());
        if include.or(exclude).is_none() {
            return Ok(None);
        }
        let photo = data.train.load(0).map_err(anyhow::Error::from_boxed)?;
        Ok(Some(RegionOfInterest::between(include, exclude, photo.dimensions())?))
    }
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
        position_weights: recipe.position_weights && !given.no_position_weights,
        steps: given.steps.unwrap_or(recipe.steps),
        seed: given.seed.unwrap_or(recipe.seed),
        learning_rate: given.learning_rate.unwrap_or(recipe.learning_rate),
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

/// The false-reject rate that a model's threshold is for.
fn rate_of(parent: Option<&Parent>) -> Option<FalseRejectRate> {
    parent?.model.info().threshold.as_ref()?.false_reject
}

/// The training that a checkpoint belongs to, which decides how the data are split.
fn begun_training(checkpoint: &Path, out: &Path) -> Result<BegunTraining> {
    if !checkpoint.exists() {
        let finished = if out.exists() { "the model is finished; " } else { "" };
        bail!(
            "{}: there is no checkpoint to go on from; {finished}leave out --resume to train anew",
            checkpoint.display()
        );
    }
    Ok(Trainer::begun(checkpoint)?)
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
            "--no-position-weights",
            given.no_position_weights.then(|| on_or_off(true)),
            on_or_off(!recipe.position_weights),
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
    let Recipe { steps, learning_rate, schedule, student_start, position_weights, .. } = recipe;
    let weights = if *position_weights { "with" } else { "without" };
    format!(
        "{steps} steps at {learning_rate} ({schedule}), from {student_start} weights, {weights} \
         position weights"
    )
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

fn refuse_other_region(given: Option<&RegionOfInterest>, recipe: &Recipe) -> Result<()> {
    if given.is_some() && given != recipe.region.as_ref() {
        bail!(
            "the training to go on with began with another region; leave --region and --exclude \
             out, or delete the checkpoint to begin anew"
        );
    }
    Ok(())
}
