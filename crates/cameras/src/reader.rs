//! A camera's thread: connect, read, count, connect again.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use efficientad_evaluation::Frame;
use efficientad_stream::entry::PhotoFile;
use efficientad_stream::{Arrival, Supply};
use jiff::Timestamp;

use crate::config::{QueueConfig, ReconnectConfig};
use crate::connection::{Connection, Fault, Kind, Payload, RawFrame, Read};
use crate::numbers::{Numbers, Step};
use crate::pace::Pace;
use crate::queue::Queue;

/// How long it takes at most until the thread sees that it is to end, but for a kind's time-outs.
const TICK: Duration = Duration::from_millis(100);

/// What a thread needs beside its camera.
#[derive(Debug)]
pub(crate) struct ReaderOptions {
    /// What the configuration calls the camera.
    pub name: String,
    pub queue: QueueConfig,
    pub reconnect: ReconnectConfig,
    pub pace: Pace,
}

pub(crate) struct Reader {
    kind: Box<dyn Kind>,
    queue: Arc<Queue>,
    name: String,
    reconnect: ReconnectConfig,
    pace: Pace,
    numbers: Numbers,
    /// Frames that came so far.
    count: u64,
}

/// Tells the queue that the thread has ended, also if it panics.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Reader {
    pub(crate) fn new(kind: Box<dyn Kind>, queue: Arc<Queue>, options: ReaderOptions) -> Self {
        let ReaderOptions { name, reconnect, pace, .. } = options;
        let numbers = Numbers::new(kind.counting());
        Self { kind, queue, name, reconnect, pace, numbers, count: 0 }
    }

    /// Reads until the queue is closed.
    pub(crate) fn run(mut self) {
        let _end = End(Arc::clone(&self.queue));
        let mut pause = self.reconnect.first();
        while !self.queue.is_closed() {
            let count = self.count;
            let Some(fault) = self.connect_and_read() else { return };
            self.queue.push_dropped(fault.frames, fault.reason.as_str());
            self.queue.set_lost(fault.reason);
            if self.count > count {
                pause = self.reconnect.first();
            }
            self.pause(pause);
            pause = (pause * 2).min(self.reconnect.most());
        }
    }

    /// Why the connection ended; `None` if the queue is closed.
    fn connect_and_read(&mut self) -> Option<Fault> {
        let connected = self.kind.connect();
        // Whatever they were meant for is gone by.
        self.count_shots_in_vain(Duration::ZERO);
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(fault) => return Some(fault),
        };
        self.queue.set_back();
        self.numbers.connected();
        self.read(connection.as_mut())
    }

    fn read(&mut self, connection: &mut dyn Connection) -> Option<Fault> {
        let is_asked_for = connection.gives_when_asked();
        let mut is_asked = false;
        while !self.queue.is_closed() {
            if is_asked_for && !is_asked {
                is_asked = self.pace.wait(TICK);
            }
            let read = match is_asked_for && is_asked {
                true => self.ask_and_read(connection),
                false => connection.read(if is_asked_for { Duration::ZERO } else { TICK }),
            };
            match read {
                Ok(Read::Nothing) => {}
                Ok(Read::Remark(text)) => self.queue.push_remark(format!("{}: {text}", self.name)),
                Ok(Read::Broken { number, reason }) => {
                    let is_again = number.is_some_and(|number| self.numbers.has_seen(number));
                    if !is_again && !self.is_late(number) {
                        self.queue.push_dropped(1, reason);
                    }
                    is_asked = false;
                }
                Ok(Read::Frame(frame)) if is_asked_for && !is_asked => {
                    self.drop_unasked(frame.number);
                }
                Ok(Read::Frame(frame)) => {
                    self.take(frame, is_asked);
                    is_asked = false;
                }
                Err(Fault { reason, frames }) => {
                    return Some(Fault { reason, frames: frames.max(u64::from(is_asked)) });
                }
            }
        }
        None
    }

    /// Asks for a frame and waits for it.
    fn ask_and_read(&mut self, connection: &mut dyn Connection) -> Result<Read, Fault> {
        // A frame that came before could be taken for this one.
        match connection.read(Duration::ZERO)? {
            Read::Nothing => {}
            Read::Frame(RawFrame { number, .. }) | Read::Broken { number, .. } => {
                self.drop_unasked(number);
            }
            remark @ Read::Remark(_) => return Ok(remark),
        }
        connection.ask()?;
        loop {
            match connection.read(TICK)? {
                Read::Nothing if !self.queue.is_closed() => {}
                read => return Ok(read),
            }
        }
    }

    fn drop_unasked(&mut self, number: Option<u64>) {
        if !self.is_late(number) {
            self.queue.push_dropped(1, "a frame came that was not asked for");
        }
    }

    /// Looks at the number of a frame, and counts those that are missing before it; whether it was
    /// counted as missing itself.
    fn is_late(&mut self, number: Option<u64>) -> bool {
        let Some(number) = number else {
            self.numbers.see_unnumbered();
            return false;
        };
        match self.numbers.see(number) {
            Step::Next => false,
            Step::Late => true,
            Step::Missing(frames) => {
                self.queue.push_dropped(frames, "numbers of frames are missing");
                false
            }
            Step::Anew(last) => {
                self.queue.push_remark(format!(
                    "{}: after frame {last} comes frame {number}: the camera counts anew, and what is \
                     missing between is not known",
                    self.name
                ));
                false
            }
        }
    }

    fn take(&mut self, frame: RawFrame, is_asked: bool) {
        self.count += 1;
        if self.is_late(frame.number) {
            self.queue.push_remark(format!(
                "{}: a frame came so late that it was counted as dropped already; it is judged",
                self.name
            ));
        }
        if is_asked || self.pace.wait(Duration::ZERO) {
            let number = frame.number.unwrap_or(self.count);
            self.queue.push_frame(supply(&self.name, number, frame));
        }
    }

    /// Waits before the next attempt, at most until the queue is closed.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.queue.is_closed() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.count_shots_in_vain(left.min(TICK));
        }
    }

    fn count_shots_in_vain(&self, at_most: Duration) {
        let shots = self.pace.wait_in_vain(at_most);
        self.queue.push_dropped(shots, "asked for while the camera was out of reach");
    }
}

/// What a stream takes.
fn supply(camera: &str, number: u64, frame: RawFrame) -> Supply {
    let RawFrame { payload, time, .. } = frame;
    let time = time.unwrap_or_else(Timestamp::now);
    let path = format!("{camera}/{}-{number:06}", time.strftime("%Y%m%dT%H%M%S%.6fZ"));
    let bytes = match &payload {
        Payload::File(bytes) => bytes.len(),
        Payload::Pixels(pixels) => pixels.data.len(),
        Payload::Unreadable(_) => 0,
    };
    let photo =
        PhotoFile { path: path.clone(), path_hex: None, bytes: bytes as u64, modified: time };
    let arrival = Arrival { photo, file: None };
    let name = Cow::Owned(path);
    match payload {
        Payload::File(bytes) => {
            Supply::Photo(arrival, Frame::Bytes { name, bytes: Cow::Owned(bytes) })
        }
        Payload::Pixels(pixels) => Supply::Photo(arrival, Frame::Pixels { name, pixels }),
        Payload::Unreadable(reason) => Supply::Lost(arrival, format!("{name}: {reason}")),
    }
}
