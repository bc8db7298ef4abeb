//! What happens, for those who watch: verdicts and jobs, as events of a stream (server-sent events).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use efficientad_evaluation::Verdict;
use efficientad_stream::drift::{Alarm, MIN_SCORES};
use efficientad_stream::entry::{JudgedPhoto, Session};
use futures_util::stream::unfold;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};
use tokio::time::timeout;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::desk::lock;
use crate::models::version;
use crate::server::Shared;
use crate::verdicts::{Passing, Place};

/// Events that wait for a slow watcher; it is told when it missed some.
const WAITING: usize = 256;
/// Verdicts and rejects that are remembered.
const LAST: usize = 50;
/// How often a watcher hears something, and how soon it is told that the server ends.
const BEAT: Duration = Duration::from_secs(1);

/// What happens. Clones share it.
#[derive(Clone)]
pub(crate) struct Feed {
    sender: Sender<Bytes>,
    line: Arc<Mutex<Line>>,
}

/// What was judged since the server started.
struct Line {
    since: Timestamp,
    models: HashMap<String, OfModel>,
    /// Logs of other processes, by their names.
    logs: BTreeMap<String, OfLog>,
    last: VecDeque<Value>,
    rejects: VecDeque<Value>,
}

/// By what is judged.
struct Judge<'a> {
    name: &'a str,
    version: &'a str,
    /// Whether there is a test for drift.
    watched: bool,
}

/// A verdict of another process.
pub(crate) struct Heard<'a> {
    pub time: Timestamp,
    /// The name of its log.
    pub log: &'a str,
    /// What it is counted under.
    pub name: &'a str,
    pub session: &'a Session,
    pub judged: &'a JudgedPhoto,
}

/// What a model judged.
#[derive(Default, Serialize)]
struct OfModel {
    #[serde(skip)]
    version: String,
    judged: u64,
    rejected: u64,
    /// The last alarm of drift.
    drift: Option<Alarm>,
    /// Whether there is a test for drift.
    watched: bool,
}

/// What the log of another process says of its camera.
#[derive(Default, Serialize)]
pub(crate) struct OfLog {
    /// Whether that process ended as it should.
    pub stopped: bool,
    /// Why its camera is out of reach; `None` if it is not.
    pub lost: Option<String>,
    /// Photos that could not be judged.
    pub failed: u64,
    /// Photos that were taken and will not be judged.
    pub dropped: u64,
}

impl Default for Feed {
    fn default() -> Self {
        let line = Line {
            since: Timestamp::now(),
            models: HashMap::new(),
            logs: BTreeMap::new(),
            last: VecDeque::new(),
            rejects: VecDeque::new(),
        };
        Self { sender: channel(WAITING).0, line: Arc::new(Mutex::new(line)) }
    }
}

impl Feed {
    /// Tells all watchers.
    pub(crate) fn tell(&self, event: &str, data: &impl Serialize) {
        // Nobody need watch.
        if self.sender.receiver_count() > 0
            && let Ok(data) = serde_json::to_string(data)
        {
            let _ = self.sender.send(format!("event: {event}\ndata: {data}\n\n").into());
        }
    }

    /// Takes a verdict, where it is recorded, and what the test for drift says of it.
    pub(crate) fn judged(
        &self,
        passing: &Passing<'_>,
        recorded: Option<Place>,
        alarm: Option<Alarm>,
    ) {
        let Passing { origin, model, name, verdict, seconds, .. } = passing;
        let scores = model.detector.calibration().map(|it| it.scores().len());
        let judge = Judge {
            name: &model.name,
            version: model.version(),
            watched: scores.is_some_and(|scores| scores >= MIN_SCORES),
        };
        let document = json!({
            "time": Timestamp::now(),
            "model": model.name,
            "version": model.version(),
            "name": name,
            "client": origin.client,
            "score": verdict.score,
            "anomalous": verdict.anomalous,
            "p_value": verdict.p_value,
            "threshold": model.detector.threshold(),
            "regions": verdict.region_count,
            "seconds": seconds,
            "recorded": recorded,
        });
        self.count(&judge, document, verdict, alarm);
    }

    /// Takes a verdict of another process, which is in its log.
    pub(crate) fn heard(&self, heard: &Heard<'_>) {
        let Heard { time, log, name, session, judged } = heard;
        let judge =
            Judge { name, version: version(&session.model), watched: session.drift.is_some() };
        let verdict = &judged.verdict;
        let document = json!({
            "time": time,
            "model": name,
            "version": judge.version,
            "name": judged.photo.path,
            "client": log,
            "score": verdict.score,
            "anomalous": verdict.anomalous,
            "p_value": verdict.p_value,
            "threshold": session.threshold,
            "regions": null,
            "seconds": null,
            "recorded": null,
        });
        self.count(&judge, document, verdict, None);
    }

    /// Takes an alarm of another process; it is told with the next verdict.
    pub(crate) fn drifted(&self, name: &str, alarm: Alarm) {
        if let Some(of_model) = lock(&self.line).models.get_mut(name) {
            of_model.drift = Some(alarm);
        }
    }

    /// Takes what the log of another process says of its camera.
    pub(crate) fn of_log(&self, name: &str, change: impl FnOnce(&mut OfLog)) {
        let mut line = lock(&self.line);
        let of_log = line.logs.entry(name.to_owned()).or_default();
        change(of_log);
        let state = json!(of_log);
        drop(line);
        self.tell("log", &json!({ "name": name, "state": state }));
    }

    fn count(&self, judge: &Judge<'_>, document: Value, verdict: &Verdict, alarm: Option<Alarm>) {
        let is_reject = verdict.anomalous == Some(true);
        let mut line = lock(&self.line);
        let of_model = line.of(judge);
        of_model.judged += 1;
        of_model.rejected += u64::from(is_reject);
        of_model.drift = alarm.or(of_model.drift);
        let counts = json!(of_model);
        if is_reject {
            push(&mut line.rejects, document.clone());
        }
        push(&mut line.last, document.clone());
        drop(line);
        self.tell("verdict", &json!({ "verdict": document, "counts": counts }));
    }

    /// Since when it counts.
    pub(crate) fn since(&self) -> Timestamp {
        lock(&self.line).since
    }

    fn snapshot(&self) -> Value {
        let line = lock(&self.line);
        json!({
            "since": line.since,
            "models": line.models,
            "logs": line.logs,
            "last": line.last,
            "rejects": line.rejects,
        })
    }
}

impl Line {
    fn of(&mut self, judge: &Judge<'_>) -> &mut OfModel {
        let of_model = self.models.entry(judge.name.to_owned()).or_default();
        if of_model.version != judge.version {
            // Another model, or another calibration: another test.
            of_model.watched = judge.watched;
            of_model.drift = None;
            judge.version.clone_into(&mut of_model.version);
        }
        of_model
    }
}

/// The last ones first.
fn push(all: &mut VecDeque<Value>, one: Value) {
    all.truncate(LAST - 1);
    all.push_front(one);
}

/// What was judged since the server started.
pub(crate) async fn line(call: Call) -> Answer {
    answer::json(&call.shared.feed.snapshot())
}

/// All that happens from now on, until the client goes or the server ends.
pub(crate) async fn events(call: Call) -> Answer {
    let begin = Bytes::from_static(b"event: begun\ndata: {}\n\n");
    let watcher = Watcher {
        events: call.shared.feed.sender.subscribe(),
        shared: Arc::clone(&call.shared),
        first: Some(begin),
    };
    let stream = unfold(watcher, |mut watcher| async move {
        Some((Ok::<_, Infallible>(watcher.next().await?), watcher))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

struct Watcher {
    events: Receiver<Bytes>,
    shared: Arc<Shared>,
    first: Option<Bytes>,
}

impl Watcher {
    /// The next event, or a sign of life; `None` once the server ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.shared.is_stopping() {
            return None;
        }
        match timeout(BEAT, self.events.recv()).await {
            Ok(Ok(event)) => Some(event),
            Ok(Err(RecvError::Lagged(_))) => {
                Some(Bytes::from_static(b"event: missed\ndata: {}\n\n"))
            }
            Ok(Err(RecvError::Closed)) => None,
            Err(_) => Some(Bytes::from_static(b": alive\n\n")),
        }
    }
}
