//! Loading for the next step while this one computes.

use std::panic::resume_unwind;
use std::thread;

/// Runs `work`, and `load` meanwhile on a thread of its own, if there is anything to load.
pub(super) fn while_loading<T: Send, R>(
    load: Option<impl FnOnce() -> T + Send>,
    work: impl FnOnce() -> R,
) -> (R, Option<T>) {
    thread::scope(|scope| {
        let loading = load.map(|load| scope.spawn(load));
        let result = work();
        let loaded =
            loading.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (result, loaded)
    })
}
