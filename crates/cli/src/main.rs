//! The program `efficientad`; what it does is in the library beside this file.

use std::process::ExitCode;

fn main() -> ExitCode {
    efficientad_cli::main(std::env::args_os()).into()
}
