//! A model for tests.

use std::ops::ControlFlow;
use std::sync::Arc;

use efficientad::{
    CpuEngine, DataDescription, ImageSource, Model, Recipe, RgbImage, SourceError, Teacher,
    TrainOptions, Trainer, TrainingData,
};
use fastrand::Rng;

struct Flat;

impl ImageSource for Flat {
    fn len(&self) -> usize {
        2
    }
    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }
    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(photo(index as u64))
    }
}

/// A small photo of noise.
pub(crate) fn photo(seed: u64) -> RgbImage {
    let mut random = Rng::with_seed(seed);
    let mut image = RgbImage::new(20, 12);
    random.fill(&mut image);
    image
}

/// Trained for a step.
pub(crate) fn model(engine: Arc<CpuEngine>) -> Model {
    let recipe = Recipe { steps: 1, ..Recipe::default() };
    let description = DataDescription {
        train_images: 2,
        validation_images: 2,
        photos: "none".to_owned(),
        ..DataDescription::default()
    };
    let (train, validation) = (Arc::new(Flat), Arc::new(Flat));
    let data = TrainingData { train, validation, photos: None, description, old: None };
    let mut quiet = |_| ControlFlow::Continue(());
    let teacher = Teacher::embedded(recipe.size).unwrap();
    let options = TrainOptions::default();
    let mut trainer = Trainer::new(engine, teacher, recipe, data, options, &mut quiet).unwrap();
    trainer.step().unwrap();
    trainer.finish(&mut quiet).unwrap()
}
