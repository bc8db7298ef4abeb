//! Training from the first step to the calibrated model.

use super::augmentation::Pose;
use super::checkpoint::{Checkpoint, TrainingProgress};
use super::inputs::{ImageOrder, StepLoader};
use super::losses::StepLosses;
use super::plan::step_plan;
use super::prefetch::while_loading;
use super::windows::for_each_window;
use crate::calibration::check_count;
use crate::channel_weights::ChannelDifferences;
use crate::channels::ChannelSums;
use crate::continuation::{Continuation, ContinuationRecipe, OldImages};
use crate::error::Error;
use crate::inspection::{Inspector, NetworkWeights};
use crate::model::{DataDescription, Model, calibrate};
use crate::position::DifferenceSums;
use crate::progress::{ProgressFn, Stage};
use crate::recipe::{Recipe, StudentStart};
use crate::source::{ImageCache, ImageSource, PhotoSource};
use crate::teacher::{Teacher, TeacherStatistics};
use crate::view::Framing;
use efficientad_engine::{
    EngineId, InspectionEngine, Learner, LearnerOptions, LearnerState, Losses, NetworkState,
    Purpose, Random, STUDENT_CHANNELS, Share, StepInputs, TEACHER_CHANNELS, TrainingEngine,
    TrainingNetworks, ValidMask, Weights, autoencoder_layers, pdn_layers,
};
use std::path::Path;
use std::sync::Arc;

/// What a model is trained on.
#[derive(Clone)]
pub struct TrainingData {
    /// Good images to learn from; first the old ones, if there are any.
    pub train: Arc<dyn ImageSource>,
    /// Good images held back for calibration, likewise.
    pub validation: Arc<dyn ImageSource>,
    /// Photos for the penalty; without them training goes without it.
    pub photos: Option<Arc<dyn PhotoSource>>,
    /// What the model's file is to say about the data, but for the old images.
    pub description: DataDescription,
    /// Images of earlier trainings, if training goes on from a finished model with them.
    pub old: Option<OldImages>,
}

/// Memory that training may take beside what it needs; results don't depend on it.
#[derive(Clone, Copy, Debug)]
pub struct TrainOptions {
    /// Bytes for the teacher's features of training images (2.4 MB each at 256×256) that are seen
    /// whole.
    pub feature_cache_bytes: usize,
    /// Bytes for decoded training images.
    pub image_cache_bytes: usize,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self { feature_cache_bytes: 1 << 30, image_cache_bytes: 256 << 20 }
    }
}

/// A training that a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct BegunTraining {
    /// How it trains.
    pub recipe: Recipe,
    /// Fingerprint of the file of the model that it began with, if it did not begin anew.
    pub continued: Option<String>,
    /// The arithmetic of its steps; `None` if the checkpoint is of a program that did not say.
    pub engine: Option<EngineId>,
}

/// A training in progress.
pub struct Trainer {
    engine: Arc<dyn TrainingEngine>,
    progress: TrainingProgress,
    framing: Framing,
    teacher: Weights,
    statistics: TeacherStatistics,
    learner: Box<dyn Learner>,
    losses: StepLosses<Losses>,
    loader: StepLoader,
    train: Arc<dyn ImageSource>,
    validation: Arc<dyn ImageSource>,
    next: Option<Result<StepInputs, Error>>,
}

impl Trainer {
    /// Prepares a training: checks the data, and takes the teacher's statistics over it.
    ///
    /// # Errors
    /// When there are too few images, one can't be read, or the teacher doesn't fit the recipe.
    pub fn new(
        engine: Arc<dyn TrainingEngine>,
        teacher: Teacher,
        recipe: Recipe,
        data: TrainingData,
        options: TrainOptions,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, Error> {
        check_counts(&data)?;
        if teacher.size() != recipe.size {
            return Err(Error::TeacherSize { teacher: teacher.size(), recipe: recipe.size });
        }
        let recipe = recipe.on_images(data.train.len());
        let framing = recipe.framing()?;
        if recipe.region.is_some() {
            if recipe.flips() {
                return Err(Error::FlippedRegion);
            }
            check_region(&framing, &*data.validation)?;
        }
        let statistics = teacher_statistics(&*engine, &teacher, &framing, &*data.train, progress)?;
        let draw = |layers: &[_], purpose| {
            Weights::initialized(layers, &mut Random::new(recipe.seed, purpose, 0))
        };
        let student_layers = pdn_layers(recipe.size, STUDENT_CHANNELS);
        let mut student = draw(&student_layers, Purpose::StudentWeights);
        if recipe.student_start == StudentStart::Teacher {
            let teacher_layers = pdn_layers(recipe.size, TEACHER_CHANNELS);
            student.take_over(&student_layers, &teacher.weights, &teacher_layers);
        }
        let networks = NetworkWeights {
            size: recipe.size,
            framing,
            teacher: teacher.weights,
            statistics,
            student,
            autoencoder: draw(&autoencoder_layers(), Purpose::AutoencoderWeights),
            channel_weights: None,
            position_weights: None,
        };
        let progress =
            TrainingProgress::new(recipe, data.description.clone(), engine.learning_id());
        let state = first_state(&networks);
        Self::assemble(engine, progress, networks, state, data, options)
    }

    /// Prepares the training of a finished model on further images. The teacher, its statistics and
    /// what the networks see stay as they are; quantiles and threshold are taken anew at the end,
    /// from all validation images. Steps take old images, if there are any, and new ones in turn.
    ///
    /// # Errors
    /// When there are too few images, or the model's region does not fit one.
    pub fn continue_from(
        engine: Arc<dyn TrainingEngine>,
        model: &Model,
        recipe: ContinuationRecipe,
        data: TrainingData,
        options: TrainOptions,
    ) -> Result<Self, Error> {
        check_counts(&data)?;
        let framing = &model.networks.framing;
        if model.info().region().is_some() {
            check_region(framing, &*data.validation)?;
        }
        let steps = recipe.on(model.info()).on_images(data.train.len());
        let mut progress =
            TrainingProgress::new(steps, data.description.clone(), engine.learning_id());
        let mut provenance = model.provenance();
        let (description, old) = (data.description.clone(), data.old.clone());
        provenance.continuations.push(Continuation { recipe, data: description, old });
        progress.continued = Some(provenance);
        let networks = model.networks.clone().unweighed();
        let state = first_state(&networks);
        Self::assemble(engine, progress, networks, state, data, options)
    }

    /// Goes on from a checkpoint, exactly as if training had not stopped (on a CPU with the same
    /// instruction set).
    ///
    /// # Errors
    /// When the checkpoint can't be read or was made from other images.
    pub fn resume(
        engine: Arc<dyn TrainingEngine>,
        checkpoint: &Path,
        data: TrainingData,
        options: TrainOptions,
    ) -> Result<Self, Error> {
        check_counts(&data)?;
        let Checkpoint { progress, networks, state } = Checkpoint::open(checkpoint)?;
        let same_images = progress.data.is_of_same_images(&data.description);
        if !same_images || progress.old_images() != data.old.as_ref() {
            return Err(Error::OtherData {
                path: checkpoint.to_owned(),
                checkpoint: describe(&progress.data, progress.old_images()),
                now: describe(&data.description, data.old.as_ref()),
            });
        }
        Self::assemble(engine, progress, networks, state, data, options)
    }

    fn assemble(
        engine: Arc<dyn TrainingEngine>,
        progress: TrainingProgress,
        weights: NetworkWeights,
        state: LearnerState,
        data: TrainingData,
        options: TrainOptions,
    ) -> Result<Self, Error> {
        let recipe = &progress.recipe;
        let image_count = data.train.len();
        let old_count = data.old.as_ref().map_or(0, |old| old.train_images);
        let learner = engine.learner(
            TrainingNetworks {
                size: recipe.size,
                input: recipe.input,
                teacher: &weights.statistics.fold_into(&weights.teacher),
                state,
            },
            LearnerOptions {
                images: image_count * Pose::numbered(&recipe.augment),
                feature_cache_bytes: options.feature_cache_bytes,
            },
        )?;
        Ok(Self {
            engine,
            learner,
            losses: StepLosses::after(progress.steps_done),
            loader: StepLoader {
                images: ImageCache::new(Arc::clone(&data.train), options.image_cache_bytes),
                order: ImageOrder::new(image_count, old_count),
                photos: data.photos,
                framing: weights.framing.clone(),
                augment: recipe.augment.clone(),
                seed: recipe.seed,
                autoencoder_images: recipe.autoencoder_optimizer.images(),
            },
            progress,
            framing: weights.framing,
            teacher: weights.teacher,
            statistics: weights.statistics,
            train: data.train,
            validation: data.validation,
            next: None,
        })
    }

    /// The training that a checkpoint belongs to: its seed decides which images are to be held back,
    /// before [`Trainer::resume`] can be called.
    ///
    /// # Errors
    /// When the checkpoint can't be read.
    pub fn begun(checkpoint: &Path) -> Result<BegunTraining, Error> {
        let progress = Checkpoint::open(checkpoint)?.progress;
        let continued = progress.continuation().map(|it| it.recipe.model.clone());
        Ok(BegunTraining { recipe: progress.recipe, continued, engine: progress.engine })
    }

    /// How the model is trained.
    pub fn recipe(&self) -> &Recipe {
        &self.progress.recipe
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.progress.steps_done
    }

    /// Does one step. The next step's images are loaded meanwhile. Returns the losses that became
    /// known, in the order of their steps: this one's or, where a device works beside the CPU, those of
    /// several every few steps; after the last step all that are left.
    ///
    /// # Errors
    /// When an image can't be read, or the losses are no numbers any more: then this training is
    /// spoilt, and an earlier checkpoint is to go on from.
    pub fn step(&mut self) -> Result<Vec<Losses>, Error> {
        let step = self.progress.steps_done;
        let inputs = self.next.take().unwrap_or_else(|| self.loader.load(step))?;
        let Self { learner, loader, progress, .. } = self;
        let recipe = &progress.recipe;
        let load_next = (step + 1 < recipe.steps).then_some(|| loader.load(step + 1));
        let (losses, next) =
            while_loading(load_next, || learner.step(&inputs, &step_plan(recipe, step)));
        let losses = losses?;
        self.next = next;
        self.progress.steps_done = step + 1;
        self.losses.add(losses)?;
        if step + 1 == self.progress.recipe.steps {
            self.settle()?;
        }
        Ok(self.losses.tell())
    }

    /// Waits until the losses of all steps done are known; the next step returns them.
    ///
    /// # Errors
    /// When they are no numbers, as in a step.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.losses.add(self.learner.outstanding()?)
    }

    /// Writes all that [`Trainer::resume`] needs; an earlier file of that name is replaced only by a
    /// complete one.
    ///
    /// # Errors
    /// When the file can't be written, or the losses of a step are no numbers.
    pub fn save_checkpoint(&mut self, path: &Path) -> Result<(), Error> {
        self.settle()?;
        let state = self.learner.state()?;
        let networks = self.weights(&state);
        Checkpoint { progress: self.progress.clone(), networks, state }.save(path)
    }

    fn weights(&self, state: &LearnerState) -> NetworkWeights {
        NetworkWeights {
            size: self.progress.recipe.size,
            framing: self.framing.clone(),
            teacher: self.teacher.clone(),
            statistics: self.statistics.clone(),
            student: state.student.weights.clone(),
            autoencoder: state.autoencoder.weights.clone(),
            channel_weights: None,
            position_weights: None,
        }
    }

    /// Takes the weights of channels and positions from the training images, if the recipe has them,
    /// and calibrates the networks on the validation images.
    ///
    /// # Errors
    /// When an image can't be read, or the validation images give no spread of values.
    pub fn finish(self, progress: &mut ProgressFn<'_>) -> Result<Model, Error> {
        let weights = self.weights(&self.learner.state()?);
        let recipe = self.progress.recipe.clone();
        let provenance = self.progress.provenance();
        let engine: Arc<dyn InspectionEngine> = Arc::clone(&self.engine) as _;
        let (train, validation) = (Arc::clone(&self.train), Arc::clone(&self.validation));
        drop(self);
        let weights = weigh(Arc::clone(&engine), weights, &recipe, &*train, progress)?;
        calibrate(engine, weights, provenance, &*validation, progress)
    }
}

/// Student and autoencoder before the first step.
fn first_state(networks: &NetworkWeights) -> LearnerState {
    LearnerState {
        student: NetworkState::new(networks.student.clone()),
        autoencoder: NetworkState::new(networks.autoencoder.clone()),
    }
}

fn check_counts(data: &TrainingData) -> Result<(), Error> {
    if data.train.is_empty() {
        return Err(Error::TooFewImages { purpose: "training", found: 0, needed: 1 });
    }
    check_count(data.validation.len())
}

/// Whether the region fits the images, which is better known before the training than after it.
fn check_region(framing: &Framing, images: &dyn ImageSource) -> Result<(), Error> {
    for index in 0..images.len() {
        let size = crate::source::load(images, index)?.dimensions();
        framing.layout(size).map_err(|error| error.of_image(images.name(index)))?;
    }
    Ok(())
}

fn describe(data: &DataDescription, old: Option<&OldImages>) -> String {
    let DataDescription {
        fingerprint,
        train_images,
        validation_images,
        photos,
        orientation,
        samples,
        ..
    } = data;
    let samples = if samples.is_default() { String::new() } else { format!("; {samples}") };
    let old = old.map_or_else(String::new, |old| {
        let OldImages { fingerprints, train_images, validation_images } = old;
        let fingerprints = fingerprints.join(", ");
        format!("; {train_images} + {validation_images} old images: {fingerprints}")
    });
    format!(
        "{fingerprint}, {train_images} + {validation_images} images {orientation:?}, photos: \
         {photos}{samples}{old}"
    )
}

/// Mean and standard deviation of the teacher's channels over what counts of all training images.
pub(crate) fn teacher_statistics(
    engine: &dyn InspectionEngine,
    teacher: &Teacher,
    framing: &Framing,
    images: &dyn ImageSource,
    progress: &mut ProgressFn<'_>,
) -> Result<TeacherStatistics, Error> {
    let teacher = engine.prepare_teacher(teacher.size(), &teacher.weights)?;
    let mut sums = ChannelSums::default();
    for_each_window(framing, images, Stage::TeacherStatistics, progress, |input, counted| {
        let features = teacher.describe(input.view())?;
        sums.add(&ValidMask::marked(counted).gather(features.data(), TEACHER_CHANNELS));
        Ok(())
    })?;
    TeacherStatistics::of(&sums)
}

/// Gives networks the weights that their recipe asks for, from how much they usually differ: teacher
/// and student in each channel, student and autoencoder at each place, over all training images.
fn weigh(
    engine: Arc<dyn InspectionEngine>,
    mut weights: NetworkWeights,
    recipe: &Recipe,
    images: &dyn ImageSource,
    progress: &mut ProgressFn<'_>,
) -> Result<NetworkWeights, Error> {
    let (by_channel, by_place) = (recipe.weighs_channels(), recipe.weighs_positions());
    if !by_channel && !by_place {
        return Ok(weights);
    }
    let prepare = |network: Weights| engine.prepare_teacher(weights.size, &network);
    let pair = match by_channel {
        true => Some((
            prepare(weights.statistics.fold_into(&weights.teacher))?,
            prepare(weights.student.first_outputs(TEACHER_CHANNELS))?,
        )),
        false => None,
    };
    let inspector = match by_place {
        true => Some(Inspector::new(Arc::clone(&engine), &weights)?),
        false => None,
    };
    let mut channels = ChannelDifferences::new();
    let mut places = DifferenceSums::new(weights.framing.input());
    let framing = &weights.framing;
    for_each_window(framing, images, Stage::UsualDifferences, progress, |input, counted| {
        if let Some((teacher, predictor)) = &pair {
            let (described, predicted) =
                (teacher.describe(input.view())?, predictor.describe(input.view())?);
            channels.add(described.data(), predicted.data(), counted);
        }
        if let Some(inspector) = &inspector {
            for maps in inspector.compare_images(input.view(), Share::Whole)? {
                places.add(&maps.student_autoencoder, counted);
            }
        }
        Ok(())
    })?;
    if let Some(usual) = channels.weights() {
        weights.weigh_channels(usual);
    }
    weights.position_weights = by_place.then(|| places.weights());
    Ok(weights)
}
