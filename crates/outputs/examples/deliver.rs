//! Delivers what `efficientad watch` logs, and tells what happens, until it is killed:
//!
//! ```text
//! cargo run --release -p efficientad-outputs --example deliver -- output.toml log.jsonl
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, thread};

use efficientad_outputs::{FailSafe, LineLog, OutputConfig, Publisher};
use efficientad_stream::Wake;
use jiff::Timestamp;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(config), Some(log)) = (arguments.next(), arguments.next()) else {
        return Err("name the configuration of an output, and a log".into());
    };
    let mut output: OutputConfig = toml::from_str(&fs::read_to_string(&config)?)?;
    output.resolve(config.parent().unwrap_or(&PathBuf::new()));
    let line = LineLog {
        station: "station".to_owned(),
        line: "line".to_owned(),
        log,
        budget: None,
        fail_safe: FailSafe::Reject,
        trigger: None,
        running_since: Timestamp::UNIX_EPOCH,
        fault: efficientad_stream::Fault::default(),
    };
    let tell = Arc::new(|event| println!("{event:?}"));
    let state = PathBuf::from("state");
    let _output = Publisher::start("output", &output, &state, vec![line], Wake::default(), tell)?;
    loop {
        thread::sleep(Duration::from_secs(3_600));
    }
}
