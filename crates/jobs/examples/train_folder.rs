//! Trains a model on a folder of photos of good parts. Enter stops it; the same command goes on.
//!
//! ```text
//! cargo run --release -p efficientad-jobs --example train_folder -- PHOTOS part.model
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, available_parallelism};
use std::{env, io};

use efficientad::{CpuEngine, InstructionSet, Recipe};
use efficientad_jobs::{DataPaths, Event, Start, TrainOutcome, TrainPlan, checkpoint_of, train};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args_os().skip(1).map(PathBuf::from);
    let (Some(photos), Some(out)) = (words.next(), words.next()) else {
        return Err("give a folder of photos, and the model's file".into());
    };
    let start = if checkpoint_of(&out).exists() {
        Start::resume(&out, None)?
    } else {
        Start::new(Recipe::fast())?
    };
    let threads = available_parallelism()?.get();
    let cpu = Arc::new(CpuEngine::new(threads, InstructionSet::best())?);
    let plan = TrainPlan::new(DataPaths::new(photos), out, start, cpu);
    let stop = stop_at_enter();
    let outcome = train(plan, &mut |event| {
        show(&event);
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    match outcome {
        TrainOutcome::Stopped(stopped) => println!("stopped after step {}", stopped.step),
        TrainOutcome::Done(trained) => {
            println!("{}", trained.path.display());
            trained.model.info().threshold.iter().for_each(|it| println!("threshold {it}"));
        }
    }
    Ok(())
}

/// Becomes true once a line is typed.
fn stop_at_enter() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let typed = Arc::clone(&stop);
    thread::spawn(move || {
        let read = io::stdin().read_line(&mut String::new());
        typed.store(read.is_ok_and(|bytes| bytes > 0), Ordering::Relaxed);
    });
    stop
}

fn show(event: &Event<'_>) {
    match event {
        Event::DataOpened(data) => {
            println!(
                "{} photos to learn from, {} held back",
                data.train_images, data.validation_images
            );
        }
        Event::Skipped { reason, .. } => println!("skipped: {reason}"),
        Event::Step(report) => println!(
            "step {} of {}, {:.0} s left: {}",
            report.step, report.steps, report.seconds_left, report.losses
        ),
        Event::CheckpointFailed { reason, .. } => println!("no checkpoint: {reason}"),
        Event::StepsDone { .. } => println!("calibrating"),
        _ => {}
    }
}
