//! What can be said of a broker.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::check_range;
use crate::error::OutputError;
use crate::record::Events;

/// Messages to an MQTT 5 broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// The broker: `mqtt://HOST:PORT`, or `mqtts://HOST:PORT` for an encrypted connection. Default of
    /// the port: 1883, and 8883 for `mqtts`.
    pub url: String,
    /// What messages are: `json` (the default) or `sparkplug_b`.
    #[serde(default)]
    pub payload: MqttPayload,
    /// The first level, or levels, of all topics of `json`. Default: `efficientad`.
    #[serde(default = "efficientad")]
    pub topic_prefix: String,
    /// The group of `sparkplug_b`. Default: `efficientad`.
    #[serde(default = "efficientad")]
    pub group: String,
    /// What the broker knows this output by. Default: `efficientad`, and the names of station and
    /// output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file that holds the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Whether a password may go over a connection that is not encrypted to another machine, where
    /// the network can read it. Default: false.
    #[serde(default)]
    pub plain_password: bool,
    /// A file of the authorities whose certificates are believed, in PEM format. Default: those that
    /// this machine believes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A file with a certificate of this client, in PEM format, for brokers that ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// A file with the key of that certificate, in PEM format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// After how many seconds without a sign the other side is taken for gone, half as much again for
    /// the broker's part; 5 or more. Default: 10.
    #[serde(default = "ten")]
    pub keep_alive_s: u16,
    /// Which records go out: `verdicts`, or `all` (the default).
    #[serde(default = "all")]
    pub events: Events,
}

/// What messages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MqttPayload {
    /// A record as JSON.
    #[default]
    Json,
    /// Sparkplug B 3.0: the station is an edge node, each line a device.
    SparkplugB,
}

fn efficientad() -> String {
    "efficientad".to_owned()
}

fn ten() -> u16 {
    10
}

fn all() -> Events {
    Events::All
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "mqtt"), allow(dead_code, reason = "it is only checked"))]
pub(crate) struct Broker {
    pub host: String,
    pub port: u16,
    pub is_encrypted: bool,
}

impl MqttConfig {
    pub(crate) fn broker(&self) -> Result<Broker, OutputError> {
        let wrong = || {
            let reason = format!("`{}` is not mqtt://HOST:PORT or mqtts://HOST:PORT", self.url);
            OutputError::field("url", reason)
        };
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let (is_encrypted, default) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // An address of version 6 has colons of its own, and brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (rest, default),
        };
        if host.is_empty()
            || host.contains(['/', '@', '?', '#'])
            || host.contains(char::is_whitespace)
        {
            return Err(wrong());
        }
        Ok(Broker { host: host.to_owned(), port, is_encrypted })
    }

    pub(crate) fn check(&self) -> Result<(), OutputError> {
        let broker = self.broker()?;
        check_range("keep_alive_s", self.keep_alive_s, 5, 3_600)?;
        for (field, level) in [("topic_prefix", &self.topic_prefix), ("group", &self.group)] {
            if level.is_empty() || level.contains(['+', '#']) || level.starts_with('$') {
                let reason = "is empty, begins with `$` or has a wildcard, `+` or `#`, in it";
                return Err(OutputError::field(field, reason));
            }
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let reason = "a certificate and its key are given together or not at all";
            return Err(OutputError::field("key_file", reason));
        }
        let has_password = self.password_file.is_some() || self.password_env.is_some();
        if has_password && self.username.is_none() {
            return Err(OutputError::field("username", "a password needs its user"));
        }
        let stays_here = matches!(broker.host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        if has_password && !broker.is_encrypted && !stays_here && !self.plain_password {
            let reason = "the password could be read on the network: take mqtts://, or say \
                          `plain_password = true`";
            return Err(OutputError::field("url", reason));
        }
        crate::secret::read(self.password_file.as_deref(), self.password_env.as_deref()).map(drop)
    }

    #[cfg_attr(not(feature = "mqtt"), allow(dead_code, reason = "it is only checked"))]
    pub(crate) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_s.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(url: &str) -> Option<(String, u16, bool)> {
        let config: MqttConfig = toml::from_str(&format!("url = '{url}'")).unwrap();
        config.broker().ok().map(|broker| (broker.host, broker.port, broker.is_encrypted))
    }

    #[test]
    fn a_url_names_host_and_port() {
        let parts = |host: &str, port, is_encrypted| Some((host.to_owned(), port, is_encrypted));
        assert_eq!(broker("mqtt://broker"), parts("broker", 1883, false));
        assert_eq!(broker("mqtts://10.0.0.1/"), parts("10.0.0.1", 8883, true));
        assert_eq!(broker("mqtts://[::1]:99"), parts("[::1]", 99, true));
        assert_eq!(broker("mqtt://[::1]"), parts("[::1]", 1883, false));
        for wrong in
            ["broker:1883", "http://broker", "mqtt://", "mqtt://b:x", "mqtt://u:p@b", "mqtt://b/x"]
        {
            assert_eq!(broker(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_password_does_not_go_over_the_network_unencrypted_by_mistake() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = |url: &str, more: &str| {
            let text = format!(
                "url = '{url}'\nusername = 'u'\npassword_file = '{}'\n{more}",
                file.path().display()
            );
            let config: MqttConfig = toml::from_str(&text).unwrap();
            config.check().map_err(|error| error.to_string())
        };
        assert!(check("mqtt://broker", "").unwrap_err().contains("could be read on the network"));
        check("mqtt://broker", "plain_password = true").unwrap();
        check("mqtts://broker", "").unwrap();
        check("mqtt://127.0.0.1", "").unwrap();
        assert!(
            check("mqtt://localhost", "topic_prefix = 'a/#'").unwrap_err().contains("wildcard")
        );
    }
}
