//! Who may do what: tokens with roles, and protection of servers that listen to this machine alone.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::refusal::Refusal;
use crate::stamp::Stamp;

/// Most bytes of a token file.
const MOST_BYTES: u64 = 1 << 20;
/// Fewest characters of a token.
const SHORTEST_TOKEN: usize = 32;
/// What stands before the SHA-256 of a token that is not written down itself.
const HASHED: &str = "sha256:";

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Have photos judged, and read.
    Operator,
    /// All: models come and go, too.
    Engineer,
    /// Read.
    Auditor,
}

/// What a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: probes of a supervisor.
    Nothing,
    /// To read.
    Read,
    /// To have photos judged.
    Inspect,
    /// To have models come and go.
    Manage,
}

impl Role {
    fn may(self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::Read => true,
            Needs::Inspect => self != Self::Auditor,
            Needs::Manage => self == Self::Engineer,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Auditor => "auditor",
        }
    }
}

impl Needs {
    /// Who may do what takes it, in words.
    pub(crate) fn roles(self) -> &'static str {
        match self {
            Self::Nothing => "anybody",
            Self::Read => "operator, engineer or auditor",
            Self::Inspect => "operator or engineer",
            Self::Manage => "engineer",
        }
    }
}

/// Why a token file can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It can't be read.
    #[error("{}: the token file cannot be read ({source}); check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It is no file of tokens.
    #[error("{}: the token file is larger than 1 MiB; give a file of lines NAME ROLE TOKEN", .0.display())]
    TooLarge(PathBuf),
    /// A line of it is no token.
    #[error(
        "{}: line {line}: {reason}; each line is NAME ROLE TOKEN, where ROLE is operator, engineer or \
         auditor and TOKEN is what `openssl rand -hex 32` prints, or sha256: and the SHA-256 of it",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is no token in it.
    #[error(
        "{}: there is no token in the file, so that nobody could do anything; write a line NAME ROLE \
         TOKEN for each client", .0.display()
    )]
    Empty(PathBuf),
}

/// Who may do what.
pub(crate) struct Access {
    tokens: Option<TokenFile>,
    /// Whether the server listens to this machine alone.
    is_local: bool,
}

struct TokenFile {
    path: PathBuf,
    clients: RwLock<Vec<Client>>,
    /// Of the file that was read last, whether it could be used or not.
    stamp: Mutex<Option<Stamp>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Client {
    name: String,
    role: Role,
    token: [u8; 32],
}

/// Who sent a request, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The name of its token.
    pub name: Option<String>,
    /// Whether there are other names.
    pub is_one_of_several: bool,
    /// What it may do; all if there are no tokens.
    pub role: Option<Role>,
}

impl Access {
    /// For a server that listens to `address`.
    pub(crate) fn new(tokens: Option<&Path>, address: SocketAddr) -> Result<Self, TokenError> {
        let read = |path: &Path| -> Result<_, TokenError> {
            let stamp = Mutex::new(Stamp::of(path).ok());
            let clients = RwLock::new(read_tokens(path)?);
            Ok(TokenFile { path: path.to_owned(), clients, stamp })
        };
        Ok(Self { tokens: tokens.map(read).transpose()?, is_local: address.ip().is_loopback() })
    }

    /// Reads the tokens anew if their file has changed; what was read before stays if that fails.
    pub(crate) fn refresh(&self) {
        let Some(file) = &self.tokens else { return };
        let stamp = Stamp::of(&file.path).ok();
        let mut last = file.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == stamp {
            return;
        }
        *last = stamp;
        match read_tokens(&file.path) {
            Ok(read) => {
                tracing::info!(clients = read.len(), "tokens read anew");
                *file.clients.write().unwrap_or_else(PoisonError::into_inner) = read;
            }
            Err(error) => tracing::error!("{error}; the tokens that were read before stay in use"),
        }
    }

    /// Lets a request pass, or says why not.
    pub(crate) fn check(&self, headers: &HeaderMap, needs: Needs) -> Result<Caller, Refusal> {
        self.check_host(headers)?;
        check_origin(headers)?;
        let Some(file) = self.tokens.as_ref().filter(|_| needs != Needs::Nothing) else {
            return Ok(Caller::default());
        };
        let token = bearer(headers).ok_or_else(|| {
            unauthorized("a token is needed: send the header Authorization: Bearer TOKEN")
        })?;
        let clients = file.clients.read().unwrap_or_else(PoisonError::into_inner);
        let client = find(&clients, token).ok_or_else(|| {
            unauthorized("the token is not known here: ask who runs the server for one")
        })?;
        if !client.role.may(needs) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "role",
                format!(
                    "{:?} is {}, but this takes the role {}: use a token of that role",
                    client.name,
                    client.role.name(),
                    needs.roles()
                ),
            ));
        }
        Ok(Caller {
            name: Some(client.name.clone()),
            is_one_of_several: clients.len() > 1,
            role: Some(client.role),
        })
    }

    /// A page of another site that has its name resolved to this machine sends its own name.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.is_local || headers.get(HOST).and_then(authority).is_some_and(|it| is_local(&it)) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "host",
            "the server listens to this machine alone, and is called by another name in the header Host: \
             call it 127.0.0.1 or localhost, or start it with another --listen",
        ))
    }
}

/// A page of another site may send requests, but must not have them done.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if origin.is_some_and(|(_, origin)| Some(origin) == host) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "origin",
        "a page of another site sent this request, which is not allowed: send it from a program, or from \
         a page of this server",
    ))
}

fn authority(host: &axum::http::HeaderValue) -> Option<Authority> {
    host.to_str().ok()?.parse().ok()
}

fn is_local(authority: &Authority) -> bool {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unauthorized(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "token", message)
}

/// The token that a request carries.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The client of a token, in a time that tells nothing of the tokens there are.
fn find<'a>(clients: &'a [Client], token: &str) -> Option<&'a Client> {
    let token: [u8; 32] = Sha256::digest(token).into();
    let mut found = None;
    for client in clients {
        if bool::from(client.token.ct_eq(&token)) {
            found = Some(client);
        }
    }
    found
}

fn read_tokens(path: &Path) -> Result<Vec<Client>, TokenError> {
    let failed = |source| TokenError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(TokenError::TooLarge(path.to_owned()));
    }
    let clients = parse_tokens(&text).map_err(|(line, reason)| TokenError::Line {
        path: path.to_owned(),
        line,
        reason,
    })?;
    if clients.is_empty() { Err(TokenError::Empty(path.to_owned())) } else { Ok(clients) }
}

/// The clients that a token file names; else the line and what is wrong with it.
fn parse_tokens(text: &str) -> Result<Vec<Client>, (usize, &'static str)> {
    let mut clients: Vec<Client> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let client = parse_client(line).map_err(|reason| (index + 1, reason))?;
        if clients.iter().any(|other| other.token == client.token) {
            return Err((index + 1, "this token is that of another line, too"));
        }
        clients.push(client);
    }
    Ok(clients)
}

fn parse_client(line: &str) -> Result<Client, &'static str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [name, role, token] = fields[..] else { return Err("it has not three words") };
    let role = [Role::Operator, Role::Engineer, Role::Auditor]
        .into_iter()
        .find(|known| known.name() == role)
        .ok_or("there is no such role")?;
    let token = match token.strip_prefix(HASHED) {
        Some(digits) => parse_hash(digits).ok_or("its SHA-256 has not 64 hexadecimal digits")?,
        None if token.len() < SHORTEST_TOKEN => {
            return Err("its token is too short to be safe: it needs 32 characters");
        }
        None => Sha256::digest(token).into(),
    };
    Ok(Client { name: name.to_owned(), role, token })
}

fn parse_hash(digits: &str) -> Option<[u8; 32]> {
    let is_hash = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate().filter(|_| is_hash) {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    is_hash.then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATOR: &str = "0123456789abcdef0123456789abcdef";
    const AUDITOR: &str = "fedcba9876543210fedcba9876543210";

    fn access(is_local: bool) -> Access {
        let hash: String = Sha256::digest(AUDITOR).iter().map(|it| format!("{it:02x}")).collect();
        let text =
            format!("# clients\n\nline-1 operator {OPERATOR}\n office auditor sha256:{hash}\n");
        let clients = RwLock::new(parse_tokens(&text).unwrap());
        let file = TokenFile { path: PathBuf::new(), clients, stamp: Mutex::default() };
        Access { tokens: Some(file), is_local }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn status(access: &Access, pairs: &[(&'static str, &str)], needs: Needs) -> u16 {
        access.check(&headers(pairs), needs).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[test]
    fn tokens_open_what_their_role_may() {
        let access = access(false);
        let with = |token: &str, needs| {
            status(&access, &[("authorization", &format!("Bearer {token}"))], needs)
        };
        let needs = [Needs::Nothing, Needs::Read, Needs::Inspect, Needs::Manage];
        assert_eq!(needs.map(|needs| with(OPERATOR, needs)), [200, 200, 200, 403]);
        assert_eq!(needs.map(|needs| with(AUDITOR, needs)), [200, 200, 403, 403]);
        assert_eq!(needs.map(|needs| with("else", needs)), [200, 401, 401, 401]);
        assert_eq!(needs.map(|needs| status(&access, &[], needs)), [200, 401, 401, 401]);
        let basic = [("authorization", "Basic bGluZTox")];
        assert_eq!(status(&access, &basic, Needs::Read), 401);
        let caller = access
            .check(&headers(&[("authorization", &format!("bearer {OPERATOR}"))]), Needs::Inspect);
        let caller = caller.unwrap();
        assert_eq!((caller.name.as_deref(), caller.is_one_of_several), (Some("line-1"), true));
    }

    #[test]
    fn a_local_server_answers_to_local_names_alone() {
        let access = Access { tokens: None, is_local: true };
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.1.2.3"] {
            assert_eq!(status(&access, &[("host", host)], Needs::Inspect), 200, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "",
            "a b",
            "127.0.0.1.evil.example",
        ] {
            assert_eq!(status(&access, &[("host", host)], Needs::Nothing), 403, "{host}");
        }
        assert_eq!(status(&access, &[], Needs::Nothing), 403);
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let access = Access { tokens: None, is_local: true };
        let of = |origin: &str| {
            status(&access, &[("host", "localhost:80"), ("origin", origin)], Needs::Inspect)
        };
        assert_eq!(of("http://localhost:80"), 200);
        for origin in ["http://evil.example", "null", "http://localhost:81", ""] {
            assert_eq!(of(origin), 403, "{origin}");
        }
    }

    #[test]
    fn lines_that_are_no_tokens_are_told() {
        for (text, line, reason) in [
            ("a operator", 1, "three words"),
            ("#\na boss 0123456789abcdef0123456789abcdef", 2, "no such role"),
            ("a operator secret", 1, "too short"),
            ("a operator sha256:12", 1, "64 hexadecimal digits"),
        ] {
            let (found, why) = parse_tokens(text).unwrap_err();
            assert_eq!(found, line);
            assert!(why.contains(reason), "{why}");
        }
        let twice = format!("a operator {OPERATOR}\nb auditor {OPERATOR}");
        assert_eq!(parse_tokens(&twice).unwrap_err().0, 2);
        assert_eq!(parse_tokens("\n# nothing"), Ok(Vec::new()));
    }
}
