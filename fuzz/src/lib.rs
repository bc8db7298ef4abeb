//! The targets of `efficientad-fuzzing` as libFuzzer calls them.

use std::process;
use std::sync::{LazyLock, Mutex, PoisonError};

use efficientad_fuzzing::{Target, Trials, target};

/// A program that tries files on the parser of a name.
#[macro_export]
macro_rules! parser {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::try_file($name, bytes));
        libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, max: usize, _seed: u32| {
            let size = libfuzzer_sys::fuzzer_mutate(bytes, size, max);
            $crate::repaired($name, bytes, size)
        });
    };
}

static TRIALS: LazyLock<Mutex<Trials>> = LazyLock::new(|| Mutex::new(Trials::new()));

/// Tries a file; ends the process, as libFuzzer expects it, when it is a finding.
pub fn try_file(name: &str, bytes: &[u8]) {
    let mut trials = TRIALS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(finding) = trials.try_file(known(name), bytes).finding {
        eprintln!("{name}: {finding}");
        process::abort();
    }
}

/// Makes a changed file's checksums right; its size.
pub fn repaired(name: &str, bytes: &mut [u8], size: usize) -> usize {
    (known(name).repair)(&mut bytes[..size]);
    size
}

fn known(name: &str) -> &'static Target {
    target(name).unwrap_or_else(|| panic!("there is no parser {name}"))
}
