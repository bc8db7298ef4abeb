//! Distillation from the first step to the teacher.

use super::checkpoint::{Checkpoint, Progress};
use super::provenance::{Distillation, DistillationData};
use super::quality::RSquared;
use super::recipe::DistillationRecipe;
use super::sample::{Batch, DistillationSource};
use crate::error::Error;
use crate::model::program_version;
use crate::network::{TEACHER_CHANNELS, Weights, pdn_layers};
use crate::random::{Purpose, Random};
use crate::teacher::Teacher;
use crate::training::checkpoint::moments;
use crate::training::conv::weights;
use crate::training::pdn::TrainablePdn;
use efficientad_kernels::{Cpu, Tensor, Workspace};
use std::path::Path;
use std::sync::Arc;
use std::thread;

/// Samples of a batch that are computed at once: it bounds the memory, and rounding depends on it.
const AT_ONCE: usize = 4;
/// Values that one task handles.
const CHUNK: usize = 1 << 16;

/// A distillation at work.
pub struct Distiller<'a> {
    progress: Progress,
    source: &'a dyn DistillationSource,
    workspace: Workspace,
    network: TrainablePdn,
    /// Features; after the loss, their gradient.
    features: Tensor,
    /// The gradient of the whole batch.
    gradient: Weights,
    order: SampleOrder,
    next: Option<Result<Vec<Batch>, Error>>,
}

impl<'a> Distiller<'a> {
    /// Begins a distillation.
    ///
    /// # Errors
    /// When there are no samples, or the recipe has no steps or empty batches.
    pub fn new(
        cpu: Arc<Cpu>,
        recipe: DistillationRecipe,
        data: DistillationData,
        source: &'a dyn DistillationSource,
    ) -> Result<Self, Error> {
        let layers = pdn_layers(recipe.size, TEACHER_CHANNELS);
        let mut random = Random::new(recipe.seed, Purpose::TeacherWeights, 0);
        let weights = Weights::initialized(&layers, &mut random);
        let program_version = program_version();
        let progress = Progress { recipe, data, steps_done: 0, program_version };
        Self::assemble(cpu, progress, &weights, source)
    }

    /// Goes on from a checkpoint, exactly as if the distillation had not stopped (on a CPU with the
    /// same instruction set).
    ///
    /// # Errors
    /// When the checkpoint can't be read or belongs to other data.
    pub fn resume(
        cpu: Arc<Cpu>,
        checkpoint: &Path,
        data: &DistillationData,
        source: &'a dyn DistillationSource,
    ) -> Result<Self, Error> {
        let Checkpoint { progress, weights, moments } = Checkpoint::open(checkpoint)?;
        if let Some((field, checkpoint_has, now)) = progress.data.difference(data) {
            let path = checkpoint.to_owned();
            return Err(Error::OtherDistillation { path, field, checkpoint: checkpoint_has, now });
        }
        let mut distiller = Self::assemble(cpu, progress, &weights, source)?;
        let convs = distiller.network.convs.iter_mut();
        convs.zip(moments).for_each(|(conv, moments)| conv.moments = moments);
        Ok(distiller)
    }

    fn assemble(
        cpu: Arc<Cpu>,
        progress: Progress,
        weights: &Weights,
        source: &'a dyn DistillationSource,
    ) -> Result<Self, Error> {
        let recipe = &progress.recipe;
        if source.is_empty() || recipe.batch == 0 || recipe.steps == 0 {
            return Err(Error::EmptyDistillation);
        }
        Ok(Self {
            network: TrainablePdn::new(&cpu, recipe.size, TEACHER_CHANNELS, weights),
            order: SampleOrder::new(recipe.seed, source.len()),
            workspace: Workspace::new(cpu),
            features: Tensor::default(),
            gradient: weights.zeros_like(),
            next: None,
            source,
            progress,
        })
    }

    /// Recipe and data of the distillation that a checkpoint belongs to.
    ///
    /// # Errors
    /// When the checkpoint can't be read.
    pub fn in_checkpoint(
        checkpoint: &Path,
    ) -> Result<(DistillationRecipe, DistillationData), Error> {
        let Progress { recipe, data, .. } = Checkpoint::open(checkpoint)?.progress;
        Ok((recipe, data))
    }

    /// How the teacher is distilled.
    pub fn recipe(&self) -> &DistillationRecipe {
        &self.progress.recipe
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.progress.steps_done
    }

    /// Does one step; the mean squared difference between features and targets. The next step's
    /// samples are loaded meanwhile.
    ///
    /// # Errors
    /// When a sample can't be had, or the loss is no number any more: then this distillation is
    /// spoilt, and an earlier checkpoint is to go on from.
    pub fn step(&mut self) -> Result<f64, Error> {
        let step = self.progress.steps_done;
        let batches = match self.next.take() {
            Some(loaded) => loaded?,
            None => load(self.source, &self.samples_of(step))?,
        };
        let following = (step + 1 < self.recipe().steps).then(|| self.samples_of(step + 1));
        let source = self.source;
        let (loss, next) = thread::scope(|scope| {
            let next = following.map(|samples| scope.spawn(move || load(source, &samples)));
            (self.learn(&batches, step), next.map(thread::ScopedJoinHandle::join))
        });
        self.next =
            next.map(|loaded| loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        self.progress.steps_done = step + 1;
        if loss.is_finite() {
            Ok(loss)
        } else {
            Err(Error::DistillationDiverged { step: step + 1, loss })
        }
    }

    fn samples_of(&mut self, step: u64) -> Vec<usize> {
        let batch = self.recipe().batch;
        (0..batch as u64).map(|i| self.order.at(step * batch as u64 + i)).collect()
    }

    /// Computes loss and gradient of a batch in parts, and updates the weights.
    fn learn(&mut self, batches: &[Batch], step: u64) -> f64 {
        for gradient in &mut self.gradient.0 {
            gradient.weight.fill(0.0);
            gradient.bias.fill(0.0);
        }
        let values: usize = batches.iter().map(|batch| batch.targets.shape().len()).sum();
        let squares: f64 = batches.iter().map(|batch| self.add_gradient(batch, values)).sum();
        let loss = squares / values as f64;
        if loss.is_finite() {
            let adam = self.recipe().adam(step);
            for (conv, gradient) in self.network.convs.iter_mut().zip(&self.gradient.0) {
                conv.update_by(self.workspace.cpu(), &adam, gradient);
            }
        }
        loss
    }

    /// Adds the gradient of the squared differences of some samples over `values`; returns the sum
    /// of the squares.
    fn add_gradient(&mut self, batch: &Batch, values: usize) -> f64 {
        let Self { network, workspace, features, gradient, .. } = self;
        let shape = network.forward_hidden(workspace, batch.images.view());
        if features.shape() != shape {
            *features = Tensor::zeros(shape);
        }
        let (images, channels) = (0..shape.images, 0..TEACHER_CHANNELS);
        network.forward_last(workspace, images.clone(), channels.clone(), features);
        let (targets, scale) = (batch.targets.data(), 2.0 / values as f32);
        let squares = workspace.cpu().map_chunks(features.data_mut(), CHUNK, |chunk, features| {
            let targets = &targets[chunk * CHUNK..];
            let mut sum = 0.0;
            for (feature, target) in features.iter_mut().zip(targets) {
                let difference = *feature - target;
                sum += f64::from(difference * difference);
                *feature = scale * difference;
            }
            sum
        });
        network.backward_last(workspace, images, channels, features);
        network.backward_hidden(workspace, batch.images.view());
        for (conv, sum) in network.convs.iter_mut().zip(&mut gradient.0) {
            conv.add_gradient_to(workspace.cpu(), sum);
        }
        squares.iter().sum()
    }

    /// R² of the network as it is now on samples that are not trained on.
    ///
    /// # Errors
    /// When a sample can't be had.
    pub fn validate(&mut self, validation: &dyn DistillationSource) -> Result<RSquared, Error> {
        let weights = weights(&self.network.convs);
        let size = self.recipe().size;
        RSquared::measure(&mut self.workspace, size, &weights, validation)
    }

    /// Writes all that [`Distiller::resume`] needs; an earlier file of that name is replaced only by
    /// a complete one.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save_checkpoint(&self, path: &Path) -> Result<(), Error> {
        let checkpoint = Checkpoint {
            progress: self.progress.clone(),
            weights: weights(&self.network.convs),
            moments: moments(&self.network.convs),
        };
        checkpoint.save(path)
    }

    /// The teacher, its weights rounded to half precision, and as such measured on samples that are
    /// not trained on.
    ///
    /// # Errors
    /// When a sample can't be had.
    pub fn finish(mut self, validation: &dyn DistillationSource) -> Result<Teacher, Error> {
        let weights = weights(&self.network.convs).rounded_to_half();
        let Progress { recipe, data, steps_done, program_version } = self.progress;
        let r_squared = RSquared::measure(&mut self.workspace, recipe.size, &weights, validation)?;
        let samples_seen = steps_done * recipe.batch as u64;
        Ok(Teacher {
            size: recipe.size,
            weights,
            distillation: Some(Distillation {
                data,
                recipe,
                samples_seen,
                r_squared,
                program_version,
            }),
        })
    }
}

/// Loads the samples of a step in the parts that are computed at once.
fn load(source: &dyn DistillationSource, samples: &[usize]) -> Result<Vec<Batch>, Error> {
    samples.chunks(AT_ONCE).map(|samples| Batch::load(source, samples)).collect()
}

/// All samples in random order, then in another, and so on.
struct SampleOrder {
    seed: u64,
    epoch: u64,
    order: Vec<usize>,
}

impl SampleOrder {
    fn new(seed: u64, samples: usize) -> Self {
        Self { seed, epoch: 0, order: Self::of_epoch(seed, 0, samples) }
    }

    fn of_epoch(seed: u64, epoch: u64, samples: usize) -> Vec<usize> {
        Random::new(seed, Purpose::SampleOrder, epoch).permutation(samples)
    }

    /// The sample at a place of the endless sequence.
    fn at(&mut self, place: u64) -> usize {
        let samples = self.order.len();
        let epoch = place / samples as u64;
        if epoch != self.epoch {
            self.epoch = epoch;
            self.order = Self::of_epoch(self.seed, epoch, samples);
        }
        self.order[(place % samples as u64) as usize]
    }
}
