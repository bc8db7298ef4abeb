//! What thresholds at several false-reject rates find and reject on real sets, on average over many splits.
//!
//! All good images that a model was not trained on, its calibration images and the good test images, are one
//! heap. As many as calibrated the model, or as are asked for, are drawn from it, and the threshold that they give is
//! counted on the rest of the heap and on the defective test images, a thousand times; the last column is the threshold
//! without any wish.
//!
//! ```text
//! efficientad eval part.model part --json > part.json
//! cargo run --release -p efficientad --example default_threshold -- part.model part.json …
//! cargo run --release -p efficientad --example default_threshold -- --calibrating 39 part.model part.json …
//! ```

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use efficientad::{Calibration, FalseRejectRate, Model, Threshold};
use serde_json::Value;

const SPLITS: usize = 1000;
const RATES: [f64; 3] = [0.01, 0.02, 0.05];

/// Means over the splits, as shares.
#[derive(Clone, Copy, Default)]
struct Outcome {
    found: f64,
    rejected: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<String> = env::args().skip(1).collect();
    let mut asked = None;
    if files.len() > 1 && files[0] == "--calibrating" {
        asked = Some(files[1].parse::<usize>()?);
        files.drain(..2);
    }
    if files.is_empty() {
        return Err("give pairs of a model and its results".into());
    }
    let mut means = [Outcome::default(); RATES.len() + 1];
    println!(
        "found / rejected in %, mean of {SPLITS} splits, at 1 %, 2 %, 5 %, and without a wish"
    );
    for pair in files.chunks(2) {
        let [model, results] = pair else {
            return Err("give pairs of a model and its results".into());
        };
        let mut set = Set::read(model, results)?;
        if let Some(asked) = asked {
            if asked == 0 || asked >= set.good.len() {
                return Err(
                    format!("{model} has {} good images to draw from", set.good.len()).into()
                );
            }
            set.calibrating = asked;
        }
        let outcomes = set.outcomes()?;
        println!("{model}: {} calibrate{}", set.calibrating, line(&outcomes));
        for (mean, outcome) in means.iter_mut().zip(outcomes) {
            mean.found += outcome.found / (files.len() / 2) as f64;
            mean.rejected += outcome.rejected / (files.len() / 2) as f64;
        }
    }
    println!("mean{}", line(&means));
    Ok(())
}

fn line(outcomes: &[Outcome]) -> String {
    let of = |it: &Outcome| format!(" | {:5.1} / {:4.1}", 100.0 * it.found, 100.0 * it.rejected);
    outcomes.iter().map(of).collect()
}

struct Set {
    calibrating: usize,
    good: Vec<f32>,
    defective: Vec<f32>,
}

impl Set {
    fn read(model: &str, results: &str) -> Result<Self, Box<dyn Error>> {
        let model = Model::open(Path::new(model))?;
        let scores = model.calibration().ok_or("the model was never calibrated")?.scores();
        let mut set =
            Self { calibrating: scores.len(), good: scores.to_vec(), defective: Vec::new() };
        let results: Value = serde_json::from_str(&fs::read_to_string(results)?)?;
        for image in results["images"].as_array().ok_or("no images in the results")? {
            let score = image["score"].as_f64().ok_or("an image without score")? as f32;
            let is_defective = image["defective"].as_bool().ok_or("an image of no kind")?;
            if is_defective { &mut set.defective } else { &mut set.good }.push(score);
        }
        if set.good.len() == set.calibrating || set.defective.is_empty() {
            return Err("good and defective test images are needed".into());
        }
        Ok(set)
    }

    fn outcomes(&self) -> Result<[Outcome; RATES.len() + 1], efficientad::Error> {
        let mut random = fastrand::Rng::with_seed(0);
        let mut outcomes = [Outcome::default(); RATES.len() + 1];
        let mut heap = self.good.clone();
        for _ in 0..SPLITS {
            random.shuffle(&mut heap);
            let (calibrating, others) = heap.split_at(self.calibrating);
            let calibration = Calibration::new(calibrating.to_vec())?;
            for (outcome, threshold) in outcomes.iter_mut().zip(thresholds(&calibration)?) {
                outcome.found += share(&self.defective, &threshold) / SPLITS as f64;
                outcome.rejected += share(others, &threshold) / SPLITS as f64;
            }
        }
        Ok(outcomes)
    }
}

fn thresholds(calibration: &Calibration) -> Result<Vec<Threshold>, efficientad::Error> {
    let rates = RATES.into_iter().filter_map(FalseRejectRate::new);
    let wished = rates.map(|rate| calibration.threshold(rate));
    wished.chain([calibration.usual_threshold()]).collect()
}

fn share(scores: &[f32], threshold: &Threshold) -> f64 {
    let reach = scores.iter().filter(|&&score| score >= threshold.value).count();
    reach as f64 / scores.len() as f64
}
