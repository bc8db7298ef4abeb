//! Logs of `efficientad watch` and of stations on this machine, for those who look at the line.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use efficientad_stream::entry::{Entry, Line, Session};
use efficientad_stream::{Follower, StreamError};

use crate::feed::Heard;
use crate::models::version;
use crate::server::Shared;

/// How often it is looked whether there are new lines.
const PAUSE: Duration = Duration::from_millis(500);

/// The logs that a server follows.
pub(crate) struct Logs(Vec<Log>);

struct Log {
    follower: Follower,
    /// What it is called: its file, without the ending.
    name: String,
    /// What verdicts depend on, since the last start of its watcher.
    session: Option<Session>,
    /// Under what name verdicts are counted; `None` until the first one of a session.
    model: Option<String>,
    /// Why it could not be read when it was last tried.
    trouble: Option<String>,
}

impl Logs {
    /// Opens logs, which need not be there yet.
    pub(crate) fn open(paths: Vec<PathBuf>) -> Result<Self, StreamError> {
        let mut names = HashSet::new();
        let open = |path: PathBuf| {
            let name = name(&path);
            let name = if names.insert(name.clone()) { name } else { path.display().to_string() };
            let follower = Follower::open(path)?;
            Ok(Log { follower, name, session: None, model: None, trouble: None })
        };
        paths.into_iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// Tells what is appended to them, in a thread of its own, until the server ends.
    pub(crate) fn follow(mut self, shared: Arc<Shared>) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let follow = move || {
            while !shared.is_stopping() {
                self.0.iter_mut().for_each(|log| log.read(&shared));
                thread::sleep(PAUSE);
            }
        };
        thread::Builder::new().name("logs".to_owned()).spawn(follow).map(drop)
    }
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Log {
    fn read(&mut self, shared: &Shared) {
        let Self { follower, name, session, model, trouble } = self;
        let feed = &shared.feed;
        let read = follower.read(|line| {
            let Line { time, entry } = line;
            match entry {
                Entry::Started(begun) => {
                    (*session, *model) = (Some(begun), None);
                    feed.of_log(name, |log| (log.stopped, log.lost) = (false, None));
                }
                Entry::Stopped => feed.of_log(name, |log| log.stopped = true),
                Entry::Lost(lost) => feed.of_log(name, |log| log.lost = Some(lost.reason)),
                Entry::Back => feed.of_log(name, |log| log.lost = None),
                // What was judged before the server started is not of its line.
                _ if time < feed.since() => {}
                Entry::Judged(judged) => {
                    let Some(session) = session else { return };
                    let model = model.get_or_insert_with(|| named(name, session, shared));
                    let (log, name, judged) = (&*name, &*model, &judged);
                    feed.heard(&Heard { time, log, name, session, judged });
                }
                Entry::Drift(alarm) => {
                    model.iter().for_each(|model| feed.drifted(model, alarm));
                }
                Entry::Failed(_) => feed.of_log(name, |log| log.failed += 1),
                Entry::Dropped(dropped) => feed.of_log(name, |log| log.dropped += dropped.frames),
                Entry::Filed(_) => {}
            }
        });
        let now = read.err().map(|error| error.to_string());
        if let Some(reason) = now.as_ref().filter(|_| now != *trouble) {
            tracing::warn!(log = name, "a log of watch can't be followed: {reason}");
        }
        *trouble = now;
    }
}

/// What verdicts of a log are counted under: its name, and that of the model.
fn named(log: &str, session: &Session, shared: &Shared) -> String {
    let loaded = shared.models.loaded();
    let known = loaded.iter().find(|model| model.sha256 == session.model);
    format!("{log} ({})", known.map_or(version(&session.model), |model| &model.name))
}
