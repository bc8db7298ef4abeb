//! A Modbus TCP server: the state of lines in registers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::{check_range, listening_address};
use crate::error::OutputError;

/// Registers of a line.
const REGISTERS: u16 = 40;
/// From the first register of a line to that of the next one, unless it is said where they are.
const STEP: u16 = 100;

/// A Modbus TCP server. It has no passwords and no encryption: whoever reaches it may read, and
/// trigger the camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModbusConfig {
    /// Where to listen: a port alone for this machine, or an address and a port, such as
    /// `0.0.0.0:502` for all networks. Ports below 1024 may need permission.
    pub listen: String,
    /// Addresses of the first registers of lines, counted from 0. Lines that are not named have 0,
    /// 100, 200 and so on, by their place in `lines`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, u16>,
    /// Clients at a time; more are turned away. Default: 8.
    #[serde(default = "eight")]
    pub clients: usize,
    /// After how many seconds without a request a client is let go. Default: 60.
    #[serde(default = "sixty")]
    pub idle_s: u64,
}

fn eight() -> usize {
    8
}

fn sixty() -> u64 {
    60
}

impl ModbusConfig {
    pub(crate) fn address(&self) -> Result<SocketAddr, OutputError> {
        listening_address("listen", &self.listen)
    }

    pub(crate) fn check(&self) -> Result<(), OutputError> {
        check_range("clients", self.clients, 1, 1_000)?;
        check_range("idle_s", self.idle_s, 1, 86_400)?;
        self.address().map(drop)
    }

    /// The address of each line's first register.
    #[cfg_attr(not(feature = "modbus"), allow(dead_code, reason = "there is no server"))]
    fn places(&self, lines: &[&str]) -> Result<Vec<u16>, OutputError> {
        let wrong = |reason: String| Err(OutputError::field("addresses", reason));
        let unknown = self.addresses.keys().find(|line| !lines.contains(&line.as_str()));
        if let Some(line) = unknown {
            return wrong(format!("there is no line `{line}` in this output"));
        }
        let mut places: Vec<u16> = Vec::new();
        for (index, &line) in lines.iter().enumerate() {
            let usual = u16::try_from(index).ok().and_then(|index| index.checked_mul(STEP));
            let place = self.addresses.get(line).copied().or(usual);
            let Some(place) = place.filter(|&place| place <= u16::MAX - REGISTERS) else {
                return wrong(format!(
                    "there is no room for the {REGISTERS} registers of `{line}`"
                ));
            };
            if places.iter().any(|other| other.abs_diff(place) < REGISTERS) {
                return wrong(format!("registers of `{line}` are those of another line"));
            }
            places.push(place);
        }
        Ok(places)
    }
}

#[cfg(feature = "modbus")]
pub(crate) use server::open;

#[cfg(feature = "modbus")]
mod server {
    use std::future::{Ready, ready};
    use std::io;
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use efficientad_stream::Trigger;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::runtime::Runtime;
    use tokio::sync::{OwnedSemaphorePermit, Semaphore};
    use tokio::task::JoinHandle;
    use tokio_io_timeout::TimeoutStream;
    use tokio_modbus::prelude::*;
    use tokio_modbus::server::Service;
    use tokio_modbus::server::tcp::Server;

    use super::{ModbusConfig, REGISTERS};
    use crate::error::OutputError;
    use crate::outlet::{Failure, Outlet, Shown};
    use crate::record::{Record, VerdictKind};
    use crate::runtime;
    use crate::state::{LineLog, LineState};

    type Registers = [u16; REGISTERS as usize];

    /// What clients read, all of a line at once.
    #[derive(Clone)]
    struct Board(Arc<Mutex<Vec<Entry>>>);

    struct Entry {
        place: u16,
        registers: Registers,
        trigger: Option<Trigger>,
    }

    struct Modbus {
        address: SocketAddr,
        clients: usize,
        idle: Duration,
        board: Board,
        runtime: Runtime,
        server: Option<JoinHandle<io::Result<()>>>,
        heartbeat: u16,
        acknowledged: usize,
    }

    pub(crate) fn open(
        config: &ModbusConfig,
        name: &str,
        lines: &[LineLog],
    ) -> Result<Box<dyn Outlet>, OutputError> {
        let names: Vec<_> = lines.iter().map(|line| line.line.as_str()).collect();
        let entry = |(place, line): (u16, &LineLog)| {
            let registers = registers(line, &LineState::default(), 0);
            Entry { place, registers, trigger: line.trigger.clone() }
        };
        let entries = config.places(&names)?.into_iter().zip(lines).map(entry).collect();
        let runtime = runtime::of_one_thread(format!("modbus {name}"))?;
        Ok(Box::new(Modbus {
            address: config.address()?,
            clients: config.clients,
            idle: Duration::from_secs(config.idle_s),
            board: Board(Arc::new(Mutex::new(entries))),
            runtime,
            server: None,
            heartbeat: 0,
            acknowledged: 0,
        }))
    }

    impl Outlet for Modbus {
        fn connect(&mut self) -> Result<bool, Failure> {
            self.close();
            let failed = |error| Failure::away(format!("{}: {error}", self.address));
            let listener =
                self.runtime.block_on(TcpListener::bind(self.address)).map_err(failed)?;
            let clients = Arc::new(Semaphore::new(self.clients));
            let (board, idle) = (self.board.clone(), self.idle);
            self.server = Some(self.runtime.spawn(async move {
                let welcome = |stream: TcpStream, _| {
                    let permit = Arc::clone(&clients).try_acquire_owned().ok();
                    let client = permit.map(|permit| {
                        let service = Answers { board: board.clone(), _permit: permit };
                        (service, with_timeout(stream, idle))
                    });
                    ready(Ok(client))
                };
                // Whoever sends what is none of the protocol is let go.
                Server::new(listener).serve(&welcome, drop).await
            }));
            Ok(true)
        }

        fn send(&mut self, _record: &Record, _state: &LineState) -> Result<(), Failure> {
            self.acknowledged += 1;
            Ok(())
        }

        fn acknowledged(&mut self, _at_most: Duration) -> Result<usize, Failure> {
            let server = self.server.as_mut().filter(|server| server.is_finished());
            if let Some(server) = server {
                let reason = match self.runtime.block_on(server) {
                    Ok(Err(error)) => error.to_string(),
                    _ => "the server ended".to_owned(),
                };
                self.server = None;
                return Err(Failure::away(reason));
            }
            Ok(std::mem::take(&mut self.acknowledged))
        }

        fn show(&mut self, lines: &[Shown<'_>]) -> Result<(), Failure> {
            self.heartbeat = self.heartbeat.wrapping_add(1);
            let mut entries = self.board.lock();
            for (entry, line) in entries.iter_mut().zip(lines) {
                entry.registers = registers(line.log, line.state, self.heartbeat);
            }
            Ok(())
        }

        fn close(&mut self) {
            if let Some(server) = self.server.take() {
                server.abort();
                let _ = self.runtime.block_on(server);
            }
            self.acknowledged = 0;
        }
    }

    fn with_timeout(stream: TcpStream, idle: Duration) -> Pin<Box<TimeoutStream<TcpStream>>> {
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_read_timeout(Some(idle));
        stream.set_write_timeout(Some(idle));
        Box::pin(stream)
    }

    impl Board {
        fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Answers one client.
    struct Answers {
        board: Board,
        _permit: OwnedSemaphorePermit,
    }

    impl Service for Answers {
        type Request = Request<'static>;
        type Response = Response;
        type Exception = ExceptionCode;
        type Future = Ready<Result<Response, ExceptionCode>>;

        fn call(&self, request: Request<'static>) -> Self::Future {
            ready(self.board.answer(&request))
        }
    }

    impl Board {
        fn answer(&self, request: &Request<'_>) -> Result<Response, ExceptionCode> {
            match *request {
                Request::ReadInputRegisters(at, count) => self
                    .read(at, count, |entry| entry.registers.to_vec())
                    .map(Response::ReadInputRegisters),
                Request::ReadHoldingRegisters(at, count) => self
                    .read(at, count, |entry| entry.registers.to_vec())
                    .map(Response::ReadHoldingRegisters),
                Request::ReadDiscreteInputs(at, count) => self
                    .read(at, count, |entry| flags(&entry.registers))
                    .map(Response::ReadDiscreteInputs),
                Request::ReadCoils(at, count) => {
                    self.read(at, count, |_| vec![false]).map(Response::ReadCoils)
                }
                Request::WriteSingleCoil(at, coil) => {
                    self.trigger(at, coil)?;
                    Ok(Response::WriteSingleCoil(at, coil))
                }
                Request::WriteMultipleCoils(at, ref coils) if coils.len() == 1 => {
                    self.trigger(at, coils[0])?;
                    Ok(Response::WriteMultipleCoils(at, 1))
                }
                Request::WriteMultipleCoils(..) => Err(ExceptionCode::IllegalDataAddress),
                _ => Err(ExceptionCode::IllegalFunction),
            }
        }

        /// A part of what a line has at its addresses.
        fn read<T: Clone>(
            &self,
            at: u16,
            count: u16,
            all: impl Fn(&Entry) -> Vec<T>,
        ) -> Result<Vec<T>, ExceptionCode> {
            if count == 0 {
                return Err(ExceptionCode::IllegalDataValue);
            }
            let entries = self.lock();
            let part = |entry: &Entry| {
                let start = usize::from(at.checked_sub(entry.place)?);
                all(entry).get(start..start + usize::from(count)).map(<[T]>::to_vec)
            };
            entries.iter().find_map(part).ok_or(ExceptionCode::IllegalDataAddress)
        }

        fn trigger(&self, at: u16, coil: bool) -> Result<(), ExceptionCode> {
            let entries = self.lock();
            let entry = entries.iter().find(|entry| entry.place == at);
            let entry = entry.ok_or(ExceptionCode::IllegalDataAddress)?;
            let trigger = entry.trigger.as_ref().ok_or(ExceptionCode::ServerDeviceFailure)?;
            if coil && !trigger.fire() {
                return Err(ExceptionCode::ServerDeviceBusy);
            }
            Ok(())
        }
    }

    /// The discrete inputs of a line: ready, reject, lost and late.
    fn flags(registers: &Registers) -> Vec<bool> {
        [0, 2, 14, 13].map(|at: usize| registers[at] != 0).to_vec()
    }

    /// The registers of a line; `docs/outputs.md` has them as a table.
    fn registers(log: &LineLog, state: &LineState, heartbeat: u16) -> Registers {
        let counters = &state.counters;
        let last = state.last.as_ref();
        let verdict = last.map_or(0, |last| match last.verdict {
            Some(VerdictKind::Good) => 1,
            Some(VerdictKind::Anomalous) => 2,
            Some(VerdictKind::Failed) => 3,
            None => 4,
        });
        let verdicts = counters.good + counters.anomalous + counters.failed + counters.undecided;
        let mut registers = [0; REGISTERS as usize];
        let mut put =
            |at: usize, words: &[u16]| registers[at..at + words.len()].copy_from_slice(words);
        put(0, &[state.is_ready(log).into(), heartbeat, state.is_reject(log).into(), verdict]);
        put(4, &count(verdicts));
        put(6, &float(last.and_then(|last| last.score)));
        put(8, &float(state.threshold()));
        put(10, &count(last.map_or(0, |last| last.sequence)));
        let is_late = last.is_some_and(|last| last.late);
        put(12, &[u16::from(last.is_some_and(|last| last.reject)), is_late.into()]);
        put(14, &[state.is_lost().into()]);
        let age = last.and_then(|last| last.age_ms).unwrap_or_default();
        put(16, &words(u32::try_from(age).unwrap_or(u32::MAX)));
        put(18, &count(counters.good));
        put(20, &count(counters.anomalous));
        put(22, &count(counters.failed));
        put(24, &count(counters.undecided));
        put(26, &count(counters.dropped));
        put(28, &count(counters.late));
        put(30, &id(last));
        registers
    }

    /// The high word first.
    fn words(value: u32) -> [u16; 2] {
        [(value >> 16) as u16, value as u16]
    }

    /// A counter, which begins at 0 again after 2³²−1.
    fn count(value: u64) -> [u16; 2] {
        words(value as u32)
    }

    /// A number of 32 bits (IEEE 754), which is no number without a value.
    fn float(value: Option<f32>) -> [u16; 2] {
        words(value.unwrap_or(f32::NAN).to_bits())
    }

    /// The 16 bytes of an `id`, the first digits first.
    fn id(last: Option<&Record>) -> [u16; 8] {
        let id = last.and_then(|last| u128::from_str_radix(&last.id, 16).ok()).unwrap_or_default();
        std::array::from_fn(|word| (id >> (112 - 16 * word)) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(addresses: &[(&str, u16)], lines: &[&str]) -> Result<Vec<u16>, String> {
        let config = ModbusConfig {
            listen: "5020".to_owned(),
            addresses: addresses.iter().map(|&(line, at)| (line.to_owned(), at)).collect(),
            clients: 1,
            idle_s: 1,
        };
        assert_eq!(config.address().unwrap(), SocketAddr::from(([127, 0, 0, 1], 5020)));
        config.places(lines).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_have_places_of_their_own() {
        assert_eq!(places(&[], &["a", "b", "c"]).unwrap(), [0, 100, 200]);
        assert_eq!(places(&[("b", 1_000)], &["a", "b"]).unwrap(), [0, 1_000]);
        assert!(places(&[("c", 0)], &["a"]).unwrap_err().contains("no line `c`"));
        assert!(places(&[("b", 39)], &["a", "b"]).unwrap_err().contains("those of another line"));
        assert_eq!(places(&[("b", 40)], &["a", "b"]).unwrap(), [0, 40]);
        assert!(places(&[("a", 65_530)], &["a"]).unwrap_err().contains("no room"));
    }
}
