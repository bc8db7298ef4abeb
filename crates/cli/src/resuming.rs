//! Trainings that go on where they were stopped.

use std::env;

use anyhow::{Result, bail};

use crate::output;

/// A training goes on as it began.
///
/// # Errors
/// When an option is given another value: the options' names, what is given and what they were.
pub fn refuse_contradictions(
    options: impl IntoIterator<Item = (&'static str, Option<String>, String)>,
) -> Result<()> {
    for (option, given, begun) in options {
        if let Some(given) = given.filter(|given| *given != begun) {
            bail!(
                "the training to go on with began with {option} {begun}, not {given}; leave \
                 {option} out, or delete the checkpoint to begin anew"
            );
        }
    }
    Ok(())
}

/// The command that goes on where this one was stopped.
pub fn resume_command() -> String {
    let mut words = words();
    if !words.iter().any(|word| word == "--resume") {
        words.push("--resume".to_owned());
    }
    output::shell_command(words)
}

/// This command, to be given again.
pub fn same_command() -> String {
    output::shell_command(words())
}

fn words() -> Vec<String> {
    env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}
