//! `efficientad bench`.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use efficientad::Recipe;
use efficientad::benchmark::{inspection, training_step};
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
    let median = |work: &mut dyn FnMut()| median_ms(args.rounds, work);
    let step = |recipe, penalty| {
        let recipe = Recipe { size: args.size, ..recipe };
        median(&mut training_step(recipe, Arc::clone(&cpu), penalty))
    };
    let timings = Timings {
        size: args.size.to_string(),
        threads: cpu.threads(),
        instruction_set: cpu.instruction_set().to_string(),
        rounds: args.rounds,
        inspection_ms: median(&mut inspection(args.size, Arc::clone(&cpu))),
        training_step_ms: step(Recipe::paper(), true),
        training_step_without_penalty_ms: step(Recipe::paper(), false),
        training_step_by_muon_ms: step(Recipe::default(), true),
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
fn median_ms(rounds: u16, work: &mut dyn FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    median(&mut times)
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
        median_ms(3, &mut || rounds += 1);
        assert_eq!(rounds, 4);
    }
}
