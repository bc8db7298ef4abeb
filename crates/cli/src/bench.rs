//! `efficientad bench`.

use std::time::Instant;

use anyhow::Result;
use efficientad::benchmark::{inspection, training_step};
use efficientad::engine::Share;
use efficientad::{Error, InspectionEngine, Recipe};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::machine;
use crate::output::{self, Status};

/// What was measured, and how.
#[derive(Serialize)]
struct Timings {
    size: String,
    threads: usize,
    instruction_set: String,
    rounds: u16,
    inspection_ms: f64,
    training_step_ms: f64,
    training_step_without_penalty_ms: f64,
    training_step_by_muon_ms: f64,
}

/// Measures.
pub fn run(args: &BenchArgs) -> Result<Status> {
    let cpu = machine::cpu(&args.cpu)?;
    let step = |recipe, penalty| -> Result<f64, Error> {
        let recipe = Recipe { size: args.size, ..recipe };
        median_ms(args.rounds, &mut training_step(recipe, &*cpu, penalty)?)
    };
    let timings = Timings {
        size: args.size.to_string(),
        threads: cpu.threads().count(),
        instruction_set: cpu.instruction_set().to_string(),
        rounds: args.rounds,
        inspection_ms: median_ms(args.rounds, &mut inspection(args.size, &*cpu, 1, Share::Whole)?)?,
        training_step_ms: step(Recipe::paper(), true)?,
        training_step_without_penalty_ms: step(Recipe::paper(), false)?,
        training_step_by_muon_ms: step(Recipe::default(), true)?,
    };
    if args.json {
        output::print_json(&timings)?;
    } else {
        print(&timings)?;
    }
    Ok(Status::Done)
}

fn print(timings: &Timings) -> Result<()> {
    let Timings { size, threads, instruction_set, rounds, .. } = timings;
    output::print(format_args!(
        "{size} networks, 256×256, {threads} threads, {instruction_set}; medians of {rounds} rounds"
    ))?;
    for (work, ms) in [
        ("inspection (networks and maps)", timings.inspection_ms),
        ("training step", timings.training_step_ms),
        ("training step without penalty", timings.training_step_without_penalty_ms),
        ("training step by Muon", timings.training_step_by_muon_ms),
    ] {
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
