//! Programs of others that tests run, and what tests do where a tool or data set is not at hand: they say
//! SKIPPED, past the captured output, or fail where all of them must be there.

mod broker;
mod disk;
mod gige;
mod programs;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use broker::{Broker, Subscriber};
pub use disk::Disk;
pub use gige::GigeCamera;
pub use programs::{LONG, Process, free_port, program, wait_until};

/// With this environment variable at 1, as in CI, a test that can't run has failed.
pub const REQUIRE_TOOLS: &str = "EFFICIENTAD_REQUIRE_TOOLS";

/// Says that a test does not run for want of a tool.
///
/// # Panics
/// When [`REQUIRE_TOOLS`] is 1.
pub fn skipped(reason: &str) {
    say(reason);
    let required = env::var_os(REQUIRE_TOOLS).is_some_and(|value| value == "1");
    assert!(!required, "{REQUIRE_TOOLS} is set, but {reason}");
}

/// Says that a test does not run on this machine, which no installation changes.
pub fn not_here(reason: &str) {
    say(reason);
}

fn say(reason: &str) {
    // A test's own output is shown only if it fails.
    let _ = writeln!(io::stderr(), "SKIPPED: {reason}");
}

/// A file or folder of the development data, which lie in `shared` beside the repository; `None` with a
/// notice where they are not at hand.
///
/// # Panics
/// When [`REQUIRE_TOOLS`] is 1 and there are development data, but not these.
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    let reason = format!("shared/{name} is not there");
    if folder.exists() {
        skipped(&reason)
    } else {
        not_here(&reason)
    }
    None
}
