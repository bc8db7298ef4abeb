//! Inspects photos with a model.
//!
//! `cargo run --release -p efficientad --example inspect part.model photo.png…`

use efficientad::Detector;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let detector = Detector::open(arguments.next().ok_or("name a model, then photos")?)?;
    for photo in arguments {
        let inspection =
            detector.inspect(&efficientad_images::load(&photo, &Default::default())?)?;
        let regions = inspection.regions.map_or(0, |regions| regions.count);
        println!("{photo}: {:.4} {:?}, {regions} regions", inspection.score, inspection.anomalous);
    }
    Ok(())
}
