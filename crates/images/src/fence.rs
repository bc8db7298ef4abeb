//! A decoder's panic as an error: one damaged file must not end a run over thousands.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is within [`fenced`], where a panic is no news for the user.
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// What `decoder` returns; `None` if it panics, of which nothing is printed.
///
/// The first call puts a hook in front of the process's panic hook, once and for good, which keeps
/// quiet for a thread in here and passes on all else: so threads never exchange hooks under each
/// other. A program that sets a hook of its own later sees such panics, too; they are caught still.
pub(crate) fn fenced<T>(decoder: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    // The hook can't be exchanged by a thread that panics, which may decode while it unwinds.
    if !std::thread::panicking() {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                if !FENCED.try_with(Cell::get).unwrap_or(false) {
                    before(panic);
                }
            }));
        });
    }
    let outer = FENCED.replace(true);
    // Nothing outlives a panic: the decoder borrows bytes that it can't change.
    let result = panic::catch_unwind(AssertUnwindSafe(decoder));
    FENCED.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_the_fence_is_left_as_it_was() {
        assert_eq!(fenced(|| 7), Some(7));
        let inner = || {
            assert_eq!(fenced(|| -> u8 { panic!("of the inner decoder") }), None);
            assert!(FENCED.get());
            [1, 2].get(5).copied().expect("of the outer decoder")
        };
        assert_eq!(fenced(inner), None);
        assert!(!FENCED.get());
    }

    /// Runs this test in a process of its own, whose error output shows what panics print.
    #[test]
    fn only_what_is_outside_the_fence_is_printed() {
        const CHILD: &str = "EFFICIENTAD_TEST_OF_THE_FENCE";
        if std::env::var_os(CHILD).is_some() {
            let others = std::thread::spawn(|| panic!("outside of it"));
            for _ in 0..50 {
                assert_eq!(fenced(|| -> u8 { panic!("inside of it") }), None);
            }
            assert!(others.join().is_err());
            assert!(std::thread::spawn(|| panic!("after it")).join().is_err());
            return;
        }
        let name = "fence::tests::only_what_is_outside_the_fence_is_printed";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains("outside of it") && printed.contains("after it"), "{printed}");
        assert!(!printed.contains("inside of it"), "{printed}");
    }
}
