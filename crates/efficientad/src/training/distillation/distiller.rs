//! Distillation from the first step to the teacher.

use super::checkpoint::{Checkpoint, Progress};
use super::growth::grown;
use super::provenance::{Distillation, DistillationData};
use super::quality::RSquared;
use super::recipe::DistillationRecipe;
use super::sample::{Batch, DistillationSource};
use crate::error::Error;
use crate::model::program_version;
use crate::network::{PdnSize, TEACHER_CHANNELS, Weights, pdn_layers};
use crate::random::{Purpose, Random};
use crate::teacher::Teacher;
use crate::training::checkpoint::moments;
use crate::training::conv::weights;
use crate::training::pdn::TrainablePdn;
use crate::training::prefetch::while_loading;
use efficientad_kernels::{Cpu, Tensor, Workspace};
use std::path::Path;
use std::sync::Arc;

/// Samples of a batch that are computed at once: it bounds the memory, and rounding depends on it.
const AT_ONCE: usize = 4;
/// Values that one task handles.
const CHUNK: usize = 1 << 16;

/// A distillation at work.
pub struct Distiller {
    progress: Progress,
    source: Arc<dyn DistillationSource>,
    workspace: Workspace,
    network: TrainablePdn,
    /// Features; after the loss, their gradient.
    features: Tensor,
    /// The gradient of the whole batch.
    gradient: Weights,
    order: SampleOrder,
    next: Option<Result<Vec<Batch>, Error>>,
}

impl Distiller {
    /// Begins a distillation, with the weights of `initial`, which `data` tells of, or random ones. A
    /// small teacher can begin a medium one.
    ///
    /// # Errors
    /// When there are no samples, the recipe has no steps or empty batches, or a medium teacher is to
    /// begin a small one.
    pub fn new(
        cpu: Arc<Cpu>,
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
        source: Arc<dyn DistillationSource>,
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
        source: Arc<dyn DistillationSource>,
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
            None => {
                let samples = self.samples_of(step);
                load(&*self.source, &samples)?
            }
        };
        let following = (step + 1 < self.recipe().steps).then(|| self.samples_of(step + 1));
        let source = Arc::clone(&self.source);
        let load_next = following.map(|samples| move || load(&*source, &samples));
        let (loss, next) = while_loading(load_next, || {
            Arc::clone(self.workspace.cpu()).run(|| self.learn(&batches, step))
        });
        self.next = next;
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
        self.gradient.clear();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceError;
    use crate::network::{HiddenMaps, Pdn};
    use crate::training::distillation::DistillationSample;
    use efficientad_images::RgbImage;
    use efficientad_kernels::InstructionSet;

    /// More than are computed at once, and no multiple of that.
    const SAMPLES: usize = AT_ONCE + 1;

    struct Noise;

    impl DistillationSource for Noise {
        fn len(&self) -> usize {
            SAMPLES
        }

        fn load(&self, sample: usize) -> Result<DistillationSample, SourceError> {
            let mut random = Random::new(sample as u64, Purpose::Augmentation, 0);
            let mut image = RgbImage::new(256, 256);
            random.fill(&mut image);
            let target = (0..56 * 56 * TEACHER_CHANNELS).map(|_| random.between(-1.0, 1.0));
            Ok(DistillationSample { image, target: target.collect() })
        }
    }

    fn data() -> DistillationData {
        DistillationData {
            backbone: "noise".to_owned(),
            backbone_sha256: String::new(),
            layers: ["a".to_owned(), "b".to_owned()],
            preprocessing: String::new(),
            photos: SAMPLES,
            held_back: 0,
            photos_fingerprint: String::new(),
            augmentation: String::new(),
            sample_seed: 0,
            samples: SAMPLES,
            initial: None,
        }
    }

    fn recipe(steps: u64) -> DistillationRecipe {
        let weight_decay = 0.0;
        DistillationRecipe { steps, batch: SAMPLES, weight_decay, ..DistillationRecipe::default() }
    }

    fn cpu() -> Arc<Cpu> {
        Arc::new(Cpu::new(2, InstructionSet::best()).unwrap())
    }

    /// Sums over all samples of the differences of each channel, and of all squared differences.
    fn differences(weights: &Weights) -> (Vec<f64>, f64) {
        let mut workspace = Workspace::new(cpu());
        let size = recipe(1).size;
        let pdn = Pdn::new(workspace.cpu(), size, TEACHER_CHANNELS, weights);
        let (mut sums, mut squares) = (vec![0.0; TEACHER_CHANNELS], 0.0);
        for sample in 0..SAMPLES {
            let batch = Batch::load(&Noise, &[sample]).unwrap();
            let (mut hidden, mut features) = (HiddenMaps::default(), Tensor::default());
            pdn.forward(&mut workspace, batch.images.view(), &mut hidden, &mut features);
            let pairs = features.data().iter().zip(batch.targets.data());
            for (i, (feature, target)) in pairs.enumerate() {
                let difference = f64::from(*feature) - f64::from(*target);
                sums[i % TEACHER_CHANNELS] += difference;
                squares += difference * difference;
            }
        }
        (sums, squares)
    }

    #[test]
    fn loss_and_gradient_are_those_of_the_mean_square_over_the_whole_batch() {
        let mut distiller =
            Distiller::new(cpu(), recipe(1), data(), None, Arc::new(Noise)).unwrap();
        let before = weights(&distiller.network.convs);
        let loss = distiller.step().unwrap();
        let values = (SAMPLES * 56 * 56 * TEACHER_CHANNELS) as f64;
        let (sums, squares) = differences(&before);
        assert!((loss / (squares / values) - 1.0).abs() < 1e-5, "{loss} {}", squares / values);
        let last = distiller.gradient.0.last().unwrap();
        for (found, sum) in last.bias.iter().zip(&sums) {
            let expected = 2.0 * sum / values;
            assert!((f64::from(*found) - expected).abs() < 1e-4 * expected.abs() + 1e-9);
        }
        // The gradients of layers before are the student's, which are checked against PyTorch's;
        // here, that they are summed over all samples.
        let gradient = distiller.gradient.0[2].bias.clone();
        let largest =
            (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
        let largest = largest.unwrap();
        let moved = |by: f32| {
            let mut weights = before.clone();
            weights.0[2].bias[largest] += by;
            differences(&weights).1 / values
        };
        let slope = (moved(0.01) - moved(-0.01)) / 0.02;
        let found = f64::from(gradient[largest]);
        assert!((found / slope - 1.0).abs() < 0.02, "{found} {slope}");
    }

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
