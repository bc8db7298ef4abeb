//! Lines to a serial port.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{MessageConfig, answer_within, five_seconds};
use crate::config::check_range;
use crate::error::OutputError;
use crate::record::Events;

/// A line of text or JSON for each record, to a serial port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SerialConfig {
    /// The port, such as `/dev/ttyUSB0` or `COM3`.
    pub path: PathBuf,
    /// Bits a second. Default: 9600.
    #[serde(default = "usual_baud")]
    pub baud: u32,
    /// Bits of a character, 7 or 8. Default: 8.
    #[serde(default = "eight")]
    pub data_bits: u8,
    /// Parity: `none` (the default), `even` or `odd`.
    #[serde(default)]
    pub parity: Parity,
    /// Stop bits, 1 or 2. Default: 1.
    #[serde(default = "one")]
    pub stop_bits: u8,
    /// What a line says.
    #[serde(default)]
    pub message: MessageConfig,
    /// Whether the counterpart answers each line by `OK` and the record's `id`, so that nothing is
    /// lost on the way. Without, a record counts as delivered once the system has taken its line.
    /// Default: false.
    #[serde(default)]
    pub ack: bool,
    /// How long an answer may take, in milliseconds; then the line is sent again. Default: 5000.
    #[serde(default = "five_seconds")]
    pub ack_timeout_ms: u64,
    /// Which records go out: `verdicts` (the default) or `all`.
    #[serde(default)]
    pub events: Events,
}

/// A bit that is sent with each character, so that its damage can be noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// There is none.
    #[default]
    None,
    /// The number of ones is even.
    Even,
    /// The number of ones is odd.
    Odd,
}

fn usual_baud() -> u32 {
    9_600
}

fn eight() -> u8 {
    8
}

fn one() -> u8 {
    1
}

impl SerialConfig {
    pub(crate) fn check(&self) -> Result<(), OutputError> {
        check_range("baud", self.baud, 50, 4_000_000)?;
        check_range("data_bits", self.data_bits, 7, 8)?;
        check_range("stop_bits", self.stop_bits, 1, 2)?;
        answer_within(self.ack, self.ack_timeout_ms)?;
        self.message.message().map(drop)
    }
}

#[cfg(feature = "serial")]
pub(crate) use port::open;

#[cfg(feature = "serial")]
mod port {
    use std::io;
    use std::time::Duration;

    use serial2::{CharSize, SerialPort, Settings, StopBits};

    use super::super::{Lines, Port};
    use super::{Parity, SerialConfig, answer_within};
    use crate::error::OutputError;
    use crate::outlet::{Failure, Outlet};

    /// How long the system may take to take a line, at the slowest speeds.
    const WRITE: Duration = Duration::from_secs(10);

    pub(crate) fn open(config: &SerialConfig) -> Result<Box<dyn Outlet>, OutputError> {
        let answer = answer_within(config.ack, config.ack_timeout_ms)?;
        let message = config.message.message()?;
        let port = Serial { config: config.clone(), port: None };
        Ok(Box::new(Lines::new(port, message, answer)))
    }

    struct Serial {
        config: SerialConfig,
        port: Option<SerialPort>,
    }

    fn settings(config: &SerialConfig, mut settings: Settings) -> io::Result<Settings> {
        settings.set_raw();
        settings.set_baud_rate(config.baud)?;
        let is_short = config.data_bits == 7;
        settings.set_char_size(if is_short { CharSize::Bits7 } else { CharSize::Bits8 });
        settings.set_stop_bits(if config.stop_bits == 2 { StopBits::Two } else { StopBits::One });
        settings.set_parity(match config.parity {
            Parity::None => serial2::Parity::None,
            Parity::Even => serial2::Parity::Even,
            Parity::Odd => serial2::Parity::Odd,
        });
        Ok(settings)
    }

    impl Serial {
        fn port(&mut self) -> io::Result<&mut SerialPort> {
            self.port.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
        }
    }

    impl Port for Serial {
        fn open(&mut self) -> Result<bool, Failure> {
            let path = self.config.path.display();
            let failed = |error| Failure::away(format!("{path}: {error}"));
            let configure = |unset| settings(&self.config, unset);
            let mut port = SerialPort::open(&self.config.path, configure).map_err(failed)?;
            port.set_write_timeout(WRITE).map_err(failed)?;
            self.port = Some(port);
            Ok(true)
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.port()?.write_all(bytes)
        }

        fn read(&mut self, buffer: &mut [u8], at_most: Duration) -> io::Result<usize> {
            let port = self.port()?;
            port.set_read_timeout(at_most)?;
            match port.read(buffer) {
                Ok(0) => Err(io::Error::other("the port was closed")),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(0),
                read => read,
            }
        }

        fn close(&mut self) {
            self.port = None;
        }
    }
}
