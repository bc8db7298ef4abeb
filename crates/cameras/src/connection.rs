//! What the reader's thread asks of a kind of camera.

use std::time::Duration;

use efficientad_evaluation::Pixels;
use jiff::Timestamp;

use crate::numbers::Counting;

/// A kind of camera with its configuration.
pub(crate) trait Kind: Send {
    /// Connects; may take as long as its time-outs let it.
    fn connect(&mut self) -> Result<Box<dyn Connection>, Fault>;

    /// How the camera numbers its frames.
    fn counting(&self) -> Counting;
}

/// A camera that is connected.
pub(crate) trait Connection {
    /// The next frame, after about that time at the latest; a kind may wait longer within its own
    /// time-outs.
    fn read(&mut self, at_most: Duration) -> Result<Read, Fault>;

    /// Whether the camera gives a frame when it is asked for one, and otherwise none.
    fn gives_when_asked(&self) -> bool {
        false
    }

    /// Asks for a frame, if [`Self::gives_when_asked`]; called again only after it came. One that
    /// doesn't come is a [`Fault`] of [`Self::read`].
    fn ask(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// What came from a camera.
#[derive(Debug)]
pub(crate) enum Read {
    /// A frame.
    Frame(RawFrame),
    /// A frame that did not arrive whole.
    Broken {
        /// Its number.
        number: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that should be known and changes no frame.
    Remark(String),
    /// Nothing within the time.
    Nothing,
}

/// A frame as it came.
#[derive(Debug)]
pub(crate) struct RawFrame {
    pub payload: Payload,
    /// The camera's number of it.
    pub number: Option<u64>,
    /// When it was taken or began to arrive; `None` for now.
    pub time: Option<Timestamp>,
}

impl RawFrame {
    /// A frame without number that arrived now.
    pub(crate) fn now(payload: Payload) -> Self {
        Self { payload, number: None, time: None }
    }
}

/// What a frame holds.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "genicam", feature = "gstreamer", feature = "v4l2")),
    expect(dead_code, reason = "cameras of the default build give files")
)]
pub(crate) enum Payload {
    /// The bytes of a picture file.
    File(Vec<u8>),
    /// Pixels.
    Pixels(Pixels<'static>),
    /// A whole frame that can't be read, and why.
    Unreadable(String),
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What went wrong.
    pub reason: String,
    /// Frames that had begun to arrive.
    pub frames: u64,
}

impl Fault {
    /// A connection that ended between two frames.
    pub(crate) fn between(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), frames: 0 }
    }

    /// A connection that ended within a frame.
    pub(crate) fn within(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), frames: 1 }
    }
}
