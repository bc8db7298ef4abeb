//! Judges frames in memory from several threads: one model, its weights in memory once.
//!
//! `cargo run --release -p efficientad --example frames part.model`

use efficientad::{Detector, RgbImage};
use std::error::Error;
use std::thread;

/// A stand-in for a camera: grey, with a bright spot that moves.
fn frame(camera: u32, number: u32) -> RgbImage {
    RgbImage::from_fn(640, 480, |x, y| {
        let near = x.abs_diff(40 * number) < 12 && y.abs_diff(100 * camera) < 12;
        [if near { 250 } else { 120 }; 3].into()
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let model = std::env::args().nth(1).ok_or("name a model")?;
    let detector = Detector::open(model)?;
    thread::scope(|scope| {
        for camera in 0..4 {
            // Clones share everything.
            let detector = detector.clone();
            scope.spawn(move || {
                for number in 0..5 {
                    match detector.inspect(&frame(camera, number)) {
                        Ok(found) => println!("camera {camera}, frame {number}: {}", found.score),
                        Err(error) => eprintln!("camera {camera}, frame {number}: {error}"),
                    }
                }
            });
        }
    });
    // Frames that have piled up are judged faster together; each result is the same, bit for bit.
    let frames: Vec<RgbImage> = (0..8).map(|number| frame(0, number)).collect();
    for result in detector.inspect_batch(&frames.iter().collect::<Vec<_>>()) {
        println!("{}", result?.score);
    }
    Ok(())
}
