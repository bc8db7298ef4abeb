//! Jobs that people start from the page: trainings, calibrations, evaluations, and looks at photos.
//!
//! | module | what it does |
//! |---|---|
//! | `request` | what can be asked |
//! | `board` | which jobs there are, and how each stands |
//! | `telling` | what a job tells, on its way to the board |
//! | `train`, `calibrate`, `evaluate`, `score`, `look` | one kind of job each |
//! | `api` | requests about jobs |
//!
//! There are two lanes: one for trainings, which take hours, and one for all else, which takes minutes.
//! In each one job is done at a time, and the others wait. Their threads have the lowest priority, so
//! that verdicts are as quick as without them as far as the system can see to it (`docs/page.md`).

pub(crate) mod api;
mod board;
mod calibrate;
mod evaluate;
mod look;
mod request;
mod score;
mod telling;
mod train;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) use board::Board;
use board::{Ending, Job};
use request::Request;
pub(crate) use score::scored;

use crate::desk::{Shop, lock};
use crate::refusal::{Refusal, with_options};

/// Jobs that wait or are done at once.
const MOST_JOBS: usize = 32;
/// How long jobs may take to end with the server: a training, a step and a checkpoint.
const END_TIME: Duration = Duration::from_secs(60);
const END_POLL: Duration = Duration::from_millis(20);
/// How much less urgent a job is than an inspection: as little as can be.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// Jobs: a board, and a thread for each lane.
pub(crate) struct Jobs {
    pub board: Arc<Board>,
    lanes: Mutex<Option<[Sender<Arc<Job>>; 2]>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A job under way.
pub(crate) struct Work<'a> {
    pub shop: &'a Shop,
    pub board: &'a Board,
    pub job: &'a Job,
}

/// How a job ended, or why it failed.
type Outcome = Result<Ending, String>;

impl Jobs {
    pub(crate) fn start(shop: &Arc<Shop>) -> io::Result<Self> {
        for part in shop.parts.names().iter().filter_map(|name| shop.parts.part(name).ok()) {
            if let Err(reason) = train::recover(shop, &part) {
                tracing::error!(part = part.name, reason, "a training that was broken off");
            }
        }
        let board = Arc::new(Board::new(shop.feed.clone()));
        let mut threads = Vec::new();
        let mut lane = |name: &str| -> io::Result<Sender<Arc<Job>>> {
            let (sender, jobs) = channel();
            let (shop, board) = (Arc::clone(shop), Arc::clone(&board));
            let thread = thread::Builder::new().name(name.to_owned());
            threads.push(thread.spawn(move || work(&jobs, &shop, &board))?);
            Ok(sender)
        };
        let lanes = [lane("trainings")?, lane("jobs")?];
        Ok(Self { board, lanes: Mutex::new(Some(lanes)), threads: Mutex::new(threads) })
    }

    /// Has a job done when its turn comes.
    pub(crate) fn add(
        &self,
        request: Request,
        because: Option<crate::desk::Because>,
    ) -> Result<Arc<Job>, Refusal> {
        let lanes = lock(&self.lanes);
        let Some([trainings, others]) = lanes.as_ref() else {
            return Err(Refusal::internal("the server ends"));
        };
        if let Some(job) = self.board.same(&request) {
            return Ok(job);
        }
        let lane = if request.is_training() { trainings } else { others };
        let job = self.board.add(request, because, MOST_JOBS)?;
        lane.send(Arc::clone(&job))
            .map_err(|_| Refusal::internal("no thread does jobs any more"))?;
        Ok(job)
    }

    /// Stops all jobs, and waits a while until what they did is kept.
    pub(crate) fn end(&self) {
        drop(lock(&self.lanes).take());
        self.board.stop_all();
        let deadline = Instant::now() + END_TIME;
        let threads = lock(&self.threads);
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            thread::sleep(END_POLL);
        }
    }
}

/// A lane's life: until the server ends.
fn work(jobs: &Receiver<Arc<Job>>, shop: &Shop, board: &Board) {
    be_modest();
    for job in jobs {
        if !board.begin(&job) {
            continue;
        }
        let work = Work { shop, board, job: &job };
        let outcome = catch_unwind(AssertUnwindSafe(|| work.run())).unwrap_or_else(|_| {
            Err("the job panicked: report it, with the photos if you may".to_owned())
        });
        match &outcome {
            Ok(_) => tracing::info!(job = job.id, kind = job.request.kind(), "job ended"),
            Err(reason) => {
                tracing::error!(job = job.id, kind = job.request.kind(), reason, "job failed")
            }
        }
        board.end(&job, outcome);
    }
}

/// Lets all else go first. Threads that this one starts do so, too.
fn be_modest() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!("jobs have the priority of inspections: {error}");
    }
}

impl Work<'_> {
    fn run(&self) -> Outcome {
        match &self.job.request {
            Request::Train(request) => train::anew(self, request),
            Request::Continue(request) => train::with_marks(self, request),
            Request::Resume(request) => train::resume(self, &request.part),
            Request::Calibrate(request) => calibrate::run(self, request),
            Request::Evaluate(request) => evaluate::run(self, request),
            Request::Score(request) => score::run(self, &request.part),
            Request::Look(request) => look::run(self, request),
        }
    }
}

/// An error as it is told: with options as they are called here.
fn told(error: impl std::fmt::Display) -> String {
    with_options(&error.to_string())
}

/// A refusal within a job.
fn refused(refusal: Refusal) -> String {
    refusal.message
}
