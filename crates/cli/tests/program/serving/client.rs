//! A client that says exactly what a test wants said.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// No answer takes longer than this.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head, in lower case.
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A field of the head.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {}", self.head, String::from_utf8_lossy(&self.body)))
    }

    /// Expects a refusal with a status, a word for programs, and a text for people.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str, texts: &[&str]) {
        let error = &self.json()["error"];
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{error}");
        let message = error["message"].as_str().unwrap();
        texts.iter().for_each(|text| assert!(message.contains(text), "{text:?} not in {message}"));
    }
}

/// Connects to an address.
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes on a connection of their own, and gives the answer; none if there is none.
pub fn exchange(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    // The server may answer and close before it has read all.
    let _ = stream.write_all(bytes);
    read(&mut stream)
}

/// Reads an answer.
pub fn read(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if !more(stream, &mut bytes) {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (first, fields) = head.split_once("\r\n").unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    let lower = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}:{value}\n", name.to_lowercase())
    };
    let head = fields.lines().filter(|line| !line.is_empty()).map(lower).collect();
    let mut answer = Answer { status, head, body: bytes.split_off(end) };
    let Some(length) = answer.header("content-length") else {
        // A stream: what has come of it.
        return Some(answer);
    };
    let length: usize = length.parse().unwrap();
    while answer.body.len() < length && more(stream, &mut answer.body) {}
    (answer.body.len() == length).then_some(answer)
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 65_536];
    let count = stream.read(&mut buffer).unwrap_or(0);
    bytes.extend(&buffer[..count]);
    count > 0
}

/// A request, ready to be sent.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text += "Host: localhost\r\n";
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    [text.as_bytes(), b"\r\n", body].concat()
}
