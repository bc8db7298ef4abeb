//! Panics, also those that a parser catches itself: in a decoder of others they are foreseen, in the
//! project's own code they are findings.

use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

static NOTED: Mutex<Vec<Panic>> = Mutex::new(Vec::new());

/// A panic, caught or not.
pub(crate) struct Panic {
    /// Where, and what it says.
    pub text: String,
    /// Whether it is the project's own code that panicked.
    pub is_own: bool,
}

/// Notes all further panics instead of printing them.
pub(crate) fn note() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // The first call of the decoders sets a hook, too, which would hide what it catches.
        let _ = efficientad_images::decode(b"none", "none", &Default::default());
        panic::set_hook(Box::new(|panic| lock().push(Panic::of(panic))));
    });
}

/// The panics since the last call.
pub(crate) fn take() -> Vec<Panic> {
    std::mem::take(&mut *lock())
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Panic>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Panic {
    fn of(panic: &PanicHookInfo<'_>) -> Self {
        let file = panic.location().map_or("", |location| location.file());
        Self { text: panic.to_string().replace('\n', " "), is_own: is_own(file) }
    }
}

/// Whether a source file is one of this project's.
fn is_own(file: &str) -> bool {
    Path::new(file).components().any(|part| part.as_os_str() == "crates")
}
