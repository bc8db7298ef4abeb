//! Why an output can't be.

use std::io;
use std::path::PathBuf;

use efficientad_stream::StreamError;
use thiserror::Error;

/// Why an output can't begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// This program was built without the kind of output.
    #[error(
        "this program has no outputs of kind `{kind}`: build it with the feature `{kind}`, or take \
         another kind"
    )]
    NotBuilt {
        /// The kind, and the feature.
        kind: &'static str,
    },
    /// A field of the configuration can't be what it is.
    #[error("{field}: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A secret can't be read.
    #[error("{}: the secret cannot be read ({source})", path.display())]
    SecretFile {
        /// Its file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A secret is not in the environment.
    #[error("the environment variable {0} is not set, or no text; it is to hold a secret")]
    SecretVariable(String),
    /// A file of certificates can't be used.
    #[error("{}: no certificates can be read from it ({reason}); it is to be in PEM format", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// This machine knows no authorities that certificates could be held against.
    #[error(
        "this machine has no certificates of authorities ({0}): name a file of them, `ca_file`"
    )]
    NoAuthorities(String),
    /// The log of a line can't be read.
    #[error(transparent)]
    Log(#[from] StreamError),
    /// A file of this output can't be read or written.
    #[error("{}: cannot be {action} ({source})", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file that says what was sent is damaged, or another one.
    #[error(
        "{}: does not say what was sent of a log ({reason}); it is left as it is: remove it, and the \
         whole log is sent again",
        path.display()
    )]
    NotAPosition {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that is to be the table holds something else; it is left as it is.
    #[error(
        "{}: this file exists and is not such a table; it is left as it is: name another file",
        .0.display()
    )]
    NotATable(PathBuf),
    /// Two lines of one output have one name.
    #[error("the line {0} is there twice")]
    LineTwice(String),
    /// The operating system gives no thread.
    #[error("no thread can be started ({0})")]
    Thread(#[source] io::Error),
}

impl OutputError {
    pub(crate) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field { field, reason: reason.into() }
    }
}
