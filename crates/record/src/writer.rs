//! The one thread that writes. What waits while it writes is written next, all in one transaction: so
//! many clients share the time that a disk takes to make something durable.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use crate::error::RecordError;
use crate::photos::Photos;

/// Calls that wait for the writer before further ones wait to be taken.
const QUEUE: usize = 256;
/// Calls that share a transaction.
const MAX_BATCH: usize = 256;
/// How often photos are looked at for their age.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// What is to be written, by one or more statements; the number of the new row. No row
/// ([`rusqlite::Error::QueryReturnedNoRows`]) is an answer, of a call that changed nothing.
type Work = Box<dyn FnOnce(&Connection) -> rusqlite::Result<i64> + Send>;

/// What came of it; `None` for no row.
type Answer = Result<Option<i64>, RecordError>;

struct Job {
    work: Work,
    answer: SyncSender<Answer>,
}

/// The thread, which ends when this is dropped, with all done that it was given.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None` only while it is dropped.
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        path: PathBuf,
        photos: Arc<Photos>,
    ) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let mut state = State { connection, path, photos, tidied: Instant::now() };
        state.tidy();
        let thread = thread::Builder::new().name("record".to_owned());
        let thread = Some(thread.spawn(move || state.run(&jobs))?);
        Ok(Self { queue: Some(queue), thread })
    }

    /// Has something written, and returns when it is durable.
    pub(crate) fn write(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<i64> + Send + 'static,
    ) -> Answer {
        let (answer, answered) = sync_channel(1);
        let queue = self.queue.as_ref().ok_or(RecordError::Ended)?;
        queue.send(Job { work: Box::new(work), answer }).map_err(|_| RecordError::Ended)?;
        answered.recv().unwrap_or(Err(RecordError::Ended))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

struct State {
    connection: Connection,
    path: PathBuf,
    photos: Arc<Photos>,
    tidied: Instant,
}

impl State {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(TIDY_EVERY.saturating_sub(self.tidied.elapsed())) {
                Ok(first) => {
                    self.commit(std::iter::once(first).chain(jobs.try_iter()).take(MAX_BATCH));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.photos.is_over_limit(&self.connection) || self.tidied.elapsed() >= TIDY_EVERY {
                self.tidy();
            }
        }
    }

    /// Writes what calls ask for: all of it, or, should anything fail, nothing.
    fn commit(&mut self, jobs: impl Iterator<Item = Job>) {
        let (works, answers): (Vec<_>, Vec<_>) =
            jobs.map(|Job { work, answer }| (work, answer)).unzip();
        match self.transact(works) {
            Ok(rows) => {
                for (answer, row) in answers.into_iter().zip(rows) {
                    // Whoever does not wait any more needs no answer.
                    let _ = answer.send(Ok(row));
                }
            }
            Err(error) => {
                let error_of_each = RecordError::database(&self.path, "written");
                for answer in answers {
                    let _ = answer.send(Err(error_of_each(&error)));
                }
            }
        }
    }

    fn transact(&mut self, works: Vec<Work>) -> rusqlite::Result<Vec<Option<i64>>> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = Vec::with_capacity(works.len());
        for work in works {
            rows.push(match work(&transaction) {
                Err(rusqlite::Error::QueryReturnedNoRows) => None,
                row => Some(row?),
            });
        }
        transaction.commit()?;
        Ok(rows)
    }

    fn tidy(&mut self) {
        self.tidied = Instant::now();
        self.photos.tidy(&mut self.connection, &self.path);
    }
}
