//! CPU time of one image, by images a call: what a batch gains by reading the weights once.
//!
//! `cargo run --release -p efficientad --example batch_speed`; networks are random, images noise:
//! neither changes the work.

use efficientad::benchmark::inspection;
use efficientad::engine::Share;
use efficientad::{CpuEngine, PdnSize};
use std::error::Error;
use std::time::Instant;

const ROUNDS: usize = 7;
const BATCHES: [usize; 4] = [1, 2, 4, 8];

fn main() -> Result<(), Box<dyn Error>> {
    let engine = CpuEngine::on_all_cores()?;
    for size in [PdnSize::Small, PdnSize::Medium] {
        let mut calls = Vec::new();
        for images in BATCHES {
            calls.push(inspection(size, &engine, images, Share::OneThread)?);
        }
        let mut times = vec![Vec::new(); BATCHES.len()];
        for round in 0..=ROUNDS {
            for ((call, times), images) in calls.iter_mut().zip(&mut times).zip(BATCHES) {
                let start = Instant::now();
                call()?;
                // The first round makes room.
                if round > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3 / images as f64);
                }
            }
        }
        for (images, times) in BATCHES.iter().zip(&mut times) {
            times.sort_unstable_by(f64::total_cmp);
            let (least, median) = (times[0], times[ROUNDS / 2]);
            println!("{size}: {images} images a call: {median:.1} ms an image, least {least:.1}");
        }
    }
    Ok(())
}
