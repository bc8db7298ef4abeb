//! What the program says, and how it ends.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anyhow::Result;
use serde::Serialize;

use crate::wording::in_words;

/// How a command ended that did what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is done.
    Done,
    /// All that could be done is done: some inputs failed.
    SomeFailed,
    /// Stopped by the user, to be continued.
    Interrupted,
}

impl Status {
    /// [`Status::SomeFailed`] if there is a failure.
    pub fn from_failures(failures: usize) -> Self {
        if failures == 0 { Self::Done } else { Self::SomeFailed }
    }

    /// The exit code, as `efficientad --help` tells it.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

/// Exit code when the program was stopped by Ctrl-C: 128 plus the number of the signal SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Prints a line for people on the standard output, as [`printable`] text.
///
/// # Errors
/// As [`print_data`].
pub fn print(line: impl Display) -> Result<()> {
    print_data(printable(&line.to_string()))
}

/// Prints a line for programs on the standard output, as it is.
///
/// # Errors
/// When that is closed: a broken pipe, which [`is_broken_pipe`] recognises.
pub fn print_data(line: impl Display) -> Result<()> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// As [`print_data`].
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print_data(json_line(value)?)
}

/// A value as one line of JSON; characters that would control a terminal are all escaped.
///
/// # Errors
/// When the value has no JSON form.
fn json_line(value: &impl Serialize) -> Result<String> {
    let line = serde_json::to_string(value)?;
    if !line.contains(char::is_control) {
        return Ok(line);
    }
    // They can only stand in strings, and those below U+0020 are escaped already.
    let escaped = |c: char| if c.is_control() { format!("\\u{:04x}", c as u32) } else { c.into() };
    Ok(line.chars().map(escaped).collect())
}

/// Prints a line on the error output, as [`printable`] text; if that is closed there is nobody to tell.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(&line.to_string()));
}

/// Prints an error, with its context.
pub fn complain(error: &anyhow::Error) {
    // Line breaks from outside are escaped by now.
    format!("efficientad: {}", message(error)).lines().for_each(note);
}

/// An error and its causes in words of the command line, without those that are quoted in the text before them.
pub fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(in_words) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Whether the reader of the standard output went away, as `head` does.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_errors = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io_errors.into_iter().any(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// A line with text from outside in it, such as a file's name, without characters that would control a
/// terminal, begin another line or show text in another order than it has.
pub fn printable(text: &str) -> String {
    let misleads =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = |c: char| if misleads(c) { c.escape_unicode().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

/// A command line as one can type it again.
pub fn shell_command(words: impl IntoIterator<Item = String>) -> String {
    let quoted = words.into_iter().map(|word| {
        let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else if printable(&word) != word {
            let escaped = |byte: u8| match byte {
                b'\'' | b'\\' => format!("\\{}", byte as char),
                b' '..=b'~' => (byte as char).to_string(),
                _ => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", word.bytes().map(escaped).collect::<String>())
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_is_told_once() {
        let inner = io::Error::new(ErrorKind::StorageFull, "disk full");
        let quoting = anyhow::Error::from(inner).context("part.model: disk full; make room");
        assert_eq!(message(&quoting.context("saving")), "saving: part.model: disk full; make room");
    }

    #[test]
    fn a_broken_pipe_is_found_below_its_context() {
        let broken = Err::<(), _>(io::Error::from(ErrorKind::BrokenPipe)).context("printing");
        assert!(is_broken_pipe(&broken.unwrap_err()));
        assert!(!is_broken_pipe(&anyhow!("something else")));
    }

    #[test]
    fn names_do_not_control_the_terminal() {
        assert_eq!(printable("Teil 5/größe.png"), "Teil 5/größe.png");
        assert_eq!(printable("\u{1b}[2J\n.png"), "\\u{1b}[2J\\u{a}.png");
        assert_eq!(printable("\u{202e}gnp.exe"), "\\u{202e}gnp.exe");
    }

    #[test]
    fn names_in_json_do_not_control_the_terminal_either() {
        let name = "\u{1b}[2J\u{7f}\u{9b}2J größe";
        let line = json_line(&name).unwrap();
        assert_eq!(line, r#""\u001b[2J\u007f\u009b2J größe""#);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), name);
    }

    #[test]
    fn words_with_blanks_are_quoted() {
        let words = ["efficientad", "train", "my parts", "--out", "it's", ""];
        let expected = r"efficientad train 'my parts' --out 'it'\''s' ''";
        assert_eq!(shell_command(words.map(str::to_owned)), expected);
        let word = "\u{1b}[2J it's \\ ü".to_owned();
        assert_eq!(shell_command([word]), r"$'\x1b[2J it\'s \\ \xc3\xbc'");
    }
}
