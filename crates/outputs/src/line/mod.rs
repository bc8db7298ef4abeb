//! A line of text for each record, to whatever takes lines: a PLC, a printer, a program.

mod message;
mod serial;
mod tcp;

use std::io;
use std::time::{Duration, Instant};

use crate::config::check_range;
use crate::error::OutputError;
use crate::outlet::{Failure, Outlet};
use crate::record::Record;
use crate::state::LineState;

pub use message::{LineEnd, MessageConfig};
pub use serial::{Parity, SerialConfig};
pub use tcp::TcpConfig;

#[cfg(feature = "serial")]
pub(crate) use serial::open as open_serial;

use message::Message;

/// Longest answer that is read, in bytes: `OK`, an `id`, and room for others that are named.
const MAX_ANSWER: usize = 256;

/// Something that bytes go to and come from.
trait Port: Send {
    /// Opens it; `false` if the counterpart is to come by itself and is not there yet.
    fn open(&mut self) -> Result<bool, Failure>;
    /// Writes all bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Reads what has come, and waits at most so long for it; 0 if nothing has.
    fn read(&mut self, buffer: &mut [u8], at_most: Duration) -> io::Result<usize>;
    /// Closes it.
    fn close(&mut self);
}

/// Writes lines to a port.
struct Lines<P> {
    port: P,
    message: Message,
    /// How long an answer may take; `None` if none is asked for.
    answer_within: Option<Duration>,
    /// The record that is to be answered, and since when.
    waiting: Option<(String, Instant)>,
    acknowledged: usize,
    answer: Vec<u8>,
}

impl<P: Port> Lines<P> {
    fn new(port: P, message: Message, answer_within: Option<Duration>) -> Self {
        let answer = Vec::new();
        Self { port, message, answer_within, waiting: None, acknowledged: 0, answer }
    }

    /// Takes what has come of answers.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for &byte in bytes {
            if byte != b'\n' && byte != b'\r' {
                if self.answer.len() == MAX_ANSWER {
                    return Err(Failure::away(format!(
                        "its answer is longer than {MAX_ANSWER} bytes"
                    )));
                }
                self.answer.push(byte);
                continue;
            }
            let answer = String::from_utf8_lossy(&self.answer).trim().to_owned();
            self.answer.clear();
            let id = answer.strip_prefix("OK").map(str::trim);
            if self.waiting.as_ref().is_some_and(|(waiting, _)| id == Some(waiting)) {
                self.waiting = None;
                self.acknowledged += 1;
            } else if !answer.is_empty() && id.is_none() {
                // An OK of another record is late: it was sent again meanwhile.
                let answer = answer.escape_default();
                return Err(Failure::away(format!(
                    "it answered `{answer}` instead of OK and the id"
                )));
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        self.port.close();
        (self.waiting, self.acknowledged) = (None, 0);
        self.answer.clear();
    }
}

impl<P: Port> Outlet for Lines<P> {
    fn connect(&mut self) -> Result<bool, Failure> {
        self.close();
        self.port.open()
    }

    fn window(&self) -> usize {
        if self.answer_within.is_some() { 1 } else { 64 }
    }

    fn send(&mut self, record: &Record, _state: &LineState) -> Result<(), Failure> {
        self.port.write(&self.message.bytes(record))?;
        match self.answer_within {
            Some(_) => self.waiting = Some((record.id.clone(), Instant::now())),
            None => self.acknowledged += 1,
        }
        Ok(())
    }

    fn acknowledged(&mut self, at_most: Duration) -> Result<usize, Failure> {
        let wait = if self.waiting.is_some() { at_most } else { Duration::ZERO };
        let mut buffer = [0; MAX_ANSWER];
        let read = self.port.read(&mut buffer, wait)?;
        if let Some(within) = self.answer_within {
            self.hear(&buffer[..read])?;
            if self.waiting.as_ref().is_some_and(|(_, since)| since.elapsed() > within) {
                return Err(Failure::away(format!(
                    "it did not answer within {} ms",
                    within.as_millis()
                )));
            }
        }
        Ok(std::mem::take(&mut self.acknowledged))
    }

    fn close(&mut self) {
        Lines::close(self);
    }
}

/// How long answers may take, if they are asked for.
fn answer_within(ack: bool, ack_timeout_ms: u64) -> Result<Option<Duration>, OutputError> {
    check_range("ack_timeout_ms", ack_timeout_ms, 1, 600_000)?;
    Ok(ack.then(|| Duration::from_millis(ack_timeout_ms)))
}

fn five_seconds() -> u64 {
    5_000
}
