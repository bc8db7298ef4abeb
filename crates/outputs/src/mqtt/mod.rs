//! Messages to an MQTT 5 broker.

mod config;
#[cfg(feature = "mqtt")]
mod json;
#[cfg(feature = "mqtt")]
mod link;
#[cfg(feature = "mqtt")]
mod sparkplug;

pub use config::{MqttConfig, MqttPayload};

#[cfg(feature = "mqtt")]
pub(crate) use outlet::open;

#[cfg(feature = "mqtt")]
mod outlet {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use rumqttc::v5::MqttOptions;
    use rumqttc::v5::mqttbytes::v5::LastWill;
    use rumqttc::{TlsConfiguration, Transport};
    use tokio::runtime::Runtime;

    use super::json::Json;
    use super::link::{Link, Message, WINDOW};
    use super::sparkplug::Sparkplug;
    use super::{MqttConfig, MqttPayload};
    use crate::error::OutputError;
    use crate::outlet::{Failure, Outlet, Shown};
    use crate::record::Record;
    use crate::runtime;
    use crate::state::{LineLog, LineState};
    use crate::{secret, tls};

    /// What messages say, and which there are beside those of records.
    pub(super) trait Dialect: Send {
        /// What the broker is to say when the connection is lost; called before each connection.
        fn will(&mut self) -> Result<Message, Failure>;
        /// Says that this side is there.
        fn greet(&mut self, link: &mut Link) -> Result<(), Failure>;
        /// Sends a record.
        fn send(
            &mut self,
            link: &mut Link,
            record: &Record,
            state: &LineState,
        ) -> Result<(), Failure>;
        /// Asks for what is needed to know that records arrived.
        fn settle(&mut self, _link: &mut Link) -> Result<(), Failure> {
            Ok(())
        }
        /// Shows how lines are.
        fn show(&mut self, link: &mut Link, lines: &[Shown<'_>]) -> Result<(), Failure>;
        /// Says that this side is going.
        fn take_leave(&mut self, link: &mut Link) -> Result<(), Failure>;
    }

    struct Mqtt {
        config: MqttConfig,
        client_id: String,
        runtime: Runtime,
        dialect: Box<dyn Dialect>,
        link: Option<Link>,
    }

    pub(crate) fn open(
        config: &MqttConfig,
        name: &str,
        state: &Path,
        lines: &[LineLog],
    ) -> Result<Box<dyn Outlet>, OutputError> {
        let runtime = runtime::of_one_thread(format!("mqtt {name}"))?;
        let station = lines.first().map_or("", |line| line.station.as_str());
        let dialect: Box<dyn Dialect> = match config.payload {
            MqttPayload::Json => Box::new(Json::new(&config.topic_prefix, station)),
            MqttPayload::SparkplugB => {
                let births: PathBuf = state.join(format!("{}.bdseq", crate::tail::file_name(name)));
                Box::new(Sparkplug::new(&config.group, station, births))
            }
        };
        let client_id = config.client_id.clone();
        let client_id = client_id.unwrap_or_else(|| format!("efficientad {station} {name}"));
        // What can't be read is to be told at the start.
        let mqtt = Mqtt { config: config.clone(), client_id, runtime, dialect, link: None };
        mqtt.transport()?;
        Ok(Box::new(mqtt))
    }

    impl Mqtt {
        fn transport(&self) -> Result<Transport, OutputError> {
            if !self.config.broker()?.is_encrypted {
                return Ok(Transport::Tcp);
            }
            let MqttConfig { ca_file, certificate_file, key_file, .. } = &self.config;
            let own = certificate_file.as_deref().zip(key_file.as_deref());
            let client = tls::client(ca_file.as_deref(), own)?;
            Ok(Transport::Tls(TlsConfiguration::Rustls(client)))
        }

        fn options(&self) -> Result<MqttOptions, OutputError> {
            let broker = self.config.broker()?;
            let host = match self.config.broker()?.is_encrypted {
                // A name of certificates has no brackets.
                true => broker.host.trim_start_matches('[').trim_end_matches(']').to_owned(),
                false => broker.host,
            };
            let mut options = MqttOptions::new(&self.client_id, host, broker.port);
            options.set_keep_alive(self.config.keep_alive());
            options.set_transport(self.transport()?);
            let MqttConfig { username, password_file, password_env, .. } = &self.config;
            if let Some(username) = username {
                let password = secret::read(password_file.as_deref(), password_env.as_deref())?;
                options.set_credentials(username, password.unwrap_or_default());
            }
            Ok(options)
        }

        fn link(link: &mut Option<Link>) -> Result<&mut Link, Failure> {
            link.as_mut().ok_or_else(|| Failure::away("there is no connection"))
        }
    }

    impl Outlet for Mqtt {
        fn connect(&mut self) -> Result<bool, Failure> {
            self.link = None;
            let mut options = self.options().map_err(Failure::away)?;
            let Message { topic, payload, qos, retain, .. } = self.dialect.will()?;
            options.set_last_will(LastWill::new(topic, payload, qos, retain, None));
            let mut link = Link::open(&self.runtime, options)?;
            self.dialect.greet(&mut link)?;
            self.link = Some(link);
            Ok(true)
        }

        fn window(&self) -> usize {
            WINDOW
        }

        fn send(&mut self, record: &Record, state: &LineState) -> Result<(), Failure> {
            self.dialect.send(Self::link(&mut self.link)?, record, state)
        }

        fn acknowledged(&mut self, at_most: Duration) -> Result<usize, Failure> {
            let link = Self::link(&mut self.link)?;
            self.dialect.settle(link)?;
            link.acknowledged(at_most)
        }

        fn show(&mut self, lines: &[Shown<'_>]) -> Result<(), Failure> {
            self.dialect.show(Self::link(&mut self.link)?, lines)
        }

        fn close(&mut self) {
            if let Some(mut link) = self.link.take()
                && self.dialect.take_leave(&mut link).is_ok()
            {
                link.close();
            }
        }
    }
}

/// A name as a level of a topic: without what would make it several levels, or a wildcard.
#[cfg(feature = "mqtt")]
fn level(name: &str) -> String {
    let is_special = |c: char| matches!(c, '/' | '+' | '#') || c.is_control();
    name.chars().map(|c| if is_special(c) { '_' } else { c }).collect()
}
