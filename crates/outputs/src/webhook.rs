//! A request to a web server for each record, signed as Standard Webhooks are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::check_range;
use crate::error::OutputError;
use crate::record::Events;

/// A POST of a record as JSON to a web server, for each record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to: `https://…`, or `http://…`, which is not encrypted.
    pub url: String,
    /// A file that holds the secret that requests are signed by: `whsec_` and 24 to 64 bytes in
    /// Base64. Without a secret requests are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// An environment variable that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// A file of the authorities whose certificates are believed, in PEM format. Default: those that
    /// this machine believes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How often a record is sent that the server refuses; after that it is set aside. Default: 3.
    #[serde(default = "three")]
    pub tries: u32,
    /// How long a request may take, in milliseconds. Default: 10000.
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// Which records go out: `verdicts` (the default) or `all`.
    #[serde(default)]
    pub events: Events,
}

fn three() -> u32 {
    3
}

fn ten_seconds() -> u64 {
    10_000
}

impl WebhookConfig {
    pub(crate) fn check(&self) -> Result<(), OutputError> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            let reason = format!("`{}` does not begin with https://HOST or http://HOST", self.url);
            return Err(OutputError::field("url", reason));
        }
        check_range("tries", self.tries, 1, 1_000)?;
        check_range("timeout_ms", self.timeout_ms, 1, 600_000)?;
        #[cfg(feature = "webhook")]
        self.key()?;
        Ok(())
    }
}

#[cfg(feature = "webhook")]
pub(crate) use post::open;

#[cfg(feature = "webhook")]
mod post {
    use std::sync::Arc;
    use std::time::Duration;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use jiff::Timestamp;
    use ring::hmac;
    use ureq::http::{Response, StatusCode, header};
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    use ureq::{Agent, Body};

    use super::WebhookConfig;
    use crate::error::OutputError;
    use crate::outlet::{Failure, Outlet};
    use crate::record::Record;
    use crate::state::LineState;
    use crate::{secret, tls};

    /// Longest answer that is read, in bytes, so that the connection can be used again.
    const MAX_ANSWER: u64 = 16 << 10;
    /// How much of an answer is told, in characters.
    const TOLD: usize = 120;
    /// Longest pause that a server can ask for.
    const MAX_PAUSE: u64 = 300;

    struct Webhook {
        config: WebhookConfig,
        key: Option<hmac::Key>,
        agent: Agent,
        acknowledged: usize,
    }

    pub(crate) fn open(config: &WebhookConfig) -> Result<Box<dyn Outlet>, OutputError> {
        let agent = agent(config)?;
        let key = config.key()?;
        Ok(Box::new(Webhook { config: config.clone(), key, agent, acknowledged: 0 }))
    }

    impl WebhookConfig {
        /// What requests are signed by.
        pub(super) fn key(&self) -> Result<Option<hmac::Key>, OutputError> {
            let (file, variable) = (self.secret_file.as_deref(), self.secret_env.as_deref());
            let Some(text) = secret::read(file, variable)? else { return Ok(None) };
            let bytes = text.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
            match bytes {
                Some(bytes) if (24..=64).contains(&bytes.len()) => {
                    Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
                }
                _ => Err(OutputError::field(
                    "secret_file",
                    "the secret is not `whsec_` and 24 to 64 bytes in Base64, such as `echo \
                     whsec_$(openssl rand -base64 32)` makes",
                )),
            }
        }
    }

    fn agent(config: &WebhookConfig) -> Result<Agent, OutputError> {
        let mut settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("efficientad/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(Duration::from_millis(config.timeout_ms)));
        if config.url.starts_with("https://") {
            let authorities = tls::authorities(config.ca_file.as_deref())?;
            let roots = authorities.iter().map(|der| Certificate::from_der(der).to_owned());
            let roots: Vec<_> = roots.collect();
            let encryption = TlsConfig::builder()
                .root_certs(RootCerts::new_with_certs(&roots))
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ));
            settings = settings.tls_config(encryption.build());
        }
        Ok(settings.build().into())
    }

    impl Webhook {
        fn post(&self, record: &Record) -> Result<Response<Body>, ureq::Error> {
            let body = serde_json::to_vec(record).map_err(|error| ureq::Error::Io(error.into()))?;
            let time = Timestamp::now().as_second().to_string();
            let mut request = self
                .agent
                .post(&self.config.url)
                .header(header::CONTENT_TYPE, "application/json")
                .header("Idempotency-Key", &record.id)
                .header("webhook-id", &record.id)
                .header("webhook-timestamp", &time);
            if let Some(key) = &self.key {
                request =
                    request.header("webhook-signature", signature(key, &record.id, &time, &body));
            }
            request.send(&body[..])
        }
    }

    /// `v1,` and the signature of `ID.TIME.BODY`.
    fn signature(key: &hmac::Key, id: &str, time: &str, body: &[u8]) -> String {
        let mut signed = hmac::Context::with_key(key);
        signed.update(format!("{id}.{time}.").as_bytes());
        signed.update(body);
        format!("v1,{}", STANDARD.encode(signed.sign()))
    }

    impl Outlet for Webhook {
        fn connect(&mut self) -> Result<bool, Failure> {
            self.acknowledged = 0;
            Ok(true)
        }

        fn send(&mut self, record: &Record, _state: &LineState) -> Result<(), Failure> {
            let mut answer = self.post(record).map_err(Failure::away)?;
            let status = answer.status();
            let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
            if status.is_success() {
                self.acknowledged += 1;
                return Ok(());
            }
            let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
            let told: String = body.trim().chars().take(TOLD).collect();
            let reason = format!("the server answers {status}: {}", told.escape_debug());
            let is_passing = status.is_server_error()
                || [
                    StatusCode::REQUEST_TIMEOUT,
                    StatusCode::TOO_EARLY,
                    StatusCode::TOO_MANY_REQUESTS,
                ]
                .contains(&status);
            if is_passing {
                return Err(Failure::Away { reason, after: pause(&answer) });
            }
            Err(Failure::Refused { reason, tries: self.config.tries })
        }

        fn acknowledged(&mut self, _at_most: Duration) -> Result<usize, Failure> {
            Ok(std::mem::take(&mut self.acknowledged))
        }
    }

    /// How long the server asks to be left alone.
    fn pause(answer: &Response<Body>) -> Option<Duration> {
        let seconds: u64 =
            answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds.min(MAX_PAUSE)))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The example of the specification (standardwebhooks.com, "Signature scheme").
        #[test]
        fn the_signature_is_that_of_the_specification() {
            let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
            let signed = signature(&key, id, time, br#"{"test": 2432232314}"#);
            assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        }
    }
}
