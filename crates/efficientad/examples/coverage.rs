//! Whether thresholds keep their promise on real scores, simulated many times.
//!
//! Reads scores of good images that a model was not trained on, as `efficientad predict --json`
//! prints them, and repeats two experiments, calibrating by the program's own code:
//!
//! - *Population*: the images stand for the whole production; a calibration draws from them with
//!   replacement, and its threshold's true false-reject rate is counted over all of them. The share
//!   of calibrations above the wished rate must be 5 % at most.
//! - *Splits*: some images calibrate, the others are the line. The others' rate is above the wish
//!   more often than in 5 % of splits, because it is counted on few; theory says how often, if all
//!   orders of the scores are equally probable, and is printed beside.
//!
//! ```text
//! efficientad predict part.model good --json > good.jsonl
//! cargo run --release -p efficientad --example coverage -- good.jsonl
//! ```

use std::env;
use std::error::Error;
use std::fs;

use efficientad::{Basis, Calibration, FalseRejectRate, Threshold};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;

const TRIALS: usize = 10_000;
const RATES: [f64; 4] = [0.01, 0.02, 0.05, 0.1];

fn main() -> Result<(), Box<dyn Error>> {
    let mut scores = Vec::new();
    for path in env::args().skip(1) {
        for line in fs::read_to_string(&path)?.lines() {
            let line: Value = serde_json::from_str(line)?;
            let score = line["score"].as_f64().ok_or_else(|| format!("{path}: no score"))?;
            scores.push(score as f32);
        }
    }
    if scores.len() < 2 {
        return Err("give files of `efficientad predict --json` with two scores at least".into());
    }
    println!("{} good images, {TRIALS} calibrations each", scores.len());
    let population = scores.len();
    let sizes = [population / 2, population, 300, 1000];
    println!("\npopulation: calibrations with replacement; above the wish: 5 % at most");
    for (rate, size) in RATES.into_iter().flat_map(|rate| sizes.map(|size| (rate, size))) {
        report(&scores, rate, size, draw_from_population);
    }
    println!("\nsplits: the images that do not calibrate are the line");
    let sizes = [population / 4, population / 2, 3 * population / 4];
    for (rate, size) in RATES.into_iter().flat_map(|rate| sizes.map(|size| (rate, size))) {
        let threshold = report(&scores, rate, size, split);
        if let Some(threshold) = threshold {
            let theory = share_of_splits_above(threshold.above, size, population - size, rate);
            println!("       {:50} in theory {:5.2} %", "", 100.0 * theory);
        }
    }
    Ok(())
}

/// Images that calibrate, and images that the rate is counted on.
type Draw = fn(&mut ChaCha8Rng, &[f32], usize) -> (Vec<f32>, Vec<f32>);

fn draw_from_population(
    random: &mut ChaCha8Rng,
    scores: &[f32],
    size: usize,
) -> (Vec<f32>, Vec<f32>) {
    let drawn = (0..size).map(|_| scores[below(random, scores.len())]).collect();
    (drawn, scores.to_vec())
}

fn split(random: &mut ChaCha8Rng, scores: &[f32], size: usize) -> (Vec<f32>, Vec<f32>) {
    let mut calibrating = scores.to_vec();
    for place in 0..size {
        let other = place + below(random, scores.len() - place);
        calibrating.swap(place, other);
    }
    let line = calibrating.split_off(size);
    (calibrating, line)
}

fn below(random: &mut ChaCha8Rng, limit: usize) -> usize {
    ((u128::from(random.next_u64()) * limit as u128) >> 64) as usize
}

/// Simulates and prints one line; the last threshold, if it promised the rate.
fn report(scores: &[f32], rate: f64, size: usize, draw: Draw) -> Option<Threshold> {
    let wish = FalseRejectRate::new(rate)?;
    let mut random = ChaCha8Rng::seed_from_u64(size as u64);
    let (mut above, mut sum, mut last) = (0, 0.0, None);
    for _ in 0..TRIALS {
        let (calibrating, line) = draw(&mut random, scores, size);
        let threshold = Calibration::new(calibrating).ok()?.threshold(wish).ok()?;
        if threshold.basis != Basis::DistributionFree {
            println!("{wish:>6} from {size:4}: too few to promise it");
            return None;
        }
        let rejected = line.iter().filter(|&&score| score >= threshold.value).count();
        let realised = rejected as f64 / line.len() as f64;
        above += usize::from(realised > rate);
        sum += realised;
        last = Some(threshold);
    }
    let threshold = last?;
    println!(
        "{wish:>6} from {size:4}: rejected {:6.3} % on average (stated: at most {:6.3} %); above \
         the wish {:5.2} %",
        100.0 * sum / TRIALS as f64,
        100.0 * threshold.expected.unwrap_or(1.0),
        100.0 * above as f64 / TRIALS as f64,
    );
    Some(threshold)
}

/// How often more than `rate` of `line` images lie above all but `above` of `size` others, if all
/// orders are equally probable.
///
/// Going down from the highest image, the number of the line's images before calibration image
/// number `above + 1` has a negative hypergeometric distribution.
fn share_of_splits_above(above: usize, size: usize, line: usize, rate: f64) -> f64 {
    let most = (rate * line as f64 + 1e-9).floor() as usize;
    let log_choose = |n: usize, k: usize| -> f64 {
        (0..k).map(|i| ((n - i) as f64 / (k - i) as f64).ln()).sum()
    };
    let total = log_choose(size + line, line);
    let kept: f64 = (0..=most)
        .map(|rejected| {
            let before = log_choose(rejected + above, rejected);
            let after = log_choose(size + line - rejected - above - 1, line - rejected);
            (before + after - total).exp()
        })
        .sum();
    1.0 - kept
}
