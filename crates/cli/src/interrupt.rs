//! Ctrl-C and requests to terminate.

use std::ops::ControlFlow;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};

use crate::output::{INTERRUPTED, note};

/// The signal ends the program at once: there is nothing to save.
const FREE: u8 = 0;
/// The signal waits until work is saved.
const HELD: u8 = 1;
/// The signal came while it had to wait.
const REQUESTED: u8 = 2;

/// Whether the user asked to stop, and whether that may happen at once.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Starts to listen; until [`hold`](Self::hold) a signal ends the program. `notice` is printed
    /// when one has to wait.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen(notice: &'static str) -> Result<Self> {
        let state = Arc::new(AtomicU8::new(FREE));
        let handled = Arc::clone(&state);
        ctrlc::set_handler(move || {
            let waits =
                handled.compare_exchange(HELD, REQUESTED, Ordering::SeqCst, Ordering::SeqCst);
            if waits.is_err() {
                process::exit(INTERRUPTED.into());
            }
            // Below the terminal's echo of Ctrl-C.
            note("");
            note(notice);
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(Self(state))
    }

    /// From now on the first signal only makes [`is_requested`](Self::is_requested) true.
    pub fn hold(&self) {
        self.0.store(HELD, Ordering::SeqCst);
    }

    /// Whether a signal waits.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst) == REQUESTED
    }

    /// What a job is to do: end if a signal waits.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// From now on a signal ends the program at once; whether one was waiting.
    pub fn release(&self) -> bool {
        self.0.swap(FREE, Ordering::SeqCst) == REQUESTED
    }
}
