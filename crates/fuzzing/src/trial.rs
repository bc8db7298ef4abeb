//! One file for one parser: what it does, in which time and memory.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use crate::{Target, panics};

/// Counts what is allocated by all threads.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How many times what is stated a parser may take.
const TOLERANCE: usize = 2;

/// Tries files, one at a time: memory and panics are counted for the whole process.
pub struct Trials(());

/// What a parser did with a file.
#[derive(Debug)]
pub struct Trial {
    /// Whether it took the file for sound.
    pub is_taken: bool,
    /// What it should not have done.
    pub finding: Option<Finding>,
    /// Panics of decoders of others that it caught, as it should.
    pub caught: usize,
    /// Bytes that it had at most at a time.
    pub peak: usize,
    /// How long it took.
    pub time: Duration,
}

/// What no parser may do, whatever the file.
#[derive(Debug)]
pub enum Finding {
    /// It panicked, or the project's own code did and was caught.
    Panic(String),
    /// It took more than twice the memory stated.
    Memory {
        /// Bytes taken.
        taken: usize,
        /// Bytes stated.
        stated: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(text) => write!(f, "panic: {text}"),
            Self::Memory { taken, stated } => {
                write!(f, "{taken} bytes of memory, more than {TOLERANCE} times {stated}")
            }
        }
    }
}

impl Trials {
    /// Begins to note panics, which are not printed from here on.
    #[expect(clippy::new_without_default, reason = "it changes the process")]
    pub fn new() -> Self {
        panics::note();
        Self(())
    }

    /// Tries a file.
    pub fn try_file(&mut self, target: &Target, bytes: &[u8]) -> Trial {
        panics::take();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
        let time = start.elapsed();
        let peak = MEMORY.peak_usage().saturating_sub(before);
        let mut panics = panics::take();
        let caught = panics.len();
        panics.retain(|panic| panic.is_own || result.is_err());
        let stated = target.memory.of(bytes.len());
        let finding = if let Some(panic) = panics.pop() {
            Some(Finding::Panic(panic.text))
        } else if peak > stated.saturating_mul(TOLERANCE) {
            Some(Finding::Memory { taken: peak, stated })
        } else {
            None
        };
        Trial { is_taken: result.unwrap_or(false), finding, caught, peak, time }
    }
}
