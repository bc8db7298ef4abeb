//! Training on so many images that the autoencoder learns by Muon.

use efficientad::{
    AutoencoderOptimizer, CpuEngine, DataDescription, ImageSource, InstructionSet, Recipe,
    RgbImage, SourceError, Teacher, TrainOptions, Trainer, TrainingData,
};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Small images, each unlike the others.
struct Stripes(usize);

impl ImageSource for Stripes {
    fn len(&self) -> usize {
        self.0
    }
    fn name(&self, index: usize) -> String {
        format!("stripes {index}")
    }
    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        let mut image = RgbImage::new(40, 30);
        let value = |place: usize| (place * (index + 3) / 7 * 31 % 256) as u8;
        image.iter_mut().enumerate().for_each(|(place, channel)| *channel = value(place));
        Ok(image)
    }
}

fn data(images: &Arc<Stripes>) -> TrainingData {
    TrainingData {
        train: images.clone(),
        validation: images.clone(),
        photos: None,
        description: DataDescription {
            fingerprint: String::new(),
            train_images: images.len(),
            validation_images: images.len(),
            photos: "none".to_owned(),
            ..DataDescription::default()
        },
        old: None,
    }
}

fn cpu(threads: usize) -> Arc<CpuEngine> {
    Arc::new(CpuEngine::new(threads, InstructionSet::best()).unwrap())
}

#[test]
fn a_training_by_muon_goes_on_to_the_same_bytes_whatever_the_threads_and_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let [second, third, resumed] = ["2", "3", "resumed"].map(|name| folder.path().join(name));
    let (images, recipe) = (Arc::new(Stripes(200)), Recipe { steps: 5, ..Recipe::default() });
    let teacher = Teacher::embedded(recipe.size).unwrap();
    let options = TrainOptions::default();
    let mut trainer = Trainer::new(cpu(2), teacher, recipe, data(&images), options, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(trainer.recipe().autoencoder_optimizer, AutoencoderOptimizer::Muon);
    trainer.step().unwrap();
    trainer.step().unwrap();
    trainer.save_checkpoint(&second).unwrap();
    trainer.step().unwrap();
    trainer.save_checkpoint(&third).unwrap();

    let options = TrainOptions { feature_cache_bytes: 0, image_cache_bytes: 0 };
    let mut trainer = Trainer::resume(cpu(1), &second, data(&images), options).unwrap();
    trainer.step().unwrap();
    trainer.save_checkpoint(&resumed).unwrap();
    assert!(std::fs::read(third).unwrap() == std::fs::read(resumed).unwrap());
}
