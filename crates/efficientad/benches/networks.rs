//! Times inspection and training steps on this machine.
//!
//! `cargo bench -p efficientad -- [THREADS]`: medians of interleaved rounds.

use efficientad::{Cpu, InstructionSet, PdnSize, benchmark};
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 7;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let threads = args.next().map_or(1, |arg| arg.parse().expect("a number of threads"));
    let cpu = || Arc::new(Cpu::new(threads, InstructionSet::best()).expect("a usable CPU"));
    for size in [PdnSize::Small, PdnSize::Medium] {
        let mut work: Vec<(&str, Box<dyn FnMut()>)> = vec![
            ("inspection", Box::new(benchmark::inspection(size, cpu()))),
            ("training step", Box::new(benchmark::training_step(size, cpu(), true))),
            ("without penalty", Box::new(benchmark::training_step(size, cpu(), false))),
        ];
        let mut times = vec![Vec::new(); work.len()];
        for round in 0..=ROUNDS {
            for ((_, work), times) in work.iter_mut().zip(&mut times) {
                let start = Instant::now();
                work();
                if round > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        for ((name, _), mut times) in work.into_iter().zip(times) {
            times.sort_by(f64::total_cmp);
            let (median, least) = (times[ROUNDS / 2], times[0]);
            println!("{size} {name}: {median:.0} ms (least {least:.0}), {threads} thread(s)");
        }
    }
}
