//! How long an inspection takes with a region of interest and without, side by side.
//!
//! `cargo run --release -p efficientad --example region_speed`; photos are noise, and the networks
//! trained for one step: neither changes the work.

use efficientad::{
    CpuEngine, DataDescription, Detector, Error, ImageSource, InstructionSet, Model, Recipe,
    RegionOfInterest, RgbImage, SourceError, Teacher, TrainOptions, Trainer, TrainingData, View,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIDE: u32 = 1024;
const ROUNDS: usize = 15;

struct Noise(u32);

impl ImageSource for Noise {
    fn len(&self) -> usize {
        1
    }
    fn name(&self, _: usize) -> String {
        "noise".to_owned()
    }
    fn load(&self, _: usize) -> Result<RgbImage, SourceError> {
        let mut state = self.0;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        Ok(RgbImage::from_fn(SIDE, SIDE, |_, _| [next(), next(), next()].into()))
    }
}

fn model(
    cpu: &Arc<CpuEngine>,
    view: View,
    region: Option<RegionOfInterest>,
) -> Result<Model, Error> {
    let (train, validation) = (Noise(1), Noise(2));
    let data = TrainingData {
        train: Arc::new(train),
        validation: Arc::new(validation),
        photos: None,
        description: DataDescription {
            fingerprint: String::new(),
            train_images: 1,
            validation_images: 1,
            photos: "none".to_owned(),
            orientation: Default::default(),
            samples: Default::default(),
        },
        old: None,
    };
    let recipe = Recipe { view, region, steps: 1, ..Recipe::default() };
    let (teacher, options) = (Teacher::embedded(recipe.size)?, TrainOptions::default());
    let mut quiet = |_| ControlFlow::Continue(());
    let mut trainer = Trainer::new(cpu.clone(), teacher, recipe, data, options, &mut quiet)?;
    trainer.step()?;
    trainer.finish(&mut quiet)
}

/// A disk that covers half of the photo.
fn disk() -> Result<RegionOfInterest, Box<dyn std::error::Error>> {
    let middle = i64::from(SIDE / 2);
    let radius = i64::from(SIDE) * i64::from(SIDE) * 10 / 63;
    let inside =
        |x: u32, y: u32| (i64::from(x) - middle).pow(2) + (i64::from(y) - middle).pow(2) < radius;
    let pixels = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| inside(x, y)));
    Ok(RegionOfInterest::new(SIDE, SIDE, pixels.collect())?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cpu = Arc::new(CpuEngine::new(1, InstructionSet::best())?);
    let photo = Noise(3).load(0).map_err(|error| error.to_string())?;
    println!("medians of {ROUNDS} rounds in turn, 1 thread, a photo of {SIDE}×{SIDE}, S:");
    for view in [View::Stretch, View::Tiles { size: 256, overlap: 64 }] {
        let detectors = [None, Some(disk()?)].map(|region| {
            model(&cpu, view, region).and_then(|model| Detector::new(&model, cpu.clone()))
        });
        let mut times = [const { Vec::new() }; 2];
        for round in 0..=ROUNDS {
            for (detector, times) in detectors.iter().zip(&mut times) {
                let detector = detector.as_ref().map_err(|error| error.to_string())?;
                let start = Instant::now();
                detector.inspect(&photo)?;
                // The first round makes room.
                if round > 0 {
                    times.push(start.elapsed());
                }
            }
        }
        let [without, with] = times.map(median);
        println!("{view}: {without:.1?} without a region, {with:.1?} with one");
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
