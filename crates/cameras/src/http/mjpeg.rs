//! Streams of photos over HTTP.

use std::io::{self, BufReader};
use std::time::{Duration, Instant};

use ureq::BodyReader;

use super::client::{Client, Limit, header};
use super::parts::{Part, PartError, Parts, boundary};
use crate::config::MjpegConfig;
use crate::connection::{Connection, Fault, Kind, Payload, RawFrame, Read};
use crate::error::CameraError;
use crate::numbers::Counting;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads a stream of photos.
pub(crate) struct Mjpeg {
    config: MjpegConfig,
    /// In lower case.
    number_header: Option<String>,
}

impl Mjpeg {
    pub(crate) fn new(config: &MjpegConfig) -> Result<Self, CameraError> {
        let number_header = config.frame_number_header.as_deref().map(str::to_ascii_lowercase);
        Ok(Self { config: config.clone(), number_header })
    }
}

impl Kind for Mjpeg {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Fault> {
        let timeout = Duration::from_millis(self.config.timeout_ms.into());
        let mut client =
            Client::new(self.config.access(), Limit::Parts(timeout)).map_err(Fault::between)?;
        let answer = client.get()?;
        let content_type = header(answer.headers(), "content-type").unwrap_or("no Content-Type");
        let Some(boundary) = boundary(content_type) else {
            return Err(Fault::between(format!(
                "the camera answers {content_type:?} instead of multipart/x-mixed-replace with a \
                 boundary; for an address that gives single photos set kind = \"http\""
            )));
        };
        let input =
            Timed { body: answer.into_body().into_reader(), timeout, until: Instant::now() };
        let input = BufReader::with_capacity(BUFFER_BYTES, input);
        let parts = Parts::new(input, boundary, self.config.max_frame_bytes);
        let number_header = self.number_header.clone();
        Ok(Box::new(Stream { parts, number_header, is_told: false, waiting: None }))
    }

    fn counting(&self) -> Counting {
        Counting::OnAndOn
    }
}

struct Stream {
    parts: Parts<BufReader<Timed>>,
    number_header: Option<String>,
    /// Whether it was told that there are bytes between parts.
    is_told: bool,
    /// A frame before which something was told.
    waiting: Option<RawFrame>,
}

impl Connection for Stream {
    fn read(&mut self, _at_most: Duration) -> Result<Read, Fault> {
        if let Some(frame) = self.waiting.take() {
            return Ok(Read::Frame(frame));
        }
        self.parts.input().get_mut().start();
        let part = self.parts.next().map_err(|error| match error {
            PartError::Within(reason) if self.number_header.is_none() => Fault::within(reason),
            // A frame that was cut is missing in the numbers, and counted there.
            PartError::Within(reason) | PartError::Between(reason) => Fault::between(reason),
        })?;
        let number = self.number(&part)?;
        let Part { body, skipped, .. } = part;
        let frame = RawFrame { payload: Payload::File(body), number, time: None };
        if skipped == 0 || std::mem::replace(&mut self.is_told, true) {
            return Ok(Read::Frame(frame));
        }
        self.waiting = Some(frame);
        Ok(Read::Remark(format!(
            "{skipped} bytes between two frames belong to none: the camera sends wrong lengths, and \
             frames may be cut"
        )))
    }
}

impl Stream {
    fn number(&self, part: &Part) -> Result<Option<u64>, Fault> {
        let Some(name) = &self.number_header else { return Ok(None) };
        let number = part.header(name).and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| {
            Fault::within(format!(
                "a frame has no number in its header {name}; correct frame_number_header, or leave it \
                 out"
            ))
        })
    }
}

/// A body of which each frame must come within a time.
struct Timed {
    body: BodyReader<'static>,
    timeout: Duration,
    until: Instant,
}

impl Timed {
    /// A frame begins.
    fn start(&mut self) {
        self.until = Instant::now() + self.timeout;
    }
}

impl io::Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stalled = || {
            let seconds = self.timeout.as_secs_f64();
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no whole frame came within {seconds} s"),
            )
        };
        if Instant::now() >= self.until {
            return Err(stalled());
        }
        self.body.read(buffer).map_err(|error| match ureq::Error::from(error) {
            ureq::Error::Timeout(_) => stalled(),
            ureq::Error::Io(error) => error,
            other => io::Error::other(other),
        })
    }
}
