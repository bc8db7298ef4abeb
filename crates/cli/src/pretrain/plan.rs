//! What a pretraining needs, checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use efficientad::{
    CpuEngine, DistillationData, DistillationRecipe, DistillationSource, Distiller, InitialTeacher,
    PdnSize, Teacher,
};
use efficientad_datasets::file_fingerprint;
use efficientad_pretraining::{Settings, Targets, seconds_per_step};

use crate::args::PretrainArgs;
use crate::machine;
use crate::output::check_writable;
use crate::resuming::{beside, checkpoint_of, refuse_checkpoint, refuse_contradictions};
use crate::schedule::Interval;

/// Share of the time given that the cache is filled in, at most.
const FILLING_SHARE: f64 = 0.5;
/// Share of the rest that is kept for validations and checkpoints.
const SPARE_SHARE: f64 = 0.05;

/// A pretraining that can begin.
pub struct Plan {
    /// What targets are made from.
    pub settings: Settings,
    /// The teacher's file.
    pub out: PathBuf,
    /// The checkpoint's file, beside it.
    pub checkpoint: PathBuf,
    /// How to train; the steps are those of a time limit only once that is spread.
    recipe: DistillationRecipe,
    /// What the checkpoint to go on from was made from.
    begun: Option<DistillationData>,
    /// When to be ready.
    deadline: Option<Deadline>,
    cache_bytes: u64,
    /// What to begin with instead of random weights.
    initial: Option<(Teacher, InitialTeacher)>,
    /// How often to write a checkpoint.
    pub checkpoint_every: Interval,
    /// What to compute with.
    pub cpu: Arc<CpuEngine>,
    /// Whether to print for machines.
    pub json: bool,
    /// Whether to show no progress.
    pub quiet: bool,
}

/// A limit of time.
#[derive(Clone, Copy)]
struct Deadline {
    started: Instant,
    time: Duration,
}

impl Plan {
    /// Checks all that can be checked before photos are read.
    ///
    /// # Errors
    /// When the teacher could not be written, or the checkpoint is in the way or can't be read.
    pub fn new(args: PretrainArgs, started: Instant) -> Result<Self> {
        check_writable(&args.out)?;
        let checkpoint = checkpoint_of(&args.out);
        if !args.resume {
            refuse_checkpoint(&checkpoint)?;
        } else if !checkpoint.exists() && args.out.exists() {
            bail!(
                "{}: the teacher is finished; leave out --resume to begin anew",
                args.out.display()
            );
        }
        let begun =
            checkpoint.exists().then(|| Distiller::in_checkpoint(&checkpoint)).transpose()?;
        let initial = args.init.as_deref().map(|path| initial(path, args.size)).transpose()?;
        let (recipe, begun) = match begun {
            Some((recipe, data)) => {
                refuse_other_recipe(&args, &recipe)?;
                (recipe, Some(data))
            }
            None => {
                let initial_size = initial.as_ref().map(|(teacher, _)| teacher.size());
                (recipe_of(&args, initial_size), None)
            }
        };
        Ok(Self {
            settings: Settings {
                backbone: args.backbone,
                layers: args.layers,
                preprocessing: args.preprocessing.preprocessing(),
                photos: args.photos,
                augmentation: args.augmentation,
                seed: recipe.seed,
                cache: args.cache.unwrap_or_else(|| beside(&args.out, ".cache")),
            },
            out: args.out,
            checkpoint,
            recipe,
            begun,
            deadline: args.hours.map(|time| Deadline { started, time }),
            initial,
            cache_bytes: (args.cache_size * f64::from(1 << 30)) as u64,
            checkpoint_every: args.checkpoint_every,
            cpu: machine::cpu(&args.cpu)?,
            json: args.report.json,
            quiet: args.report.quiet,
        })
    }

    /// How many samples there are to be: those of the checkpoint, or as many as the cache may hold
    /// and the training can see.
    ///
    /// # Errors
    /// When the cache may not even hold the photos held back and one sample.
    pub fn samples(&self, targets: &Targets) -> Result<usize> {
        if let Some(begun) = &self.begun {
            return Ok(begun.samples);
        }
        let room = targets.samples_within(self.cache_bytes);
        if room == 0 {
            bail!("a cache of this size holds no sample; give a larger --cache-size");
        }
        let seen = match self.deadline {
            Some(_) => usize::MAX,
            None => {
                let seen = self.recipe.steps.saturating_mul(self.recipe.batch as u64);
                usize::try_from(seen).unwrap_or(usize::MAX)
            }
        };
        Ok(room.min(seen))
    }

    /// Whether it is time to stop filling the cache and begin to train on `samples`.
    pub fn is_filled(&self, samples: usize) -> bool {
        let spent =
            |deadline: Deadline| deadline.started.elapsed() > deadline.time.mul_f64(FILLING_SHARE);
        self.begun.is_none() && samples >= self.recipe.batch && self.deadline.is_some_and(spent)
    }

    /// Begins to train, or goes on; there is a checkpoint from now on.
    ///
    /// # Errors
    /// When the checkpoint belongs to other data or can't be written, or samples can't be had.
    pub fn distiller(
        &self,
        data: DistillationData,
        source: Arc<dyn DistillationSource>,
    ) -> Result<Distiller> {
        let initial = self.initial.as_ref();
        let (teacher, initial) = initial.map(|(teacher, told)| (teacher, told.clone())).unzip();
        let data = DistillationData { initial, ..data };
        if self.begun.is_some() {
            return Ok(Distiller::resume(self.cpu.clone(), &self.checkpoint, &data, source)?);
        }
        let mut recipe = self.recipe.clone();
        if let Some(Deadline { started, time }) = self.deadline {
            let source = Arc::clone(&source);
            let seconds = seconds_per_step(self.cpu.clone(), &recipe, &data, source)?;
            let left = time.saturating_sub(started.elapsed()).as_secs_f64();
            recipe.steps = ((left * (1.0 - SPARE_SHARE) / seconds) as u64).max(1);
        }
        let distiller = Distiller::new(self.cpu.clone(), recipe, data, teacher, source)?;
        // A disk that is too small is better found now than after hours.
        distiller.save_checkpoint(&self.checkpoint)?;
        Ok(distiller)
    }
}

/// A teacher to begin one of `size` with, and what that one is to say of it.
fn initial(path: &Path, size: Option<PdnSize>) -> Result<(Teacher, InitialTeacher)> {
    let sha256 = file_fingerprint(path)?.to_string();
    let teacher = Teacher::open(path)?;
    if (teacher.size(), size) == (PdnSize::Medium, Some(PdnSize::Small)) {
        bail!(
            "{}: this teacher is medium, and can't become a small one; leave out --size, or give a \
             small one",
            path.display()
        );
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let distillation = teacher.distillation().cloned().map(Box::new);
    Ok((teacher, InitialTeacher { file, sha256, distillation }))
}

fn recipe_of(args: &PretrainArgs, initial: Option<PdnSize>) -> DistillationRecipe {
    let default = DistillationRecipe::default();
    DistillationRecipe {
        size: args.size.or(initial).unwrap_or(default.size),
        steps: args.steps.unwrap_or(default.steps),
        batch: args.batch.map_or(default.batch, usize::from),
        seed: args.seed.unwrap_or(default.seed),
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
            "--learning-rate",
            text(args.learning_rate.map(|rate| rate.to_string()), recipe.learning_rate.to_string()),
        ),
    ];
    refuse_contradictions(pairs.map(|(option, (given, begun))| (option, given, begun)))
}
