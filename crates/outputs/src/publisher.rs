//! An output at work: a thread that follows logs and has records delivered.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use efficientad_files::{check_regular, sync_folder_of};
use efficientad_stream::Wake;
use jiff::Timestamp;

use crate::backoff::Backoff;
use crate::config::OutputConfig;
use crate::error::OutputError;
use crate::event::OutputEvent;
use crate::outlet::{Failure, Outlet, Shown};
use crate::record::{Events, age};
use crate::state::LineLog;
use crate::tail::{Item, Tail, file_name};

/// Records in memory at most; the others wait in the log.
const QUEUE: usize = 512;
/// Lines are shown at least so often.
const SHOW_EVERY: Duration = Duration::from_millis(400);
/// Longest wait for an acknowledgement before it is looked whether there are new lines.
const ACKNOWLEDGEMENT: Duration = Duration::from_millis(2);
/// What was delivered is written down at most so often, unless there is much of it: a process that is
/// killed sends no more than that again.
const KEEP_EVERY: Duration = Duration::from_secs(1);
const KEEP_RECORDS: usize = 100;
/// How often it is looked whether a counterpart that comes by itself is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest pause between the last tries, when the publisher is asked to end.
const LAST_TRIES: Duration = Duration::from_millis(200);
/// A connection that lasted so long was a good one: after it, it is tried again soon.
const LASTING: Duration = Duration::from_secs(5);

/// Takes what an output has to tell.
pub type Tell = Arc<dyn Fn(OutputEvent) + Send + Sync>;

/// An output at work, in a thread of its own.
pub struct Publisher {
    stop: Arc<Stop>,
    wake: Wake,
    thread: Option<JoinHandle<Undelivered>>,
}

/// How many records an output could not deliver, by line. They are delivered when it is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered(pub BTreeMap<String, u64>);

impl Undelivered {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl Publisher {
    /// Begins to deliver what is in the logs and comes into them, where an earlier process with an
    /// output of this name ended; its files are in `state`, which is made. `wake` is what tells of
    /// new lines; without, they are noticed twice a second.
    ///
    /// # Errors
    /// The configuration is wrong, a log is none, or a file of the output can't be read. That the
    /// counterpart is away is none: it is told as an event.
    pub fn start(
        name: &str,
        config: &OutputConfig,
        state: &Path,
        lines: Vec<LineLog>,
        wake: Wake,
        tell: Tell,
    ) -> Result<Self, OutputError> {
        config.check()?;
        fs::create_dir_all(state).map_err(|source| OutputError::File {
            path: state.to_owned(),
            action: "made",
            source,
        })?;
        let outlet = config.open(name, state, &lines)?;
        let stop = Arc::new(Stop::default());
        let worker = Worker {
            tails: open_tails(name, state, lines, &tell)?,
            outlet,
            events: config.events(),
            refused: state.join(format!("{}.refused.jsonl", file_name(name))),
            stop: Arc::clone(&stop),
            wake: wake.clone(),
            tell,
            queue: VecDeque::new(),
            sent: 0,
            is_caught_up: false,
            connected: None,
            told_caught_up: false,
            shown: None,
            unshown: true,
            refusals: 0,
            backoff: Backoff::default(),
            trouble: None,
            kept: Instant::now(),
            unkept: 0,
        };
        let thread = thread::Builder::new().name(format!("output {name}"));
        let thread = thread.spawn(move || worker.run()).map_err(OutputError::Thread)?;
        Ok(Self { stop, wake, thread: Some(thread) })
    }

    /// Delivers what is in the logs, then ends; what could not be delivered within that time, and
    /// that of one try of the counterpart more.
    pub fn finish(mut self, within: Duration) -> Undelivered {
        self.end(within);
        let thread = self.thread.take().map(JoinHandle::join);
        thread.map_or_else(Undelivered::default, |ended| {
            ended.unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }

    fn end(&self, within: Duration) {
        self.stop.ask(Instant::now() + within);
        self.wake.notify();
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl Drop for Publisher {
    /// Lets the thread end, without waiting for it.
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

fn open_tails(
    name: &str,
    state: &Path,
    lines: Vec<LineLog>,
    tell: &Tell,
) -> Result<Vec<Tail>, OutputError> {
    let mut names = HashSet::new();
    let open = |log: LineLog| {
        if !names.insert(log.line.clone()) {
            return Err(OutputError::LineTwice(log.line));
        }
        let line = log.line.clone();
        let file = format!("{}.{}.position", file_name(name), file_name(&line));
        let (tail, is_another) = Tail::open(state.join(file), log)?;
        if is_another {
            tell(OutputEvent::AnotherLog { line });
        }
        Ok(tail)
    };
    lines.into_iter().map(open).collect()
}

/// Until when a publisher is to end.
#[derive(Debug, Default)]
struct Stop {
    until: Mutex<Option<Instant>>,
    asked: Condvar,
}

impl Stop {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, until: Instant) {
        *self.lock() = Some(until);
        self.asked.notify_all();
    }

    fn until(&self) -> Option<Instant> {
        *self.lock()
    }

    /// Rests; less long if the publisher is asked to end meanwhile, and not beyond its end.
    fn rest(&self, pause: Duration) {
        let now = Instant::now();
        let guard = self.lock();
        let wait = match *guard {
            None => pause,
            Some(until) => {
                let left = until.saturating_duration_since(now).min(pause);
                drop(guard);
                return thread::sleep(left);
            }
        };
        drop(self.asked.wait_timeout_while(guard, wait, |until| until.is_none()));
    }
}

struct Worker {
    tails: Vec<Tail>,
    outlet: Box<dyn Outlet>,
    events: Events,
    refused: PathBuf,
    stop: Arc<Stop>,
    wake: Wake,
    tell: Tell,
    /// The records that are next, of all lines.
    queue: VecDeque<Item>,
    /// How many of them, from the front, were handed over.
    sent: usize,
    /// Whether there was no further line when it was last looked.
    is_caught_up: bool,
    connected: Option<Instant>,
    told_caught_up: bool,
    shown: Option<Instant>,
    /// Whether lines are other than they were shown.
    unshown: bool,
    /// How often the record in front was refused.
    refusals: u32,
    backoff: Backoff,
    /// Why what was delivered could not be written down when it was last tried.
    trouble: Option<String>,
    kept: Instant,
    unkept: usize,
}

impl Worker {
    fn run(mut self) -> Undelivered {
        loop {
            // Asked before it is looked for lines: those that are there when it is asked are delivered.
            let end = self.stop.until();
            self.fill();
            if end.is_some_and(|until| self.is_over(until)) {
                break;
            }
            if let Err(failure) = self.exchange() {
                self.fail(failure);
            }
            if self.unkept >= KEEP_RECORDS || self.kept.elapsed() >= KEEP_EVERY {
                self.keep();
            }
        }
        self.keep();
        if self.connected.is_some() {
            self.outlet.close();
        }
        self.undelivered()
    }

    /// Whether all is delivered, or it is time to end.
    fn is_over(&self, until: Instant) -> bool {
        (self.queue.is_empty() && self.is_caught_up) || Instant::now() >= until
    }

    /// Reads lines if there is much room for records, of each log its share.
    fn fill(&mut self) {
        if self.queue.len() > QUEUE / 2 {
            return;
        }
        self.is_caught_up = true;
        let room = (QUEUE - self.queue.len()) / self.tails.len().max(1);
        for (index, tail) in self.tails.iter_mut().enumerate() {
            let (is_more, trouble) = tail.fill(index, room.max(1), self.events, &mut self.queue);
            self.is_caught_up &= !is_more;
            trouble.into_iter().for_each(|reason| (self.tell)(OutputEvent::Trouble { reason }));
        }
    }

    /// Hands over what may be handed over, takes acknowledgements, and waits if there is nothing else
    /// to do.
    fn exchange(&mut self) -> Result<(), Failure> {
        if self.connected.is_none() {
            if !self.outlet.connect()? {
                self.stop.rest(LOOK_EVERY);
                return Ok(());
            }
            self.connected = Some(Instant::now());
            self.unshown = true;
            (self.tell)(OutputEvent::Connected);
        }
        self.show()?;
        while self.sent < self.queue.len().min(self.outlet.window()) {
            let item = &mut self.queue[self.sent];
            let tail = &self.tails[item.tail];
            item.record.stamp(Timestamp::now(), tail.log.budget);
            self.outlet.send(&item.record, &item.behind.state)?;
            self.sent += 1;
        }
        let wait = if self.sent == 0 { Duration::ZERO } else { ACKNOWLEDGEMENT };
        let acknowledged = self.outlet.acknowledged(wait)?;
        (0..acknowledged).for_each(|_| self.take_acknowledgement());
        if self.queue.is_empty() && self.is_caught_up {
            self.idle();
        }
        Ok(())
    }

    fn show(&mut self) -> Result<(), Failure> {
        if self.unshown || self.shown.is_none_or(|shown| shown.elapsed() >= SHOW_EVERY) {
            let tails = self.tails.iter();
            let lines: Vec<_> =
                tails.map(|tail| Shown { log: &tail.log, state: &tail.delivered.state }).collect();
            self.outlet.show(&lines)?;
            (self.unshown, self.shown) = (false, Some(Instant::now()));
        }
        Ok(())
    }

    /// Waits for new lines.
    fn idle(&mut self) {
        if self.unshown || self.stop.until().is_some() {
            return;
        }
        if !self.told_caught_up {
            self.told_caught_up = true;
            (self.tell)(OutputEvent::CaughtUp);
        }
        self.wake.wait(SHOW_EVERY);
    }

    /// The counterpart has the record in front.
    fn take_acknowledgement(&mut self) {
        if let Some(Item { record, .. }) = self.queue.front() {
            (self.tell)(OutputEvent::Delivered {
                line: record.line.clone(),
                event: record.event,
                latency: record.captured.map(|captured| age(captured, Timestamp::now())),
                late: record.late,
            });
        }
        self.pass();
    }

    /// The record in front is done with.
    fn pass(&mut self) {
        let Some(item) = self.queue.pop_front() else { return };
        self.sent = self.sent.saturating_sub(1);
        self.tails[item.tail].deliver(item.behind, Some(item.record));
        self.unkept += 1;
        self.unshown = true;
        self.told_caught_up = false;
        self.refusals = 0;
        self.backoff.reset();
    }

    fn fail(&mut self, failure: Failure) {
        self.sent = 0;
        match failure {
            Failure::Away { reason, after } => {
                if let Some(connected) = self.connected.take() {
                    if connected.elapsed() > LASTING {
                        self.backoff.reset();
                    }
                    (self.tell)(OutputEvent::Disconnected { reason: reason.clone() });
                }
                self.told_caught_up = false;
                self.retry(reason, after);
            }
            Failure::Refused { reason, tries } => {
                self.refusals += 1;
                if self.refusals < tries {
                    self.retry(reason, None);
                } else if let Err(error) = self.set_aside(&reason) {
                    let path = self.refused.display();
                    self.retry(format!("{path}: a record can't be set aside ({error})"), None);
                }
            }
        }
    }

    fn retry(&mut self, reason: String, after: Option<Duration>) {
        if self.unkept > 0 {
            self.keep();
        }
        let mut after = after.unwrap_or_else(|| self.backoff.next());
        if self.stop.until().is_some() {
            after = after.min(LAST_TRIES);
        }
        (self.tell)(OutputEvent::Retried { reason, after });
        self.stop.rest(after);
    }

    /// Appends the record in front to the file of those that were refused, and goes on behind it.
    fn set_aside(&mut self, reason: &str) -> io::Result<()> {
        let Some(item) = self.queue.front() else { return Ok(()) };
        let id = item.record.id.clone();
        let mut line = serde_json::to_vec(&serde_json::json!({
            "refused": Timestamp::now(),
            "why": reason,
            "record": item.record,
        }))?;
        line.push(b'\n');
        check_regular(&self.refused)?;
        let mut file = OpenOptions::new().append(true).create(true).open(&self.refused)?;
        file.write_all(&line)?;
        file.sync_data()?;
        sync_folder_of(&self.refused);
        let (reason, file) = (reason.to_owned(), self.refused.clone());
        (self.tell)(OutputEvent::Refused { id, reason, file });
        self.pass();
        Ok(())
    }

    /// Writes down what was delivered.
    fn keep(&mut self) {
        (self.kept, self.unkept) = (Instant::now(), 0);
        let synced = self.outlet.sync().map_err(|error| error.to_string());
        let kept = synced.and_then(|()| {
            self.tails.iter_mut().try_for_each(Tail::keep).map_err(|error| error.to_string())
        });
        let reason = kept.err();
        if let Some(reason) = reason.clone().filter(|_| reason != self.trouble) {
            (self.tell)(OutputEvent::Trouble { reason });
        }
        self.trouble = reason;
    }

    /// Counts what is not delivered, on to the end of the logs.
    fn undelivered(mut self) -> Undelivered {
        let mut lines = BTreeMap::new();
        loop {
            for item in self.queue.drain(..) {
                *lines.entry(item.record.line).or_default() += 1;
            }
            self.fill();
            if self.queue.is_empty() && self.is_caught_up {
                return Undelivered(lines);
            }
        }
    }
}
