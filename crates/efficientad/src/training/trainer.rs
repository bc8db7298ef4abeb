//! Training from the first step to the calibrated model.

use super::checkpoint::{Checkpoint, TrainingProgress, moments};
use super::conv::ConvMoments;
use super::counted::Counted;
use super::features::FeatureCache;
use super::inputs::{ImageOrder, StepInputs, StepLoader};
use super::losses::Losses;
use super::plan::StepPlan;
use super::prefetch::while_loading;
use super::step::{StepNetworks, StepWeights};
use super::student::STUDENT_CHANNELS;
use super::windows::for_each_window;
use crate::calibration::check_count;
use crate::channels::ChannelSums;
use crate::continuation::{Continuation, ContinuationRecipe, OldImages};
use crate::error::Error;
use crate::inspection::{NetworkWeights, Networks};
use crate::model::{DataDescription, Model};
use crate::network::{HiddenMaps, Pdn, TEACHER_CHANNELS, Weights, autoencoder_layers, pdn_layers};
use crate::position::{DifferenceSums, PositionWeights};
use crate::progress::{ProgressFn, Stage};
use crate::random::{Purpose, Random};
use crate::recipe::{Recipe, StudentStart};
use crate::source::{ImageCache, ImageSource, PhotoSource};
use crate::teacher::{Teacher, TeacherStatistics};
use crate::view::Framing;
use efficientad_kernels::{Cpu, Tensor, Workspace};
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
}

/// A training at work.
pub struct Trainer {
    cpu: Arc<Cpu>,
    progress: TrainingProgress,
    framing: Framing,
    teacher: Weights,
    statistics: TeacherStatistics,
    networks: StepNetworks,
    features: FeatureCache,
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
        cpu: Arc<Cpu>,
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
            check_region(&framing, &*data.validation)?;
        }
        let statistics = teacher_statistics(&cpu, &teacher, &framing, &*data.train, progress)?;
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
            position_weights: None,
        };
        let progress = TrainingProgress::new(recipe, data.description.clone());
        Ok(Self::assemble(cpu, progress, networks, data, options))
    }

    /// Prepares the training of a finished model on further images. The teacher, its statistics and
    /// what the networks see stay as they are; quantiles and threshold are taken anew at the end,
    /// from all validation images. Steps take old images, if there are any, and new ones in turn.
    ///
    /// # Errors
    /// When there are too few images, or the model's region does not fit one.
    pub fn continue_from(
        cpu: Arc<Cpu>,
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
        let mut progress = TrainingProgress::new(steps, data.description.clone());
        let mut provenance = model.provenance();
        let (description, old) = (data.description.clone(), data.old.clone());
        provenance.continuations.push(Continuation { recipe, data: description, old });
        progress.continued = Some(provenance);
        Ok(Self::assemble(cpu, progress, model.networks.clone(), data, options))
    }

    /// Goes on from a checkpoint, exactly as if training had not stopped (on a CPU with the same
    /// instruction set).
    ///
    /// # Errors
    /// When the checkpoint can't be read or was made from other images.
    pub fn resume(
        cpu: Arc<Cpu>,
        checkpoint: &Path,
        data: TrainingData,
        options: TrainOptions,
    ) -> Result<Self, Error> {
        check_counts(&data)?;
        let Checkpoint { progress, networks, student_moments, autoencoder_moments } =
            Checkpoint::open(checkpoint)?;
        if progress.data != data.description || progress.old_images() != data.old.as_ref() {
            return Err(Error::OtherData {
                path: checkpoint.to_owned(),
                checkpoint: describe(&progress.data, progress.old_images()),
                now: describe(&data.description, data.old.as_ref()),
            });
        }
        let mut trainer = Self::assemble(cpu, progress, networks, data, options);
        let StepNetworks { student, autoencoder, .. } = &mut trainer.networks;
        let convs = student.pdn.convs.iter_mut().chain(&mut autoencoder.convs);
        let moments: Vec<ConvMoments> =
            student_moments.into_iter().chain(autoencoder_moments).collect();
        convs.zip(moments).for_each(|(conv, moments)| conv.moments = moments);
        Ok(trainer)
    }

    fn assemble(
        cpu: Arc<Cpu>,
        progress: TrainingProgress,
        weights: NetworkWeights,
        data: TrainingData,
        options: TrainOptions,
    ) -> Self {
        let recipe = &progress.recipe;
        let image_count = data.train.len();
        let old_count = data.old.as_ref().map_or(0, |old| old.train_images);
        let networks = StepNetworks::new(
            Workspace::new(Arc::clone(&cpu)),
            &StepWeights {
                size: recipe.size,
                input: recipe.input,
                normalized_teacher: &weights.statistics.fold_into(&weights.teacher),
                student: &weights.student,
                autoencoder: &weights.autoencoder,
            },
        );
        Self {
            cpu,
            features: FeatureCache::new(image_count, options.feature_cache_bytes),
            loader: StepLoader {
                images: ImageCache::new(Arc::clone(&data.train), options.image_cache_bytes),
                order: ImageOrder::new(image_count, old_count),
                photos: data.photos,
                framing: weights.framing.clone(),
                seed: recipe.seed,
                autoencoder_images: recipe.autoencoder_optimizer.images(),
            },
            progress,
            framing: weights.framing,
            teacher: weights.teacher,
            statistics: weights.statistics,
            networks,
            train: data.train,
            validation: data.validation,
            next: None,
        }
    }

    /// The training that a checkpoint belongs to: its seed decides which images are to be held back,
    /// before [`Trainer::resume`] can be called.
    ///
    /// # Errors
    /// When the checkpoint can't be read.
    pub fn begun(checkpoint: &Path) -> Result<BegunTraining, Error> {
        let progress = Checkpoint::open(checkpoint)?.progress;
        let continued = progress.continuation().map(|it| it.recipe.model.clone());
        Ok(BegunTraining { recipe: progress.recipe, continued })
    }

    /// How the model is trained.
    pub fn recipe(&self) -> &Recipe {
        &self.progress.recipe
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.progress.steps_done
    }

    /// Does one step. The next step's images are loaded meanwhile.
    ///
    /// # Errors
    /// When an image can't be read, or the losses are no numbers any more: then this training is
    /// spoilt, and an earlier checkpoint is to go on from.
    pub fn step(&mut self) -> Result<Losses, Error> {
        let step = self.progress.steps_done;
        let inputs = self.next.take().unwrap_or_else(|| self.loader.load(step))?;
        let Self { networks, features, loader, progress, .. } = self;
        let recipe = &progress.recipe;
        let load_next = (step + 1 < recipe.steps).then_some(|| loader.load(step + 1));
        let (losses, next) = while_loading(load_next, || {
            let plan = StepPlan::new(recipe, step);
            let losses = networks.losses(&inputs, features, &plan.autoencoder);
            if losses.total().is_finite() {
                networks.update(&plan);
            }
            losses
        });
        self.next = next;
        self.progress.steps_done = step + 1;
        if !losses.total().is_finite() {
            return Err(Error::Diverged { step: step + 1, losses });
        }
        Ok(losses)
    }

    /// Writes all that [`Trainer::resume`] needs; an earlier file of that name is replaced only by a
    /// complete one.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save_checkpoint(&self, path: &Path) -> Result<(), Error> {
        let checkpoint = Checkpoint {
            progress: self.progress.clone(),
            networks: self.weights(),
            student_moments: moments(&self.networks.student.pdn.convs),
            autoencoder_moments: moments(&self.networks.autoencoder.convs),
        };
        checkpoint.save(path)
    }

    fn weights(&self) -> NetworkWeights {
        let [student, autoencoder] = self.networks.weights();
        NetworkWeights {
            size: self.progress.recipe.size,
            framing: self.framing.clone(),
            teacher: self.teacher.clone(),
            statistics: self.statistics.clone(),
            student,
            autoencoder,
            position_weights: None,
        }
    }

    /// Takes the position weights from the training images, if the recipe has them, and calibrates the
    /// networks on the validation images.
    ///
    /// # Errors
    /// When an image can't be read, or the validation images give no spread of values.
    pub fn finish(self, progress: &mut ProgressFn<'_>) -> Result<Model, Error> {
        let mut weights = self.weights();
        let provenance = self.progress.provenance();
        let cpu = Arc::clone(&self.cpu);
        let (train, validation) = (Arc::clone(&self.train), Arc::clone(&self.validation));
        let weigh_positions = self.progress.recipe.weighs_positions();
        drop(self);
        if weigh_positions {
            weights.position_weights = Some(position_weights(&cpu, &weights, &*train, progress)?);
        }
        Model::calibrate(cpu, weights, provenance, &*validation, progress)
    }
}

/// Steps on given images, without loading: what a benchmark times.
pub(crate) struct TimedSteps {
    networks: StepNetworks,
    features: FeatureCache,
    recipe: Recipe,
    step: u64,
}

impl TimedSteps {
    pub(crate) fn new(networks: StepNetworks, recipe: Recipe) -> Self {
        Self { networks, features: FeatureCache::new(1, usize::MAX), recipe, step: 0 }
    }

    pub(crate) fn step(&mut self, inputs: &StepInputs) -> Losses {
        let plan = StepPlan::new(&self.recipe, self.step);
        let losses = self.networks.losses(inputs, &mut self.features, &plan.autoencoder);
        self.networks.update(&plan);
        self.step += 1;
        losses
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
    let DataDescription { fingerprint, train_images, validation_images, photos, orientation } =
        data;
    let old = old.map_or_else(String::new, |old| {
        let OldImages { fingerprints, train_images, validation_images } = old;
        let fingerprints = fingerprints.join(", ");
        format!("; {train_images} + {validation_images} old images: {fingerprints}")
    });
    format!(
        "{fingerprint}, {train_images} + {validation_images} images {orientation:?}, photos: \
         {photos}{old}"
    )
}

/// Mean and standard deviation of the teacher's channels over what counts of all training images.
pub(crate) fn teacher_statistics(
    cpu: &Arc<Cpu>,
    teacher: &Teacher,
    framing: &Framing,
    images: &dyn ImageSource,
    progress: &mut ProgressFn<'_>,
) -> Result<TeacherStatistics, Error> {
    let pdn = Pdn::new(cpu, teacher.size(), TEACHER_CHANNELS, &teacher.weights);
    let mut workspace = Workspace::new(Arc::clone(cpu));
    let (mut hidden, mut features) = (HiddenMaps::default(), Tensor::default());
    let mut sums = ChannelSums::default();
    for_each_window(framing, images, Stage::TeacherStatistics, progress, |input, counted| {
        pdn.forward(&mut workspace, input.view(), &mut hidden, &mut features);
        let counted = Counted::marked(counted);
        sums.add(&counted.gather(features.data(), TEACHER_CHANNELS));
    })?;
    TeacherStatistics::of(&sums)
}

/// How much student and autoencoder usually differ at each place, over all training images.
fn position_weights(
    cpu: &Arc<Cpu>,
    weights: &NetworkWeights,
    images: &dyn ImageSource,
    progress: &mut ProgressFn<'_>,
) -> Result<PositionWeights, Error> {
    let framing = &weights.framing;
    let networks = Networks::new(Arc::clone(cpu), weights);
    let mut sums = DifferenceSums::new(framing.input());
    for_each_window(framing, images, Stage::PositionWeights, progress, |input, counted| {
        sums.add(&networks.compare_input(input).student_autoencoder, counted);
    })?;
    Ok(sums.weights())
}
