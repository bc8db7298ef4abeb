//! Verdicts go out: from the logs of a station to tables, PLCs and brokers.
//!
//! A [`Publisher`] follows the logs of lines, makes a [`Record`] of each line of theirs, and has it
//! delivered by one output, as an [`OutputConfig`] describes it: in order, at least once, with an
//! `id` that stays the same. What was acknowledged is noted in a file beside the logs, so that a
//! counterpart that is away, a process that is killed and a power cut lose nothing.
//!
//! | module | what it does | knows nothing of |
//! |---|---|---|
//! | `record` | what goes out | logs |
//! | `state` | what a log says up to a line; the record of that line | files |
//! | `tail` | a log read as records, and the note of what was delivered | counterparts |
//! | `publisher` | the loop: read, hand over, wait for acknowledgements, note | kinds of outputs |
//! | `outlet` | what the loop asks of a kind of output | kinds of outputs |
//! | `config` | which kinds there are | |
//! | `csv` | a table | networks |
//! | `line` | lines of text or JSON, over TCP and to serial ports | |
//! | `modbus` | a server that holds the state of lines in registers | |
//! | `mqtt` | messages to a broker: JSON, or Sparkplug B | |
//! | `opcua` | a server that holds the state of lines in variables | |
//! | `webhook` | requests to a web server | |
//! | `runtime` | the thread of an output that speaks by tokio | |
//! | `secret`, `tls` | passwords and keys; whose certificates are believed | |
//!
//! `docs/outputs.md` specifies what each kind sends and guarantees. Nothing here prints.

#![cfg_attr(
    not(any(feature = "modbus", feature = "mqtt", feature = "opcua")),
    allow(dead_code, reason = "not every kind of output shows the state of lines")
)]

mod backoff;
mod config;
mod csv;
mod error;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod line;
mod modbus;
mod mqtt;
mod opcua;
mod outlet;
mod publisher;
mod record;
#[cfg(any(feature = "modbus", feature = "mqtt", feature = "opcua"))]
mod runtime;
mod secret;
mod state;
mod tail;
#[cfg(feature = "tls")]
mod tls;
mod webhook;

pub use config::OutputConfig;
pub use csv::CsvConfig;
pub use error::OutputError;
pub use event::OutputEvent;
pub use line::{LineEnd, MessageConfig, Parity, SerialConfig, TcpConfig};
pub use modbus::ModbusConfig;
pub use mqtt::{MqttConfig, MqttPayload};
pub use opcua::OpcuaConfig;
pub use publisher::{Publisher, Tell, Undelivered};
pub use record::{EventKind, Events, FailSafe, Record, VerdictKind};
pub use state::LineLog;
pub use webhook::WebhookConfig;
