//! Trains on images of one's own source, shows how far it has come, and can be cancelled.
//!
//! `cargo run --release -p efficientad --example train -- 20 part.model` trains for 20 steps. A line
//! on the standard input cancels.

use efficientad::{
    CpuEngine, DataDescription, Error, ImageSource, Recipe, RgbImage, SourceError, Teacher,
    TrainOptions, Trainer, TrainingData,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Images from a database, a camera's ring buffer, or, as here, a formula.
struct Weave {
    first: usize,
    count: usize,
}

impl ImageSource for Weave {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        format!("weave {}", self.first + index)
    }

    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        let phase = (self.first + index) as f32;
        Ok(RgbImage::from_fn(300, 300, |x, y| {
            let wave = |place: u32, pace: f32| (place as f32 / pace + phase).sin() * 50.0 + 120.0;
            [wave(x, 3.0) as u8, wave(y, 4.0) as u8, wave(x + y, 5.0) as u8].into()
        }))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let steps = arguments.next().ok_or("give the number of steps")?.parse()?;
    let out = arguments.next().ok_or("name the model's file")?;

    let cancelled = Arc::new(AtomicBool::new(false));
    let canceller = Arc::clone(&cancelled);
    std::thread::spawn(move || {
        if std::io::stdin().read_line(&mut String::new()).is_ok_and(|bytes| bytes > 0) {
            canceller.store(true, Ordering::Relaxed);
        }
    });
    let go_on = || match cancelled.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let mut report = |at: efficientad::Progress| {
        println!("{}: {} of {}", at.stage, at.done, at.total);
        go_on()
    };

    let (train, validation) = (Weave { first: 0, count: 30 }, Weave { first: 30, count: 5 });
    let data = TrainingData {
        description: DataDescription {
            fingerprint: "weave".to_owned(),
            train_images: train.len(),
            validation_images: validation.len(),
            photos: "none".to_owned(),
            orientation: Default::default(),
            samples: Default::default(),
        },
        train: Arc::new(train),
        validation: Arc::new(validation),
        photos: None,
        old: None,
    };
    let recipe = Recipe { steps, ..Recipe::default() };
    let teacher = Teacher::embedded(recipe.size)?;
    let (engine, options) = (Arc::new(CpuEngine::on_all_cores()?), TrainOptions::default());
    let mut trainer = Trainer::new(engine, teacher, recipe, data, options, &mut report)?;
    while trainer.steps_done() < steps {
        if go_on().is_break() {
            trainer.save_checkpoint(Path::new("weave.checkpoint"))?;
            println!("cancelled; Trainer::resume goes on from weave.checkpoint");
            return Ok(());
        }
        println!("step {}: {:?}", trainer.steps_done() + 1, trainer.step()?);
    }
    match trainer.finish(&mut report) {
        Ok(model) => model.save(Path::new(&out))?,
        Err(Error::Cancelled) => println!("cancelled"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
