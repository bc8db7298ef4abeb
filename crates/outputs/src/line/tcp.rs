//! Lines over TCP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Lines, MessageConfig, Port, answer_within, five_seconds};
use crate::config::{check_range, listening_address};
use crate::error::OutputError;
use crate::outlet::{Failure, Outlet};
use crate::record::Events;

/// A line of text or JSON for each record, over TCP: to a server, or to whoever connects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TcpConfig {
    /// The server to connect to: a name or address, and a port, such as `plc4:4000`. Either this or
    /// `listen` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where to listen for a client: an address and a port, such as `0.0.0.0:4000` for all networks,
    /// or a port alone for this machine. There is one client at a time; a new one takes the place of
    /// the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// What a line says.
    #[serde(default)]
    pub message: MessageConfig,
    /// Whether the counterpart answers each line by `OK` and the record's `id`, so that nothing is
    /// lost on the way. Without, a record counts as delivered once the system has taken its line.
    /// Default: false.
    #[serde(default)]
    pub ack: bool,
    /// How long an answer may take, in milliseconds; then the connection is made anew. Default: 5000.
    #[serde(default = "five_seconds")]
    pub ack_timeout_ms: u64,
    /// How long connecting and writing may take, in milliseconds. Default: 5000.
    #[serde(default = "five_seconds")]
    pub timeout_ms: u64,
    /// Which records go out: `verdicts` (the default) or `all`.
    #[serde(default)]
    pub events: Events,
}

impl TcpConfig {
    pub(crate) fn check(&self) -> Result<(), OutputError> {
        self.open().map(drop)
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Outlet>, OutputError> {
        check_range("timeout_ms", self.timeout_ms, 1, 600_000)?;
        let timeout = Duration::from_millis(self.timeout_ms);
        let message = self.message.message()?;
        let answer = answer_within(self.ack, self.ack_timeout_ms)?;
        match (&self.address, &self.listen) {
            (Some(address), None) => {
                let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                if port.is_none() {
                    let reason = format!("`{address}` does not end in a port, such as `:4000`");
                    return Err(OutputError::field("address", reason));
                }
                let port = Client { address: address.clone(), timeout, stream: None };
                Ok(Box::new(Lines::new(port, message, answer)))
            }
            (None, Some(listen)) => {
                let address = listening_address("listen", listen)?;
                let server = Server { address, timeout, listener: None, next: None, stream: None };
                Ok(Box::new(Lines::new(server, message, answer)))
            }
            _ => Err(OutputError::field("address", "either `address` or `listen` is to be given")),
        }
    }
}

struct Client {
    address: String,
    timeout: Duration,
    stream: Option<TcpStream>,
}

impl Port for Client {
    fn open(&mut self) -> Result<bool, Failure> {
        let failed = |error| Failure::away(format!("{}: {error}", self.address));
        let mut last = io::Error::other("the name has no address");
        for address in self.address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => {
                    self.stream = Some(prepared(stream, self.timeout).map_err(failed)?);
                    return Ok(true);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write(&mut self.stream, bytes)
    }

    fn read(&mut self, buffer: &mut [u8], at_most: Duration) -> io::Result<usize> {
        read(&mut self.stream, buffer, at_most)
    }

    fn close(&mut self) {
        self.stream = None;
    }
}

struct Server {
    address: SocketAddr,
    timeout: Duration,
    listener: Option<TcpListener>,
    /// A client that has come while there was another one.
    next: Option<TcpStream>,
    stream: Option<TcpStream>,
}

impl Server {
    /// The newest client that waits, if there is one.
    fn accept(&mut self) -> io::Result<Option<TcpStream>> {
        let Some(listener) = &self.listener else { return Ok(None) };
        let mut newest = None;
        loop {
            match listener.accept() {
                Ok((stream, _)) => newest = Some(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(newest),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Port for Server {
    fn open(&mut self) -> Result<bool, Failure> {
        if self.listener.is_none() {
            let failed = |error| Failure::away(format!("{}: {error}", self.address));
            let listener = TcpListener::bind(self.address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            self.listener = Some(listener);
        }
        let newest = self.accept()?;
        let client = newest.or_else(|| self.next.take());
        self.next = None;
        self.stream = client.map(|stream| prepared(stream, self.timeout)).transpose()?;
        Ok(self.stream.is_some())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write(&mut self.stream, bytes)
    }

    fn read(&mut self, buffer: &mut [u8], at_most: Duration) -> io::Result<usize> {
        self.next = self.accept()?;
        if self.next.is_some() {
            return Err(io::Error::other("another client has come"));
        }
        read(&mut self.stream, buffer, at_most)
    }

    fn close(&mut self) {
        self.stream = None;
    }
}

fn prepared(stream: TcpStream, timeout: Duration) -> io::Result<TcpStream> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

fn open(stream: &mut Option<TcpStream>) -> io::Result<&mut TcpStream> {
    stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

fn write(stream: &mut Option<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    open(stream)?.write_all(bytes)
}

fn read(stream: &mut Option<TcpStream>, buffer: &mut [u8], at_most: Duration) -> io::Result<usize> {
    let stream = open(stream)?;
    stream.set_nonblocking(at_most.is_zero())?;
    if !at_most.is_zero() {
        stream.set_read_timeout(Some(at_most))?;
    }
    let read = stream.read(buffer);
    stream.set_nonblocking(false)?;
    match read {
        Ok(0) => Err(io::Error::other("the counterpart closed the connection")),
        Ok(read) => Ok(read),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            Ok(0)
        }
        Err(error) => Err(error),
    }
}
