//! `efficientad bench`.

use std::time::Instant;

use anyhow::Result;
use efficientad::benchmark::{inspection, training_step};
use efficientad::engine::Share;
use efficientad::{EngineId, Error, Recipe, TrainingEngine};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::engine;
use crate::output::{self, Status};

/// What was measured, and how.
#[derive(Serialize)]
struct Timings {
    size: String,
    threads: usize,
    engine: EngineId,
    rounds: u16,
    images: u16,
    inspection_ms: f64,
    #[serde(flatten)]
    training: Option<TrainingTimings>,
}

/// Times of engines that train.
#[derive(Serialize)]
struct TrainingTimings {
    training_step_ms: f64,
    training_step_without_penalty_ms: f64,
    training_step_by_muon_ms: f64,
}

/// Measures.
pub fn run(args: &BenchArgs) -> Result<Status> {
    let engine = engine::open(&args.engine)?;
    let timings = Timings {
        size: args.size.to_string(),
        threads: engine.threads().count(),
        engine: engine.id(),
        rounds: args.rounds,
        images: args.images,
        inspection_ms: median_ms(
            args.rounds,
            &mut inspection(args.size, &*engine, args.images.into(), Share::Whole)?,
        )?,
        training: engine::that_trains(&args.engine)?
            .map(|engine| training(args, &*engine))
            .transpose()?,
    };
    if args.json {
        output::print_json(&timings)?;
    } else {
        print(&timings)?;
    }
    Ok(Status::Done)
}

fn training(args: &BenchArgs, engine: &dyn TrainingEngine) -> Result<TrainingTimings> {
    let step = |recipe, penalty| -> Result<f64, Error> {
        let recipe = Recipe { size: args.size, ..recipe };
        median_ms(args.rounds, &mut training_step(recipe, engine, penalty)?)
    };
    Ok(TrainingTimings {
        training_step_ms: step(Recipe::paper(), true)?,
        training_step_without_penalty_ms: step(Recipe::paper(), false)?,
        training_step_by_muon_ms: step(Recipe::default(), true)?,
    })
}

fn print(timings: &Timings) -> Result<()> {
    let Timings { size, threads, engine, rounds, .. } = timings;
    output::print(format_args!(
        "{size} networks, 256×256, {threads} threads, {engine}; medians of {rounds} rounds"
    ))?;
    let inspection = match timings.images {
        1 => "inspection (networks and maps)".to_owned(),
        images => format!("inspection of {images} images"),
    };
    let training = timings.training.iter().flat_map(|training| {
        [
            ("training step", training.training_step_ms),
            ("training step without penalty", training.training_step_without_penalty_ms),
            ("training step by Muon", training.training_step_by_muon_ms),
        ]
    });
    for (work, ms) in [(inspection.as_str(), timings.inspection_ms)].into_iter().chain(training) {
        output::print(format_args!("{work:<31} {ms:>9.1} ms"))?;
    }
    Ok(())
}

/// The median time of a round, after one that warms up.
fn median_ms(rounds: u16, work: &mut dyn FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    work()?;
    let time = |_| {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let mut times = (0..rounds).map(time).collect::<Result<Vec<f64>, Error>>()?;
    Ok(median(&mut times))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(&mut [3.0, 1.0, 9.0, 4.0]), 3.5);
    }

    #[test]
    fn the_first_round_is_not_measured() {
        let mut rounds = 0;
        let mut work = || {
            rounds += 1;
            Ok(())
        };
        median_ms(3, &mut work).unwrap();
        assert_eq!(rounds, 4);
    }
}
