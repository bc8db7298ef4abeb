//! Numbered work on several threads.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// How far an activity has come; breaking ends it early.
pub type Progress<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Calls `work(0)` … `work(total - 1)` on `threads` threads, which take the numbers in order, and
/// `progress` after each with how many are done. Once that breaks, no further number is taken, but
/// what has been taken is finished. The results come sorted by number: those of 0 up to the last
/// number taken.
pub fn each<R: Send>(
    threads: usize,
    total: usize,
    progress: &mut Progress<'_>,
    work: impl Fn(usize) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = Vec::new();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads.min(total) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total || sender.send((number, work(number))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for result in receiver {
            results.push(result);
            if progress(results.len(), total).is_break() {
                next.fetch_max(total, Ordering::Relaxed);
            }
        }
    });
    results.sort_by_key(|&(number, _)| number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_and_whole_up_to_a_break() {
        let mut all = |_, _| ControlFlow::Continue(());
        assert_eq!(each(3, 100, &mut all, |n| n * n), (0..100).map(|n| n * n).collect::<Vec<_>>());
        let mut ten =
            |done, _| if done >= 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        // So many that it ends by the break alone.
        let some = each(3, 1 << 40, &mut ten, |n| n);
        assert!(some.len() >= 10);
        assert_eq!(some, (0..some.len()).collect::<Vec<_>>());
        assert!(each(3, 0, &mut ten, |n| n).is_empty());
    }
}
