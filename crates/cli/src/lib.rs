//! The `efficientad` program: it reads the command line, puts the libraries to work, and prints. A library, for
//! bindings to other languages to offer the same command line and the same trainings.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | commands, options and their help |
//! | `train`, `pretrain` | options as plans of a job; what is shown of it |
//! | `predict`, `watch`, `station`, `serve`, `eval`, `calibrate`, `info`, `import`, `devices`, `export`, `bench` | one command each |
//! | `interrupt`, `resuming` | Ctrl-C; how to go on from a checkpoint |
//! | `taking`, `progress`, `output`, `remarks`, `wording`, `table` | what is shown, errors by their options, exit codes |
//! | `detector`, `engine`, `devices`, `machine` | the model to judge with; what runs it, on which device; threads, instructions and memory |

mod args;
mod bench;
mod calibrate;
mod detector;
mod devices;
mod engine;
mod eval;
mod export;
mod import;
mod info;
mod interrupt;
mod machine;
mod output;
mod predict;
mod pretrain;
mod progress;
mod remarks;
mod resuming;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "station")]
mod station;
mod table;
mod taking;
mod train;
mod watch;
mod wording;

use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use args::{Cli, Command, TrainArgs};
use clap::Parser;
use efficientad_jobs::TrainPlan;
use output::Status;

pub use detector::remark_on_arithmetic;
pub use engine::named as named_engine;
pub use output::message;
pub use remarks::remark;

/// Exit code when the command could not do its work.
const FAILED: u8 = 2;

/// Runs a command line, whose first word is the program's own name; returns the exit code.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let code = match Cli::try_parse_from(words) {
        Ok(cli) => run(cli.command).map_or_else(|error| failed(&error), Status::code),
        Err(error) => {
            // Help, too, comes as an error; if nobody reads it, there is nothing to do.
            let _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(FAILED)
        }
    };
    // Whoever calls this need not end as a program of Rust does. What was to be said of this was said
    // when a line was printed.
    let _ = io::stdout().flush();
    code
}

fn failed(error: &anyhow::Error) -> u8 {
    if output::is_broken_pipe(error) {
        return Status::Done.code();
    }
    output::complain(error);
    FAILED
}

/// The training that `efficientad train` would do with these options, to report every so often.
///
/// # Errors
/// When there are no such options, they contradict each other, or a file that they name can't be read.
pub fn train_plan(options: &[OsString], report_every: Duration) -> Result<TrainPlan> {
    train::plan_of(train_args(options)?, report_every)
}

fn train_args(options: &[OsString]) -> Result<TrainArgs> {
    let words = ["efficientad", "train"].map(OsString::from);
    let parsed = Cli::try_parse_from(words.iter().chain(options)).map_err(|error| {
        let text = error.to_string();
        let reason = text.split("\n\n").next().unwrap_or_default();
        anyhow::anyhow!("{}", reason.strip_prefix("error: ").unwrap_or(reason).to_owned())
    })?;
    match parsed.command {
        Command::Train(args) => Ok(args),
        _ => anyhow::bail!("these are no options of a training"),
    }
}

fn run(command: Command) -> Result<Status> {
    match command {
        Command::Train(args) => train::run(args),
        Command::TrainParts(args) => train::parts::run(&args),
        Command::Pretrain(args) => pretrain::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Watch(args) => watch::run(args),
        #[cfg(feature = "station")]
        Command::Run(args) => station::run(&args),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Calibrate(args) => calibrate::run(args),
        Command::Info(args) => info::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
