//! Work to be timed: inspection and training steps of randomly initialised networks on noise.

use crate::inspection::{NetworkWeights, Networks};
use crate::network::{
    InputSize, PdnSize, TEACHER_CHANNELS, Weights, autoencoder_layers, pdn_layers,
};
use crate::random::{Purpose, Random};
use crate::recipe::Recipe;
use crate::teacher::TeacherStatistics;
use crate::training::{
    AutoencoderInput, Counted, STUDENT_CHANNELS, StepInputs, StepNetworks, StepWeights, TimedSteps,
};
use crate::view::Framing;
use efficientad_kernels::{Cpu, Tensor, Workspace};
use std::sync::Arc;

/// Networks of the default input size.
fn networks(size: PdnSize) -> NetworkWeights {
    let draw = |layers: &[_], index| {
        Weights::initialized(layers, &mut Random::new(0, Purpose::StudentWeights, index))
    };
    NetworkWeights {
        size,
        framing: Framing::stretched(InputSize::default()),
        teacher: draw(&pdn_layers(size, TEACHER_CHANNELS), 0),
        statistics: TeacherStatistics {
            mean: vec![0.0; TEACHER_CHANNELS],
            std: vec![0.05; TEACHER_CHANNELS],
        },
        student: draw(&pdn_layers(size, STUDENT_CHANNELS), 1),
        autoencoder: draw(&autoencoder_layers(), 2),
        position_weights: None,
    }
}

fn noise(images: usize) -> Tensor {
    let mut random = Random::new(0, Purpose::Augmentation, 0);
    let mut tensor = Tensor::zeros(InputSize::default().shape(images));
    tensor.data_mut().iter_mut().for_each(|value| *value = random.between(-2.0, 2.0));
    tensor
}

/// From the networks' input to their difference maps, once per call.
pub fn inspection(size: PdnSize, cpu: Arc<Cpu>) -> impl FnMut() {
    let networks = Networks::new(cpu, &networks(size));
    let input = noise(1);
    move || {
        std::hint::black_box(networks.compare_input(&input));
    }
}

/// A whole training step of a recipe on loaded images of the default size, with or without the
/// penalty, once per call. As in training, the teacher's features of images without jitter are known
/// from the second step on.
pub fn training_step(recipe: Recipe, cpu: Arc<Cpu>, penalty: bool) -> impl FnMut() {
    let weights = networks(recipe.size);
    let step_networks = StepNetworks::new(
        Workspace::new(cpu),
        &StepWeights {
            size: recipe.size,
            input: weights.framing.input(),
            normalized_teacher: &weights.statistics.fold_into(&weights.teacher),
            student: &weights.student,
            autoencoder: &weights.autoencoder,
        },
    );
    let (image, counted) = (Some(0), Counted::All);
    let for_autoencoder = (1..recipe.autoencoder_optimizer.images())
        .map(|_| AutoencoderInput { image, counted: counted.clone(), input: noise(1) })
        .collect();
    let batch = noise(if penalty { 3 } else { 2 });
    let inputs = StepInputs { image, counted, batch, for_autoencoder };
    let mut steps = TimedSteps::new(step_networks, recipe);
    move || {
        std::hint::black_box(steps.step(&inputs));
    }
}
