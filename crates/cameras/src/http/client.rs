//! Requests to a camera, with its password.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use digest_auth::{AlgorithmType, AuthContext, WwwAuthenticateHeader};
use efficientad_files::read_limited;
use ureq::config::ConfigBuilder;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

use super::password::Password;
use crate::config::Authentication;
use crate::config::http::Access;
use crate::connection::Fault;
use crate::error::CameraError;

/// Most bytes of a file of certificates.
const MAX_CERTIFICATES: u64 = 4 << 20;
/// Most bytes of the head of an answer.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Asks one camera, each time by a connection of its own: cameras close idle ones as they like, and
/// a request into a closed one would be a frame that is lost.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    /// Path and query, which a digest is about.
    target: String,
    credentials: Option<Credentials>,
    /// How the camera last asked for a digest, so that it needn't ask each time.
    challenge: Option<WwwAuthenticateHeader>,
}

struct Credentials {
    username: String,
    password: Password,
    authentication: Authentication,
}

/// What time is limited by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// The whole answer.
    Whole(Duration),
    /// Connecting, the answer's head, and each wait for more.
    Parts(Duration),
}

impl Client {
    pub(crate) fn new(access: Access<'_>, limit: Limit) -> Result<Self, CameraError> {
        let uri = access.uri()?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let credentials = Password::of(access)?.map(|password| Credentials {
            username: access.username.unwrap_or_default().to_owned(),
            password,
            authentication: access.authentication,
        });
        let config = limit
            .apply(Agent::config_builder())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .max_response_header_size(MAX_HEAD_BYTES)
            .user_agent(concat!("efficientad/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls_config(access.ca_file)?);
        let agent = config.build().new_agent();
        Ok(Self { agent, url: access.url.to_owned(), target, credentials, challenge: None })
    }

    /// The answer to a request, if it is what was asked for.
    pub(crate) fn get(&mut self) -> Result<Response<Body>, Fault> {
        let authorization = self.authorization()?;
        let mut answer = self.request(authorization)?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.take_challenge(answer.headers())?;
            let authorization = self.authorization()?;
            answer = self.request(authorization)?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(Fault::between(
                "the camera refuses the user's name or password (401); correct username or the \
                 password's file",
            )),
            status if status.is_redirection() => Err(Fault::between(format!(
                "the camera refers to another address ({status}: {}), which is not followed; set url \
                 to it if it is right",
                header(answer.headers(), "location").unwrap_or("none named")
            ))),
            status => Err(Fault::between(format!("the camera answers {status}"))),
        }
    }

    fn request(&self, authorization: Option<String>) -> Result<Response<Body>, Fault> {
        let request = self.agent.get(&self.url);
        let request = match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        request.call().map_err(Fault::between)
    }

    /// What proves the password, as far as the camera has asked for it.
    fn authorization(&mut self) -> Result<Option<String>, Fault> {
        let (Some(credentials), Some(challenge)) = (&self.credentials, &mut self.challenge) else {
            return self.basic();
        };
        let Credentials { username, password, .. } = credentials;
        let password = password.read().map_err(Fault::between)?;
        let context = AuthContext::new(username.as_str(), password, self.target.as_str());
        let answer = challenge.respond(&context).map_err(Fault::between)?;
        Ok(Some(answer.to_header_string()))
    }

    fn basic(&self) -> Result<Option<String>, Fault> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        let Credentials { username, password, authentication } = credentials;
        if *authentication != Authentication::Basic {
            return Ok(None);
        }
        let password = password.read().map_err(Fault::between)?;
        Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))))
    }

    /// How the camera wants the password proven.
    fn take_challenge(&mut self, headers: &HeaderMap) -> Result<(), Fault> {
        let Some(Credentials { authentication, .. }) = self.credentials else {
            return Err(Fault::between(
                "the camera asks for a user's name and password (401); set username and password_file",
            ));
        };
        if authentication == Authentication::Basic {
            return Ok(());
        }
        let challenges = headers.get_all("www-authenticate").iter();
        let challenges = challenges.filter_map(|value| value.to_str().ok());
        let digests = challenges.filter(|text| is_digest(text));
        let digests = digests.filter_map(|text| WwwAuthenticateHeader::parse(text).ok());
        let best = digests.max_by_key(|digest| digest.algorithm.algo != AlgorithmType::MD5);
        self.challenge = best;
        match self.challenge {
            Some(_) => Ok(()),
            None => Err(Fault::between(
                "the camera asks for a password (401), and not by a digest that is known; with \
                 authentication = \"basic\" it gets the password itself, which anyone on the way can \
                 read unless the url is https",
            )),
        }
    }
}

impl Limit {
    fn apply(self, config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        match self {
            Self::Whole(time) => config.timeout_global(Some(time)),
            Self::Parts(time) => config
                .timeout_resolve(Some(time))
                .timeout_connect(Some(time))
                .timeout_recv_response(Some(time))
                .timeout_per_read(Some(time)),
        }
    }
}

/// Trust in the certificates of a file alone.
fn tls_config(ca_file: Option<&Path>) -> Result<TlsConfig, CameraError> {
    let certificates = ca_file.map(read_certificates).transpose()?.unwrap_or_default();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&certificates))
        .build())
}

/// The certificates in a file.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>, CameraError> {
    let refuse = |source| CameraError::File { field: "ca_file", path: path.to_owned(), source };
    let invalid =
        |reason: String| refuse(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
    let text = read_limited(path, MAX_CERTIFICATES).map_err(refuse)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        match item.map_err(|error| invalid(error.to_string()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            _ => return Err(invalid("it holds something that is no certificate".to_owned())),
        }
    }
    if certificates.is_empty() {
        return Err(invalid("it holds no certificate in PEM".to_owned()));
    }
    Ok(certificates)
}

fn is_digest(challenge: &str) -> bool {
    challenge.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("digest "))
}

/// A header that is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
