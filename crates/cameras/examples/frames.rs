//! Says what comes from a camera, without judging it:
//!
//! ```sh
//! cargo run --release -p efficientad-cameras --features genicam --example frames -- camera.toml 60
//! ```
//!
//! `camera.toml` holds the camera's table alone (`kind = "genicam"`, ...); the number is how many
//! seconds it looks.

use std::error::Error;
use std::time::{Duration, Instant};

use efficientad_cameras::CameraConfig;
use efficientad_stream::{Known, Supply, Trigger};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(seconds)) = (arguments.next(), arguments.next()) else {
        return Err("give a file with the camera's table, and a number of seconds".into());
    };
    let config: CameraConfig = toml::from_str(&std::fs::read_to_string(file)?)?;
    let mut camera = config.open("camera", Trigger::default())?;
    let until = Instant::now() + Duration::from_secs(seconds.parse()?);
    while Instant::now() < until {
        match camera.next(&Known::default())? {
            Supply::Photo(arrival, _) => {
                println!("{}: {} bytes", arrival.photo.path, arrival.photo.bytes);
            }
            Supply::Lost(_, reason) => println!("unreadable: {reason}"),
            Supply::Notice(notice) => println!("{notice:?}"),
            Supply::End => break,
            _ => {
                camera.wait(Duration::from_millis(100));
            }
        }
    }
    Ok(())
}
