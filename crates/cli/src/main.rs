//! The `efficientad` program: it reads the command line, puts the libraries to work, and prints.
//!
//! | module | what it does |
//! |---|---|
//! | `args` | commands, options and their help |
//! | `train`, `pretrain` | options as plans of a job; what is shown of it |
//! | `predict`, `watch`, `serve`, `eval`, `calibrate`, `info`, `import`, `export`, `bench` | one command each |
//! | `interrupt`, `resuming` | Ctrl-C; how to go on from a checkpoint |
//! | `taking`, `progress`, `output`, `remarks`, `wording`, `table` | what is shown, errors by their options, exit codes |
//! | `detector`, `engine`, `machine` | the model to judge with; what runs it; threads, instructions and memory |

mod args;
mod bench;
mod calibrate;
mod detector;
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
mod table;
mod taking;
mod train;
mod watch;
mod wording;

use std::process::ExitCode;

use anyhow::Result;
use args::{Cli, Command};
use clap::Parser;
use output::Status;

/// Exit code when the command could not do its work.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => status.code(),
        Err(error) if output::is_broken_pipe(&error) => Status::Done.code(),
        Err(error) => {
            output::complain(&error);
            ExitCode::from(FAILED)
        }
    }
}

fn run(command: Command) -> Result<Status> {
    match command {
        Command::Train(args) => train::run(args),
        Command::Pretrain(args) => pretrain::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Watch(args) => watch::run(args),
        #[cfg(feature = "server")]
        Command::Serve(args) => serve::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Calibrate(args) => calibrate::run(args),
        Command::Info(args) => info::run(&args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
