//! Distillation from the first step to the teacher.

use super::checkpoint::{Checkpoint, Progress};
use super::growth::grown;
use super::provenance::{Distillation, DistillationData};
use super::quality::RSquared;
use super::recipe::DistillationRecipe;
use super::sample::{DistillationSource, load_batch};
use crate::error::Error;
use crate::model::program_version;
use crate::teacher::Teacher;
use crate::training::losses::StepLosses;
use crate::training::prefetch::while_loading;
use efficientad_engine::{
    DistillationBatch, DistillationLearner, EngineId, NetworkState, PdnSize, Purpose, Random,
    TEACHER_CHANNELS, TrainingEngine, Weights, pdn_layers,
};
use std::path::Path;
use std::sync::Arc;

/// A distillation in progress.
pub struct Distiller {
    progress: Progress,
    source: Arc<dyn DistillationSource>,
    engine: Arc<dyn TrainingEngine>,
    learner: Box<dyn DistillationLearner>,
    losses: StepLosses<f64>,
    order: SampleOrder,
    next: Option<Result<DistillationBatch, Error>>,
}

impl Distiller {
    /// Begins a distillation, with the weights of `initial`, which `data` tells of, or random ones. A
    /// small teacher can begin a medium one.
    ///
    /// # Errors
    /// When there are no samples, the recipe has no steps or empty batches, or a medium teacher is to
    /// begin a small one.
    pub fn new(
        engine: Arc<dyn TrainingEngine>,
        recipe: DistillationRecipe,
        data: DistillationData,
        initial: Option<&Teacher>,
        source: Arc<dyn DistillationSource>,
    ) -> Result<Self, Error> {
        let weights = match initial {
            Some(teacher) => match (teacher.size, recipe.size) {
                (from, to) if from == to => teacher.weights.clone(),
                (PdnSize::Small, PdnSize::Medium) => grown(&teacher.weights, recipe.seed),
                (teacher, recipe) => return Err(Error::TeacherSize { teacher, recipe }),
            },
            None => {
                let layers = pdn_layers(recipe.size, TEACHER_CHANNELS);
                let mut random = Random::new(recipe.seed, Purpose::TeacherWeights, 0);
                Weights::initialized(&layers, &mut random)
            }
        };
        let program_version = program_version();
        let engine_id = Some(engine.learning_id());
        let progress = Progress { recipe, data, steps_done: 0, engine: engine_id, program_version };
        Self::assemble(engine, progress, NetworkState::new(weights), source)
    }

    /// Goes on from a checkpoint, exactly as if the distillation had not stopped (on a CPU with the
    /// same instruction set).
    ///
    /// # Errors
    /// When the checkpoint can't be read or belongs to other data.
    pub fn resume(
        engine: Arc<dyn TrainingEngine>,
        checkpoint: &Path,
        data: &DistillationData,
        source: Arc<dyn DistillationSource>,
    ) -> Result<Self, Error> {
        let Checkpoint { progress, state } = Checkpoint::open(checkpoint)?;
        if let Some((field, checkpoint_has, now)) = progress.data.difference(data) {
            let path = checkpoint.to_owned();
            return Err(Error::OtherDistillation { path, field, checkpoint: checkpoint_has, now });
        }
        Self::assemble(engine, progress, state, source)
    }

    fn assemble(
        engine: Arc<dyn TrainingEngine>,
        progress: Progress,
        state: NetworkState,
        source: Arc<dyn DistillationSource>,
    ) -> Result<Self, Error> {
        let recipe = &progress.recipe;
        if source.is_empty() || recipe.batch == 0 || recipe.steps == 0 {
            return Err(Error::EmptyDistillation);
        }
        Ok(Self {
            learner: engine.distillation_learner(recipe.size, state)?,
            losses: StepLosses::after(progress.steps_done),
            order: SampleOrder::new(recipe.seed, source.len()),
            engine,
            next: None,
            source,
            progress,
        })
    }

    /// Recipe and data of the distillation that a checkpoint belongs to, and the arithmetic of its
    /// steps; `None` if the checkpoint is of a program that did not say.
    ///
    /// # Errors
    /// When the checkpoint can't be read.
    pub fn in_checkpoint(
        checkpoint: &Path,
    ) -> Result<(DistillationRecipe, DistillationData, Option<EngineId>), Error> {
        let Progress { recipe, data, engine, .. } = Checkpoint::open(checkpoint)?.progress;
        Ok((recipe, data, engine))
    }

    /// How the teacher is distilled.
    pub fn recipe(&self) -> &DistillationRecipe {
        &self.progress.recipe
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.progress.steps_done
    }

    /// Does one step. The next step's samples are loaded meanwhile. Returns the losses that became
    /// known, each the mean squared difference between features and targets, as
    /// [`Trainer::step`](crate::Trainer::step) does.
    ///
    /// # Errors
    /// When a sample can't be had, or the loss is no number any more: then this distillation is
    /// spoilt, and an earlier checkpoint is to go on from.
    pub fn step(&mut self) -> Result<Vec<f64>, Error> {
        let step = self.progress.steps_done;
        let batch = match self.next.take() {
            Some(loaded) => loaded?,
            None => {
                let samples = self.samples_of(step);
                load_batch(&*self.source, &samples)?
            }
        };
        let following = (step + 1 < self.recipe().steps).then(|| self.samples_of(step + 1));
        let source = Arc::clone(&self.source);
        let load_next = following.map(|samples| move || load_batch(&*source, &samples));
        let plan = self.recipe().plan(step);
        let (losses, next) = while_loading(load_next, || self.learner.step(&batch, &plan));
        let losses = losses?;
        self.next = next;
        self.progress.steps_done = step + 1;
        self.losses.add(losses)?;
        if step + 1 == self.recipe().steps {
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

    fn samples_of(&mut self, step: u64) -> Vec<usize> {
        let batch = self.recipe().batch;
        (0..batch as u64).map(|i| self.order.at(step * batch as u64 + i)).collect()
    }

    /// R² of the network as it is now on samples that are not trained on.
    ///
    /// # Errors
    /// When a sample can't be had.
    pub fn validate(&self, validation: &dyn DistillationSource) -> Result<RSquared, Error> {
        let weights = self.learner.state()?.weights;
        RSquared::measure(&*self.engine, self.recipe().size, &weights, validation)
    }

    /// Writes all that [`Distiller::resume`] needs; an earlier file of that name is replaced only by
    /// a complete one.
    ///
    /// # Errors
    /// When the file can't be written, or the loss of a step is no number.
    pub fn save_checkpoint(&mut self, path: &Path) -> Result<(), Error> {
        self.settle()?;
        Checkpoint { progress: self.progress.clone(), state: self.learner.state()? }.save(path)
    }

    /// The teacher, its weights rounded to half precision, and as such measured on samples that are
    /// not trained on.
    ///
    /// # Errors
    /// When a sample can't be had.
    pub fn finish(self, validation: &dyn DistillationSource) -> Result<Teacher, Error> {
        let weights = self.learner.state()?.weights.rounded_to_half();
        let Progress { recipe, data, steps_done, program_version, .. } = self.progress;
        let r_squared = RSquared::measure(&*self.engine, recipe.size, &weights, validation)?;
        let samples_seen = steps_done * recipe.batch as u64;
        Ok(Teacher {
            size: recipe.size,
            weights,
            distillation: Some(Box::new(Distillation {
                data,
                recipe,
                samples_seen,
                r_squared,
                program_version,
            })),
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_once_an_epoch_in_another_order_each_time() {
        let mut order = SampleOrder::new(3, 20);
        let epochs: Vec<Vec<usize>> =
            (0..2).map(|e| (0..20).map(|i| order.at(20 * e + i)).collect()).collect();
        assert_ne!(epochs[0], epochs[1]);
        for mut epoch in epochs {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..20).collect::<Vec<_>>());
        }
        let place = SampleOrder::new(3, 20).at(27);
        assert_eq!(place, order.at(27), "it can begin anywhere");
    }
}
