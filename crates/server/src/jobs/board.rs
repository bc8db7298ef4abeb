//! Which jobs there are, and how each stands.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use efficientad_jobs::StepReport;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Outcome;
use super::request::{OfPart, Request};
use crate::desk::{Because, lock};
use crate::feed::Feed;
use crate::refusal::Refusal;

/// Jobs that ended and are remembered.
const REMEMBERED: usize = 50;
/// Remarks of a job that are kept.
const MOST_REMARKS: usize = 200;
/// Points of a job's curve of losses.
const MOST_POINTS: usize = 1000;

/// A job.
pub(crate) struct Job {
    pub id: i64,
    pub request: Request,
    /// Who asked for a change, and why.
    pub because: Option<Because>,
    created: Timestamp,
    is_stopping: AtomicBool,
    standing: Mutex<Standing>,
}

/// How a job stands.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Standing {
    pub state: State,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// The part of the work that is done now, how much of it, of how much.
    pub stage: Option<String>,
    pub done: usize,
    pub total: usize,
    pub step: Option<StepReport>,
    /// What was taken from which folder.
    pub taken: Option<Value>,
    pub remarks: Vec<String>,
    pub error: Option<String>,
    pub result: Option<Value>,
    #[serde(skip)]
    pub points: Vec<StepReport>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    #[default]
    Waiting,
    Running,
    Done,
    /// It can be gone on with if it was a training.
    Stopped,
    Failed,
}

/// How a job ended that did not fail.
pub(crate) enum Ending {
    /// With this result.
    Done(Value),
    /// By somebody who stopped it.
    Stopped,
}

/// What is told of a job.
#[derive(Serialize)]
pub(crate) struct Document {
    id: i64,
    kind: &'static str,
    part: String,
    request: Request,
    who: Option<String>,
    created: Timestamp,
    #[serde(flatten)]
    standing: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<StepReport>>,
}

/// All jobs, the first ones first.
pub(crate) struct Board {
    jobs: Mutex<VecDeque<Arc<Job>>>,
    feed: Feed,
}

impl Board {
    pub(super) fn new(feed: Feed) -> Self {
        Self { jobs: Mutex::default(), feed }
    }

    /// Puts a job on the board, unless there are too many or another one changes the same model.
    pub(super) fn add(
        &self,
        request: Request,
        because: Option<Because>,
        most: usize,
    ) -> Result<Arc<Job>, Refusal> {
        let mut jobs = lock(&self.jobs);
        let open: Vec<&Arc<Job>> = jobs.iter().filter(|job| job.is_open()).collect();
        if open.len() >= most {
            let message = format!("{most} jobs wait already: try again later, or stop some");
            return Err(Refusal::busy("too_many_jobs", message, Duration::from_secs(60)));
        }
        let same =
            |job: &&&Arc<Job>| job.request.changes_model() && job.request.part() == request.part();
        if let Some(other) = open.iter().find(same).filter(|_| request.changes_model()) {
            let message = format!(
                "{}: another job changes this model ({}): wait for its end, or stop it",
                request.part(),
                other.request.kind()
            );
            return Err(Refusal::new(StatusCode::CONFLICT, "model_in_work", message));
        }
        let created = Timestamp::now();
        // Later ones have higher numbers, also after a restart.
        let last = jobs.back().map_or(0, |job| job.id);
        let id = created.as_millisecond().max(last + 1);
        let (is_stopping, standing) = (AtomicBool::new(false), Mutex::default());
        let job = Arc::new(Job { id, request, because, created, is_stopping, standing });
        jobs.push_back(Arc::clone(&job));
        let ended = jobs.iter().filter(|job| !job.is_open()).count();
        if ended > REMEMBERED
            && let Some(oldest) = jobs.iter().position(|job| !job.is_open())
        {
            jobs.remove(oldest);
        }
        drop(jobs);
        self.feed.tell("job", &job.document(false));
        Ok(job)
    }

    /// A job that is to judge the same marked photos: every page that is opened asks for that.
    pub(super) fn same(&self, request: &Request) -> Option<Arc<Job>> {
        let Request::Score(OfPart { part }) = request else { return None };
        let is_same = |job: &&Arc<Job>| {
            job.is_open() && matches!(&job.request, Request::Score(it) if it.part == *part)
        };
        lock(&self.jobs).iter().find(is_same).cloned()
    }

    /// All jobs, the last ones first.
    pub(crate) fn list(&self) -> Vec<Document> {
        lock(&self.jobs).iter().rev().map(|job| job.document(false)).collect()
    }

    /// A job.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Job>, Refusal> {
        let found = lock(&self.jobs).iter().find(|job| job.id.to_string() == id).cloned();
        found.ok_or_else(|| {
            let message = format!("{id:?}: there is no such job, or it ended long ago");
            Refusal::new(StatusCode::NOT_FOUND, "no_such_job", message)
        })
    }

    /// Whether a job that changes the model of this name waits or is done.
    pub(crate) fn changes(&self, part: &str) -> bool {
        let changes = |job: &Arc<Job>| {
            job.is_open() && job.request.changes_model() && job.request.part() == part
        };
        lock(&self.jobs).iter().any(changes)
    }

    /// Has a job end as soon as what it did can be kept.
    pub(crate) fn stop(&self, job: &Job) {
        job.is_stopping.store(true, Ordering::Relaxed);
        let is_waiting = lock(&job.standing).state == State::Waiting;
        if is_waiting {
            self.change(job, |standing| standing.state = State::Stopped);
        }
    }

    pub(super) fn stop_all(&self) {
        let jobs: Vec<_> = lock(&self.jobs).iter().filter(|job| job.is_open()).cloned().collect();
        jobs.iter().for_each(|job| self.stop(job));
    }

    /// Marks a job as running; false if it was stopped before.
    pub(super) fn begin(&self, job: &Job) -> bool {
        let mut begins = false;
        self.change(job, |standing| {
            begins = standing.state == State::Waiting && !job.is_stopping();
            if begins {
                (standing.state, standing.started) = (State::Running, Some(Timestamp::now()));
            }
        });
        begins
    }

    /// Marks a job as ended.
    pub(super) fn end(&self, job: &Job, outcome: Outcome) {
        self.change(job, |standing| {
            standing.ended = Some(Timestamp::now());
            (standing.state, standing.result, standing.error) = match outcome {
                Ok(Ending::Done(result)) => (State::Done, Some(result), None),
                Ok(Ending::Stopped) => (State::Stopped, None, None),
                Err(error) => (State::Failed, None, Some(error)),
            };
        });
    }

    /// Changes how a job stands, and tells all who watch.
    pub(super) fn change(&self, job: &Job, change: impl FnOnce(&mut Standing)) {
        change(&mut lock(&job.standing));
        self.feed.tell("job", &job.document(false));
    }
}

impl Job {
    /// Whether it is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn is_open(&self) -> bool {
        matches!(lock(&self.standing).state, State::Waiting | State::Running)
    }

    /// What is told of it, with its curve of losses or without.
    pub(crate) fn document(&self, with_points: bool) -> Document {
        let standing = lock(&self.standing).clone();
        Document {
            id: self.id,
            kind: self.request.kind(),
            part: self.request.part().to_owned(),
            request: self.request.clone(),
            who: self.because.as_ref().map(|because| because.who.clone()),
            created: self.created,
            points: with_points.then(|| standing.points.clone()),
            standing,
        }
    }
}

impl Standing {
    /// Adds a remark, unless there are too many.
    pub(super) fn remark(&mut self, remark: String) {
        if self.remarks.len() < MOST_REMARKS {
            self.remarks.push(remark);
        }
    }

    /// Adds a point of the curve of losses. Where there are too many, every second one goes.
    pub(super) fn point(&mut self, report: &StepReport) {
        if self.points.len() >= MOST_POINTS {
            let mut is_kept = false;
            self.points.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.points.push(report.clone());
        self.step = Some(report.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resume(part: &str) -> Request {
        Request::Resume(OfPart { part: part.to_owned() })
    }

    fn score(part: &str) -> Request {
        Request::Score(OfPart { part: part.to_owned() })
    }

    #[test]
    fn one_job_at_a_time_changes_a_model() {
        let board = Board::new(Feed::default());
        let add = |request| board.add(request, None, 4).map_err(|refusal| refusal.status.as_u16());
        let first = add(resume("a")).unwrap();
        assert_eq!(add(resume("a")).err(), Some(409));
        let second = add(score("a")).unwrap();
        assert_eq!(board.same(&score("a")).map(|job| job.id), Some(second.id));
        assert!(board.same(&score("b")).is_none() && board.same(&resume("a")).is_none());
        assert!(second.id > first.id && board.changes("a") && !board.changes("b"));
        add(resume("b")).unwrap();
        assert!(board.begin(&first));
        board.end(&first, Ok(Ending::Stopped));
        add(resume("a")).unwrap();
        add(score("a")).unwrap();
        assert_eq!(add(score("a")).err(), Some(503));
        board.stop(&second);
        assert!(!board.begin(&second), "it was stopped before its turn came");
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let mut standing = Standing::default();
        for step in 1..=5000 {
            let losses = efficientad_jobs::MeanLosses::default();
            standing.point(&StepReport {
                step,
                steps: 5000,
                losses,
                steps_per_second: 1.0,
                seconds_left: 0.0,
            });
        }
        let points = &standing.points;
        assert!(points.len() <= MOST_POINTS && points.len() > MOST_POINTS / 4);
        assert_eq!((points[0].step, points[points.len() - 1].step), (1, 5000));
    }
}
