//! All lines and outputs of a station, and what changes while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use efficientad::InspectionEngine;
use efficientad_cameras::CameraConfig;
use efficientad_outputs::{LineLog, OutputConfig, Publisher};
use efficientad_stream::{Fault, Trigger, Wake};
use jiff::Timestamp;

use crate::check::check;
use crate::config::{LineConfig, StationConfig, StationOutput, place};
use crate::error::StationError;
use crate::event::{Change, Event};
use crate::line::{Judge, Line, LineSetup};
use crate::status::LineStatus;

/// Events that wait to be told; more than that are counted instead, as no line waits for whoever looks
/// at it.
const EVENTS: usize = 4096;
/// How often it is looked whether the file or a model changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a request to stop may stay unseen.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// Is told what happens at a station, or that nothing does.
pub type Observe<'a, E> = dyn FnMut(&Station, Option<Event>) -> Result<(), E> + 'a;

/// How a station is run.
#[derive(Clone)]
pub struct StationOptions {
    /// The file that describes it.
    pub file: PathBuf,
    /// What judges.
    pub engine: Arc<dyn InspectionEngine>,
    /// How long outputs may take at the end to deliver what is in the logs.
    pub finish: Duration,
}

/// A station at work.
pub struct Station {
    options: StationOptions,
    config: StationConfig,
    file: Watched,
    lines: BTreeMap<String, Running>,
    outputs: BTreeMap<String, Publishing>,
    triggers: BTreeMap<String, Trigger>,
    faults: BTreeMap<String, Fault>,
    wake: Wake,
    since: Timestamp,
    post: Post,
    events: Receiver<Event>,
}

struct Running {
    line: Line,
    config: LineConfig,
    camera: CameraConfig,
    model: Watched,
}

struct Publishing {
    publisher: Publisher,
    of: Published,
}

/// What an output depends on; when it changes, the output begins anew.
#[derive(PartialEq)]
struct Published {
    station: String,
    config: OutputConfig,
    lines: Vec<(String, LineConfig, CameraConfig)>,
}

impl Station {
    /// Reads and checks the station's file, then starts all that it says.
    ///
    /// # Errors
    /// Anything in the file can't work; nothing runs then.
    pub fn start(options: StationOptions) -> Result<Self, StationError> {
        let file = Watched::new(&options.file);
        let config = StationConfig::open(&options.file)?;
        let wrong = |problems| StationError::Problems { path: options.file.clone(), problems };
        let problems = check(&config, &options.engine);
        if !problems.is_empty() {
            return Err(wrong(problems));
        }
        fs::create_dir_all(&config.state)
            .map_err(|source| StationError::File { path: config.state.clone(), source })?;
        let (post, events) = Post::new();
        let mut station = Self {
            file,
            lines: BTreeMap::new(),
            outputs: BTreeMap::new(),
            triggers: BTreeMap::new(),
            faults: BTreeMap::new(),
            wake: Wake::default(),
            since: Timestamp::now(),
            post,
            events,
            config: StationConfig {
                lines: BTreeMap::new(),
                outputs: BTreeMap::new(),
                ..config.clone()
            },
            options: options.clone(),
        };
        let (_, problems) = station.become_like(config);
        if problems.is_empty() {
            return Ok(station);
        }
        station.end();
        Err(wrong(problems))
    }

    /// What its file said when it was read last.
    pub fn config(&self) -> &StationConfig {
        &self.config
    }

    /// How its lines are, by their names.
    pub fn status(&self) -> BTreeMap<String, LineStatus> {
        self.lines.iter().map(|(name, running)| (name.clone(), running.line.status())).collect()
    }

    /// Asks the camera of a line for a photo; `false` if there is no such line, or too many are asked
    /// for already.
    pub fn trigger(&self, line: &str) -> bool {
        self.triggers.get(line).is_some_and(Trigger::fire)
    }

    /// Runs until `stop` says so. `observe` is told what happens; it is called with `None` about twenty times a
    /// second as long as nothing does. Returns how lines were at the end, by their names.
    ///
    /// # Errors
    /// Whatever `observe` returns; all has ended then, too.
    pub fn run<E>(
        mut self,
        stop: &dyn Fn() -> bool,
        observe: &mut Observe<'_, E>,
    ) -> Result<BTreeMap<String, LineStatus>, E> {
        let mut next_look = Instant::now() + LOOK_EVERY;
        let mut told = Ok(());
        while told.is_ok() && !stop() {
            let mut events: Vec<Option<Event>> = vec![self.events.recv_timeout(STOP_INTERVAL).ok()];
            events.extend(self.post.untold().map(Some));
            if Instant::now() >= next_look {
                events.extend(self.look().into_iter().map(Some));
                next_look = Instant::now() + LOOK_EVERY;
            }
            told = events.into_iter().try_for_each(|event| observe(&self, event));
        }
        let (lines, last) = self.end();
        told?;
        last.into_iter().try_for_each(|event| observe(&self, Some(event)))?;
        Ok(lines)
    }

    /// Ends all lines, then the outputs, once they have delivered what is in the logs; how lines were,
    /// and what is still to be told.
    fn end(&mut self) -> (BTreeMap<String, LineStatus>, Vec<Event>) {
        self.lines.values().for_each(|running| running.line.close());
        let lines = std::mem::take(&mut self.lines).into_iter();
        let lines = lines.map(|(name, running)| (name, running.line.join())).collect();
        let outputs = std::mem::take(&mut self.outputs);
        let undelivered: Vec<Event> = outputs
            .into_iter()
            .filter_map(|(name, output)| self.finish_output(name, output))
            .collect();
        (lines, self.events.try_iter().chain(undelivered).collect())
    }

    fn finish_output(&self, output: String, publishing: Publishing) -> Option<Event> {
        let records = publishing.publisher.finish(self.options.finish);
        (records.total() > 0).then_some(Event::Undelivered { output, records })
    }

    /// Looks whether the file or a model changed, and changes what runs.
    fn look(&mut self) -> Vec<Event> {
        let is_changed = self.file.is_changed();
        let models: Vec<String> = self
            .lines
            .iter_mut()
            .filter_map(|(name, running)| running.model.is_changed().then(|| name.clone()))
            .collect();
        let (mut changes, mut problems) = (Vec::new(), Vec::new());
        for name in models {
            match self.change_model(&name) {
                Ok(()) => changes.push(Change::Model(name)),
                Err(problem) => problems.push(problem),
            }
        }
        if is_changed {
            match self.read_changed() {
                Ok(config) => {
                    let (further, wrong) = self.become_like(config);
                    changes.extend(further);
                    problems.extend(wrong);
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        let changed = (!changes.is_empty()).then_some(Event::Changed(changes));
        let not_changed = (!problems.is_empty()).then_some(Event::NotChanged { problems });
        changed.into_iter().chain(not_changed).collect()
    }

    fn read_changed(&self) -> Result<StationConfig, Vec<String>> {
        let config = StationConfig::open(&self.options.file);
        let config = config.map_err(|error| vec![error.to_string()])?;
        if config.state != self.config.state {
            return Err(vec!["state: the folder can't change while the station runs".to_owned()]);
        }
        let problems = check(&config, &self.options.engine);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn change_model(&self, name: &str) -> Result<(), String> {
        let Some(running) = self.lines.get(name) else { return Ok(()) };
        let judge = Judge::open(&running.config, &self.options.engine);
        running.line.change_model(judge.map_err(|problem| place("lines", name, problem))?);
        Ok(())
    }

    /// Ends what is not in the new description, or is otherwise there, and begins what is new.
    fn become_like(&mut self, config: StationConfig) -> (Vec<Change>, Vec<String>) {
        self.config = config;
        let (mut changes, mut problems) = (Vec::new(), Vec::new());
        for name in self.other_lines() {
            if let Some(running) = self.lines.remove(&name) {
                running.line.close();
                running.line.join();
            }
            let begun =
                self.config.lines.get(&name).cloned().map(|line| self.begin_line(&name, line));
            problems.extend(begun.and_then(Result::err).map(|it| place("lines", &name, it)));
            changes.push(Change::Line(name));
        }
        for name in self.other_outputs() {
            if let Some(output) = self.outputs.remove(&name) {
                self.finish_output(name.clone(), output)
                    .into_iter()
                    .for_each(|it| self.post.put(it));
            }
            let output = self.config.outputs.get(&name).cloned();
            let begun = output.map(|output| self.begin_output(&name, &output));
            problems.extend(begun.and_then(Result::err).map(|it| place("outputs", &name, it)));
            changes.push(Change::Output(name));
        }
        (changes, problems)
    }

    /// Names of lines that run otherwise than the description says.
    fn other_lines(&self) -> BTreeSet<String> {
        let names = self.lines.keys().chain(self.config.lines.keys());
        let is_other = |name: &&String| {
            let running = self.lines.get(*name).map(|it| (&it.config, &it.camera));
            let wanted =
                self.config.lines.get(*name).map(|it| (it, &self.config.cameras[&it.camera]));
            running != wanted
        };
        names.filter(is_other).cloned().collect()
    }

    fn other_outputs(&self) -> BTreeSet<String> {
        let names = self.outputs.keys().chain(self.config.outputs.keys());
        let is_other = |name: &&String| {
            let wanted = self.config.outputs.get(*name).map(|output| self.published(output));
            self.outputs.get(*name).map(|it| &it.of) != wanted.as_ref()
        };
        names.filter(is_other).cloned().collect()
    }

    fn published(&self, output: &StationOutput) -> Published {
        let of = |name: &str| {
            let line = self.config.lines[name].clone();
            let camera = self.config.cameras[&line.camera].clone();
            (name.to_owned(), line, camera)
        };
        Published {
            station: self.config.name.clone(),
            config: output.config.clone(),
            lines: self.config.lines_of(output).into_iter().map(of).collect(),
        }
    }

    fn begin_line(&mut self, name: &str, config: LineConfig) -> Result<(), String> {
        let model = Watched::new(&config.model);
        let judge = Judge::open(&config, &self.options.engine)?;
        let camera = self.config.cameras[&config.camera].clone();
        let (post, line) = (self.post.clone(), name.to_owned());
        let tell = move |event| post.put(Event::Line { line: line.clone(), event });
        let setup = LineSetup {
            log: self.config.log(name),
            name: name.to_owned(),
            config: config.clone(),
            camera: camera.clone(),
            trigger: self.triggers.entry(name.to_owned()).or_default().clone(),
            wake: self.wake.clone(),
            fault: self.faults.entry(name.to_owned()).or_default().clone(),
            tell: Arc::new(tell),
        };
        let line = Line::start(setup, judge)?;
        self.lines.insert(name.to_owned(), Running { line, config, camera, model });
        Ok(())
    }

    fn begin_output(&mut self, name: &str, output: &StationOutput) -> Result<(), String> {
        let of = self.published(output);
        let log = |(line, config, camera): &(String, LineConfig, CameraConfig)| LineLog {
            station: of.station.clone(),
            line: line.clone(),
            log: self.config.log(line),
            budget: config.budget(),
            fail_safe: config.fail_safe,
            trigger: camera.is_triggered().then(|| self.triggers.get(line).cloned()).flatten(),
            running_since: self.since,
            fault: self.faults.get(line).cloned().unwrap_or_default(),
        };
        let lines = of.lines.iter().map(log).collect();
        let (post, output) = (self.post.clone(), name.to_owned());
        let tell = move |event| post.put(Event::Output { output: output.clone(), event });
        let (state, wake) = (&self.config.state, self.wake.clone());
        let publisher = Publisher::start(name, &of.config, state, lines, wake, Arc::new(tell));
        let publisher = publisher.map_err(|error| error.to_string())?;
        self.outputs.insert(name.to_owned(), Publishing { publisher, of });
        Ok(())
    }
}

/// Takes events from all threads, and never lets one wait.
#[derive(Clone)]
struct Post {
    sender: SyncSender<Event>,
    untold: Arc<AtomicU64>,
}

impl Post {
    fn new() -> (Self, Receiver<Event>) {
        let (sender, events) = sync_channel(EVENTS);
        (Self { sender, untold: Arc::default() }, events)
    }

    fn put(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn untold(&self) -> Option<Event> {
        match self.untold.swap(0, Ordering::Relaxed) {
            0 => None,
            count => Some(Event::Untold(count)),
        }
    }
}

/// A file that may change. One that is being written counts as changed once it stays the same from
/// one look to the next.
struct Watched {
    path: PathBuf,
    taken: Stamp,
    latest: Stamp,
}

/// Size and time of change of a file; `None` if there is none.
type Stamp = Option<(u64, Option<SystemTime>)>;

impl Watched {
    fn new(path: &Path) -> Self {
        let stamp = stamp(path);
        Self { path: path.to_owned(), taken: stamp, latest: stamp }
    }

    /// Whether it is another one than was taken before, which is told once. That it is gone is no
    /// change: what was read of it goes on.
    fn is_changed(&mut self) -> bool {
        let before = self.latest;
        self.latest = stamp(&self.path);
        let is_new = self.latest == before && self.latest != self.taken && self.latest.is_some();
        if is_new {
            self.taken = self.latest;
        }
        is_new
    }
}

fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).ok().map(|file| (file.len(), file.modified().ok()))
}
