//! A bounded queue of photos, and the threads that decode and inspect them.
//!
//! There is one queue for all models, and as many threads as the engine has: each takes a photo of
//! its own and waits for no other, as in `predict`. A photo takes a *place* from being queued until
//! its verdict is there; where there is none left, requests are refused at once instead of waiting.
//!
//! Verdicts pass in threads of their own: one that inspects does not wait for the disk.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::sleep;

use crate::inspecting::{Inspected, Order, Photo};
use crate::refusal::Refusal;
use crate::shares::{Share, Shares};
use crate::verdicts::Verdicts;

/// Retry-After is no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long a request waits for its refusal, without taking memory: clients that try again at once
/// would take time from the photos that are being inspected.
const REFUSAL_PAUSE: Duration = Duration::from_millis(200);

/// The queue and its threads.
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    queue: Sender<Job>,
    threads: usize,
    capacity: usize,
    shares: Shares,
    mean: Arc<MeanTime>,
}

/// What came of a photo.
pub(crate) type Outcome = Result<Inspected, Refusal>;

struct Job {
    photo: Photo,
    order: Order,
    answer: oneshot::Sender<Outcome>,
    /// Given back when the photo has its verdict.
    place: OwnedSemaphorePermit,
}

/// A photo that is judged, and whose verdict is to pass.
struct JudgedJob {
    job: Job,
    inspected: Inspected,
}

impl Pool {
    /// Starts `threads` threads behind a queue of `waiting` photos.
    pub(crate) fn start(
        threads: usize,
        waiting: usize,
        verdicts: &Arc<Verdicts>,
    ) -> io::Result<Self> {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let mean = Arc::new(MeanTime::default());
        let threads = threads.max(1);
        let (passing, judged) = channel();
        let judged = Arc::new(Mutex::new(judged));
        for number in 0..threads {
            let (jobs, mean, passing) = (Arc::clone(&jobs), Arc::clone(&mean), passing.clone());
            let (judged, verdicts) = (Arc::clone(&judged), Arc::clone(verdicts));
            let same = Arc::clone(&verdicts);
            let named = |name| thread::Builder::new().name(format!("{name}-{number}"));
            named("inspect").spawn(move || inspect_jobs(&jobs, &passing, &verdicts, &mean))?;
            named("record").spawn(move || pass_jobs(&judged, &same))?;
        }
        let capacity = threads + waiting;
        let (places, shares) = (Arc::new(Semaphore::new(capacity)), Shares::new(capacity));
        Ok(Self { places, queue, threads, capacity, shares, mean })
    }

    /// Photos that may be queued and inspected at once.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Photos that are queued or being inspected.
    pub(crate) fn taken(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// Inspects the photos of one request, and gives what came of each, in order.
    ///
    /// If there is no place for the first, the request is refused as a whole; the others wait for
    /// one. Of a request at most twice as many photos as there are threads have a place at once.
    pub(crate) async fn inspect(
        &self,
        photos: Vec<Photo>,
        order: &Order,
    ) -> Result<Vec<Outcome>, Refusal> {
        let (_share, first) = match self.admit(order) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                drop(photos);
                sleep(REFUSAL_PAUSE).await;
                return Err(refusal);
            }
        };
        let mut first = Some(first);
        let mut outcomes = Vec::with_capacity(photos.len());
        let mut pending = VecDeque::new();
        for photo in photos {
            let place = match first.take() {
                Some(place) => place,
                None => self.next_place().await?,
            };
            let (answer, outcome) = oneshot::channel();
            let job = Job { photo, order: order.clone(), answer, place };
            self.queue.send(job).map_err(|_| Refusal::internal("no thread inspects any more"))?;
            pending.push_back(outcome);
            if pending.len() >= 2 * self.threads
                && let Some(outcome) = pending.pop_front()
            {
                outcomes.push(received(outcome).await);
            }
        }
        for outcome in pending {
            outcomes.push(received(outcome).await);
        }
        Ok(outcomes)
    }

    /// A place for the first photo of a request, if the client may have one more.
    fn admit(&self, order: &Order) -> Result<(Option<Share>, OwnedSemaphorePermit), Refusal> {
        Ok((self.share(order)?, self.place_at_once()?))
    }

    /// One client among several leaves places to the others.
    fn share(&self, order: &Order) -> Result<Option<Share>, Refusal> {
        let Some(client) = &order.share_of else { return Ok(None) };
        self.shares.take(client).map(Some).ok_or_else(|| Refusal {
            retry_after: Some(self.wait()),
            ..Refusal::new(
                axum::http::StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                format!(
                    "{client:?} has {} requests in progress, and the other clients are left the rest: \
                     wait for answers before sending more",
                    self.shares.most()
                ),
            )
        })
    }

    fn place_at_once(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!(
                "{} photos are queued or being inspected, which is all that the server takes: try again \
                 later, or start it with a larger --queue",
                self.capacity
            );
            Refusal::busy("queue_full", message, self.wait())
        })
    }

    async fn next_place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| Refusal::internal("the queue is closed"))
    }

    /// When about half of the photos that are queued now will have their verdicts.
    fn wait(&self) -> Duration {
        let photos = self.taken().div_ceil(2 * self.threads).max(1);
        let wait = self.mean.get().saturating_mul(u32::try_from(photos).unwrap_or(u32::MAX));
        wait.clamp(Duration::from_secs(1), LONGEST_WAIT)
    }
}

async fn received(outcome: oneshot::Receiver<Outcome>) -> Outcome {
    outcome.await.unwrap_or_else(|_| {
        Err(Refusal::internal("the photo's inspection failed in a way that tells no cause"))
    })
}

/// The life of a thread that inspects: until the queue is dropped.
fn inspect_jobs(
    jobs: &Mutex<Receiver<Job>>,
    passing: &Sender<JudgedJob>,
    verdicts: &Verdicts,
    mean: &MeanTime,
) {
    while let Some(job) = next(jobs) {
        if job.answer.is_closed() {
            // Nobody waits for it any more.
            continue;
        }
        let begun = Instant::now();
        let outcome = job.fenced(|| job.order.inspect(&job.photo, verdicts));
        mean.observe(begun.elapsed());
        match outcome {
            Ok(inspected) => {
                let _ = passing.send(JudgedJob { job, inspected });
            }
            Err(refusal) => job.answer(Err(refusal)),
        }
    }
}

/// The life of a thread that verdicts pass in: until no thread inspects.
fn pass_jobs(judged: &Mutex<Receiver<JudgedJob>>, verdicts: &Verdicts) {
    while let Some(JudgedJob { job, inspected }) = next(judged) {
        let outcome = job.fenced(|| job.order.pass(&job.photo, inspected, verdicts));
        job.answer(outcome);
    }
}

/// The next of a queue that several threads take from; `None` once nobody can add to it.
fn next<T>(queue: &Mutex<Receiver<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Job {
    /// Does a piece of work whose panic is this photo's matter alone.
    fn fenced(&self, work: impl FnOnce() -> Outcome) -> Outcome {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let (model, request) = (&self.order.model.name, &self.order.origin.request);
            tracing::error!(model, request, "a panic while inspecting");
            Err(Refusal::internal("the inspection panicked: report it, with the photo if you may"))
        })
    }

    /// Gives its place back, and answers.
    fn answer(self, outcome: Outcome) {
        drop(self.place);
        let _ = self.answer.send(outcome);
    }
}

/// A running mean of what a photo takes a thread.
#[derive(Default)]
struct MeanTime(AtomicU64);

impl MeanTime {
    fn observe(&self, time: Duration) {
        let now = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let step = |mean: u64| if mean == 0 { now } else { mean - mean / 8 + now / 8 };
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mean| Some(step(mean)));
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
