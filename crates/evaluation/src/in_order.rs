//! Tasks in, results out, in the same order, by several threads.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long one that had no task is left alone while tasks are in work.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Gives tasks and takes their results, in the caller's thread.
pub trait Ordered {
    /// What a worker needs.
    type Task: Send;
    /// What it makes of it.
    type Output: Send;
    /// Why the work ends early.
    type Error;

    /// The next task, or `None` if there is none now. It is asked again as long as tasks are in
    /// work.
    fn next_task(&mut self) -> Result<Option<Self::Task>, Self::Error>;

    /// Takes the result of the earliest task that had none.
    fn record(&mut self, output: Self::Output) -> Result<(), Self::Error>;
}

/// Does tasks on `workers` threads (0 is taken as 1) until there is no task and none is in work.
///
/// At most `2 · workers` tasks are given out whose results are not recorded: so many at once are
/// worked on, waiting for a worker, or done and waiting for an earlier one. A panic of `work` goes
/// on in the caller's thread when it is that task's turn.
///
/// # Errors
/// The first error that `line` returns: tasks that no worker has begun are then left undone.
pub fn in_order<L: Ordered>(
    workers: usize,
    line: &mut L,
    work: impl Fn(L::Task) -> L::Output + Sync,
) -> Result<(), L::Error> {
    let (tasks, queue) = channel();
    let (done, results) = channel();
    let crew = Crew { queue: Mutex::new(queue), is_over: AtomicBool::new(false), work };
    thread::scope(|scope| {
        let mut window = Window { tasks, results, finished: BTreeMap::new(), given: 0, taken: 0 };
        // Dropped before the scope waits for the workers, whatever ends this: an error or a panic.
        let _over = OnDrop(&crew.is_over);
        let (workers, mut hired) = (workers.max(1), 0);
        loop {
            let is_full = loop {
                if window.outstanding() == 2 * workers {
                    break true;
                }
                let Some(task) = line.next_task()? else { break false };
                if hired < workers && window.outstanding() >= hired {
                    let (crew, done) = (&crew, done.clone());
                    let hire = move || crew.run(&done);
                    match thread::Builder::new().spawn_scoped(scope, hire) {
                        Ok(_) => hired += 1,
                        Err(_) if hired > 0 => {}
                        Err(_) => {
                            // No thread is to be had: the caller's does the work.
                            window.finish_at_once((crew.work)(task));
                            continue;
                        }
                    }
                }
                window.give(task);
            };
            if let Some(output) = window.next_finished() {
                line.record(output)?;
            } else if window.outstanding() == 0 {
                return Ok(());
            } else {
                window.wait((!is_full).then_some(POLL_INTERVAL));
            }
        }
    })
}

/// What a task came to: its result, or what `work` panicked with.
type Finished<R> = (u64, thread::Result<R>);

/// The tasks between being given out and being recorded.
struct Window<T, R> {
    tasks: Sender<(u64, T)>,
    results: Receiver<Finished<R>>,
    /// Those that are done before an earlier one is.
    finished: BTreeMap<u64, thread::Result<R>>,
    given: u64,
    taken: u64,
}

impl<T, R> Window<T, R> {
    fn outstanding(&self) -> usize {
        (self.given - self.taken) as usize
    }

    fn give(&mut self, task: T) {
        // The queue lives as long as this.
        let _ = self.tasks.send((self.given, task));
        self.given += 1;
    }

    fn finish_at_once(&mut self, output: R) {
        self.finished.insert(self.given, Ok(output));
        self.given += 1;
    }

    /// The result of the earliest task, if it is there.
    fn next_finished(&mut self) -> Option<R> {
        self.finished.extend(self.results.try_iter());
        let output = self.finished.remove(&self.taken)?;
        self.taken += 1;
        Some(output.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Waits for a result, no longer than `limit` if there is one.
    fn wait(&mut self, limit: Option<Duration>) {
        let result = match limit {
            Some(limit) => self.results.recv_timeout(limit),
            None => self.results.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        self.finished.extend(result);
    }
}

/// What the workers share.
struct Crew<T, F> {
    queue: Mutex<Receiver<(u64, T)>>,
    is_over: AtomicBool,
    work: F,
}

impl<T, R, F: Fn(T) -> R> Crew<T, F> {
    /// A worker's life: until no task comes any more.
    fn run(&self, done: &Sender<Finished<R>>) {
        loop {
            let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((number, task)) = next else { return };
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let output = catch_unwind(AssertUnwindSafe(|| (self.work)(task)));
            if done.send((number, output)).is_err() {
                return;
            }
        }
    }
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Numbers from 0, whose results must come back in order.
    #[derive(Default)]
    struct Count {
        given: usize,
        end: usize,
        results: Vec<usize>,
        stop_at: Option<usize>,
        largest_window: usize,
    }

    impl Ordered for Count {
        type Task = usize;
        type Output = usize;
        type Error = &'static str;

        fn next_task(&mut self) -> Result<Option<usize>, &'static str> {
            if self.given == self.end {
                return Ok(None);
            }
            self.given += 1;
            self.largest_window = self.largest_window.max(self.given - self.results.len());
            Ok(Some(self.given - 1))
        }

        fn record(&mut self, output: usize) -> Result<(), &'static str> {
            if self.stop_at == Some(output) {
                return Err("enough");
            }
            self.results.push(output);
            Ok(())
        }
    }

    fn count(end: usize) -> Count {
        Count { end, ..Count::default() }
    }

    /// Later tasks are done sooner.
    fn slowly(task: usize) -> usize {
        thread::sleep(Duration::from_millis(5 - task as u64 % 5));
        task
    }

    #[test]
    fn results_come_in_order_and_the_window_is_bounded() {
        for workers in [0, 1, 3, 8] {
            let mut line = count(40);
            in_order(workers, &mut line, slowly).unwrap();
            assert_eq!(line.results, (0..40).collect::<Vec<_>>());
            assert_eq!(line.largest_window, 2 * workers.max(1));
        }
        in_order(2, &mut count(0), slowly).unwrap();
    }

    #[test]
    fn a_slow_task_holds_up_no_other_within_the_window() {
        let done = AtomicUsize::new(0);
        let seen_by_first = AtomicUsize::new(0);
        let work = |task| {
            if task == 0 {
                // The other worker does the rest of the window meanwhile.
                while done.load(Ordering::SeqCst) < 3 {
                    thread::yield_now();
                }
                seen_by_first.store(done.load(Ordering::SeqCst), Ordering::SeqCst);
            }
            done.fetch_add(1, Ordering::SeqCst);
            task
        };
        let mut line = count(10);
        in_order(2, &mut line, work).unwrap();
        assert_eq!((line.results.len(), seen_by_first.into_inner()), (10, 3));
    }

    #[test]
    fn an_error_ends_the_work_promptly() {
        let begun = AtomicUsize::new(0);
        let mut line = Count { stop_at: Some(1), ..count(1000) };
        let work = |task| {
            begun.fetch_add(1, Ordering::SeqCst);
            slowly(task)
        };
        assert_eq!(in_order(2, &mut line, work), Err("enough"));
        assert_eq!(line.results, [0]);
        assert!(begun.into_inner() <= 5, "two in order and no more than the window");
    }

    #[test]
    fn a_panic_of_a_worker_goes_on_in_the_caller() {
        let mut line = count(100);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let work = |task| if task == 5 { panic!("task {task}") } else { task };
            in_order(3, &mut line, work)
        }));
        let message = panicked.unwrap_err();
        assert_eq!(message.downcast_ref::<String>().unwrap(), "task 5");
        assert_eq!(line.results, [0, 1, 2, 3, 4], "the others before it are recorded");
    }

    #[test]
    fn it_asks_again_while_tasks_are_in_work() {
        /// Gives its second task only when asked once more after the first.
        struct Late(usize, Vec<usize>);
        impl Ordered for Late {
            type Task = usize;
            type Output = usize;
            type Error = ();
            fn next_task(&mut self) -> Result<Option<usize>, ()> {
                self.0 += 1;
                Ok((self.0 == 1 || self.0 == 3).then_some(self.0))
            }
            fn record(&mut self, output: usize) -> Result<(), ()> {
                self.1.push(output);
                Ok(())
            }
        }
        let mut line = Late(0, Vec::new());
        in_order(2, &mut line, |task| {
            thread::sleep(Duration::from_millis(100));
            task
        })
        .unwrap();
        assert_eq!(line.1, [1, 3]);
    }
}
