//! Which outputs there are, and what can be said of each in a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::csv::{CsvConfig, Table};
use crate::error::OutputError;
use crate::line::{SerialConfig, TcpConfig};
use crate::modbus::ModbusConfig;
use crate::mqtt::MqttConfig;
use crate::opcua::OpcuaConfig;
use crate::outlet::Outlet;
use crate::record::Events;
use crate::state::LineLog;
use crate::webhook::WebhookConfig;

/// An output, as a file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutputConfig {
    /// A table as a CSV file.
    Csv(CsvConfig),
    /// A Modbus TCP server.
    Modbus(ModbusConfig),
    /// Messages to an MQTT broker.
    Mqtt(MqttConfig),
    /// An OPC UA server.
    Opcua(OpcuaConfig),
    /// A line of text or JSON for each record, to a serial port.
    Serial(SerialConfig),
    /// A line of text or JSON for each record, over TCP.
    Tcp(TcpConfig),
    /// A request to a web server for each record.
    Webhook(WebhookConfig),
}

impl OutputConfig {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Modbus(_) => "modbus",
            Self::Mqtt(_) => "mqtt",
            Self::Opcua(_) => "opcua",
            Self::Serial(_) => "serial",
            Self::Tcp(_) => "tcp",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Finds out what is wrong with it, as far as that is known without a counterpart.
    ///
    /// # Errors
    /// A field can't be what it is, a secret is not where it is said to be, or this program was built
    /// without the kind of output.
    pub fn check(&self) -> Result<(), OutputError> {
        let is_built = match self {
            Self::Csv(_) | Self::Tcp(_) => true,
            Self::Modbus(_) => cfg!(feature = "modbus"),
            Self::Mqtt(_) => cfg!(feature = "mqtt"),
            Self::Opcua(_) => cfg!(feature = "opcua"),
            Self::Serial(_) => cfg!(feature = "serial"),
            Self::Webhook(_) => cfg!(feature = "webhook"),
        };
        if !is_built {
            return Err(OutputError::NotBuilt { kind: self.kind() });
        }
        match self {
            Self::Csv(config) => config.check(),
            Self::Modbus(config) => config.check(),
            Self::Mqtt(config) => config.check(),
            Self::Opcua(config) => config.check(),
            Self::Serial(config) => config.check(),
            Self::Tcp(config) => config.check(),
            Self::Webhook(config) => config.check(),
        }
    }

    /// Makes paths that are relative start at a folder: that of the configuration's file.
    pub fn resolve(&mut self, folder: &Path) {
        self.paths().into_iter().for_each(|path| *path = folder.join(&*path));
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Csv(config) => vec![&mut config.path],
            Self::Mqtt(config) => {
                let MqttConfig { password_file, ca_file, certificate_file, key_file, .. } = config;
                let files = [password_file, ca_file, certificate_file, key_file];
                files.into_iter().flatten().collect()
            }
            Self::Opcua(config) => config.password_file.iter_mut().collect(),
            Self::Serial(config) => vec![&mut config.path],
            Self::Webhook(WebhookConfig { secret_file, ca_file, .. }) => {
                [secret_file, ca_file].into_iter().flatten().collect()
            }
            Self::Modbus(_) | Self::Tcp(_) => Vec::new(),
        }
    }

    /// Which records go out.
    pub(crate) fn events(&self) -> Events {
        match self {
            Self::Csv(config) => config.events,
            Self::Modbus(_) | Self::Opcua(_) => Events::All,
            Self::Mqtt(config) => config.events,
            Self::Serial(config) => config.events,
            Self::Tcp(config) => config.events,
            Self::Webhook(config) => config.events,
        }
    }

    /// What delivers records; nothing is reached yet.
    pub(crate) fn open(
        &self,
        name: &str,
        state: &Path,
        lines: &[LineLog],
    ) -> Result<Box<dyn Outlet>, OutputError> {
        let _ = (name, state, lines);
        match self {
            Self::Csv(config) => Ok(Box::new(Table::new(&config.path))),
            #[cfg(feature = "modbus")]
            Self::Modbus(config) => crate::modbus::open(config, name, lines),
            #[cfg(feature = "mqtt")]
            Self::Mqtt(config) => crate::mqtt::open(config, name, state, lines),
            #[cfg(feature = "opcua")]
            Self::Opcua(config) => crate::opcua::open(config, name, state, lines),
            #[cfg(feature = "serial")]
            Self::Serial(config) => crate::line::open_serial(config),
            Self::Tcp(config) => config.open(),
            #[cfg(feature = "webhook")]
            Self::Webhook(config) => crate::webhook::open(config),
            #[allow(unreachable_patterns, reason = "in a build that has every kind")]
            _ => Err(OutputError::NotBuilt { kind: self.kind() }),
        }
    }
}

/// Checks that a field is within bounds.
pub(crate) fn check_range<T: PartialOrd + std::fmt::Display>(
    field: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), OutputError> {
    if value < least || value > most {
        let reason = format!("is {value}; it may be {least} to {most}");
        return Err(OutputError::field(field, reason));
    }
    Ok(())
}

/// Takes an address that is listened at; a port alone is one of this machine.
pub(crate) fn listening_address(
    field: &'static str,
    text: &str,
) -> Result<SocketAddr, OutputError> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.parse().map_err(|_| {
        let reason = format!(
            "`{text}` is neither a port of this machine, such as 5020, nor an address and a port, such \
             as 0.0.0.0:5020 for all networks"
        );
        OutputError::field(field, reason)
    })
}
