//! Work to be timed: inspection and training steps of randomly initialised networks on noise.

use crate::error::Error;
use crate::recipe::Recipe;
use crate::training::step_plan;
use efficientad_engine::{
    AutoencoderInput, InputSize, InspectionEngine, LearnerOptions, LearnerState, NetworkState,
    Networks, PdnSize, Purpose, Random, STUDENT_CHANNELS, Share, StepInputs, TEACHER_CHANNELS,
    Tensor, TrainingEngine, TrainingNetworks, ValidMask, Weights, autoencoder_layers, pdn_layers,
};
use std::hint::black_box;

/// What the teacher's last layer is divided by, as the normalisation of its features does.
const TEACHER_STD: f32 = 0.05;

/// Networks of the default input size.
fn networks(size: PdnSize) -> Networks {
    let draw = |layers: &[_], index| {
        Weights::initialized(layers, &mut Random::new(0, Purpose::StudentWeights, index))
    };
    let mut teacher = draw(&pdn_layers(size, TEACHER_CHANNELS), 0);
    if let Some(last) = teacher.0.last_mut() {
        last.weight.iter_mut().chain(&mut last.bias).for_each(|value| *value /= TEACHER_STD);
    }
    Networks {
        size,
        input: InputSize::default(),
        teacher,
        student: draw(&pdn_layers(size, STUDENT_CHANNELS), 1),
        autoencoder: draw(&autoencoder_layers(), 2),
    }
}

fn noise(images: usize) -> Tensor {
    let mut random = Random::new(0, Purpose::Augmentation, 0);
    let mut tensor = Tensor::zeros(InputSize::default().shape(images));
    tensor.data_mut().iter_mut().for_each(|value| *value = random.between(-2.0, 2.0));
    tensor
}

/// From the networks' input to the difference maps of a batch of `images` images, once per call.
///
/// # Errors
/// When the engine can't have the networks; calls fail when the device does.
pub fn inspection(
    size: PdnSize,
    engine: &dyn InspectionEngine,
    images: usize,
    share: Share,
) -> Result<impl FnMut() -> Result<(), Error> + use<>, Error> {
    let networks = engine.prepare(&networks(size))?;
    let input = noise(images);
    Ok(move || {
        black_box(networks.compare(input.view(), share)?);
        Ok(())
    })
}

/// A whole training step of a recipe on loaded images of the default size, with or without the
/// penalty, once per call. As in training, the teacher's features of images without jitter are known
/// from the second step on.
///
/// # Errors
/// When the engine can't have the networks; calls fail when the device does.
pub fn training_step(
    recipe: Recipe,
    engine: &dyn TrainingEngine,
    penalty: bool,
) -> Result<impl FnMut() -> Result<(), Error> + use<>, Error> {
    let Networks { size, input, teacher, student, autoencoder } = networks(recipe.size);
    let state = LearnerState {
        student: NetworkState::new(student),
        autoencoder: NetworkState::new(autoencoder),
    };
    let mut learner = engine.learner(
        TrainingNetworks { size, input, teacher: &teacher, state },
        LearnerOptions { images: 1, feature_cache_bytes: usize::MAX },
    )?;
    let (image, valid) = (Some(0), ValidMask::All);
    let for_autoencoder = (1..recipe.autoencoder_optimizer.images())
        .map(|_| AutoencoderInput { image, valid: valid.clone(), input: noise(1) })
        .collect();
    let batch = noise(if penalty { 3 } else { 2 });
    let inputs = StepInputs { image, valid, batch, for_autoencoder };
    let mut step = 0;
    Ok(move || {
        black_box(learner.step(&inputs, &step_plan(&recipe, step))?);
        black_box(learner.outstanding()?);
        step += 1;
        Ok(())
    })
}
