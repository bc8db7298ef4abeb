//! Requests to a web server of Python's, which checks the signatures by its own means.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use efficientad_outputs::OutputEvent;
use efficientad_testing::{Process, free_port, wait_until};

use crate::rig::{Station, assert_in_order};
use crate::tools::{certificates, python, script};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8I";

/// A server, and the photos it has taken.
struct Server {
    process: Process,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(port: u16, certificates: Option<&Path>) -> Option<Self> {
        let mut command: Command = python("http.server")?;
        command.arg(script("webhook.py")).arg(port.to_string()).arg(SECRET);
        if let Some(folder) = certificates {
            command.args([folder.join("server.pem"), folder.join("server.key")]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        output.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&taken);
        thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| all.lock().unwrap().push(line));
        });
        Some(Self { process: Process(child), taken })
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

fn config(station: &Station, url: &str, more: &str) -> String {
    let secret = station.folder.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    format!(
        "kind = \"webhook\"\nurl = \"{url}\"\nsecret_file = '{}'\ntries = 2\n{more}",
        secret.display()
    )
}

fn photos(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|photo| format!("lids/{photo}")).collect()
}

#[test]
fn signed_requests_are_tried_again_and_refused_ones_set_aside() {
    let port = free_port();
    let Some(server) = Server::new(port, None) else { return };
    let station = Station::new();
    let mut line = station.line("lids");
    let config = config(&station, &format!("http://127.0.0.1:{port}/verdicts?line=lids"), "");
    let output = station.start(&config, &["lids"]);
    // What the script does of its own: 3 is answered 503 once, 4 is to come again after a second, 6 is
    // refused, 7 is redirected.
    line.judge(9);
    wait_until("all is taken", || server.taken().last().is_some_and(|photo| photo == "lids/9"));
    let mut taken = server.taken();
    drop(server.process);
    line.judge(2);
    let is_gone = |event: &OutputEvent| matches!(event, OutputEvent::Disconnected { reason } if !reason.contains("answers"));
    let mut events = output.wait_for(is_gone);
    let Some(server) = Server::new(port, None) else { return };
    events.extend(output.finish());
    wait_until("the rest is taken", || {
        server.taken().last().is_some_and(|photo| photo == "lids/11")
    });
    taken.extend(server.taken());
    let expected = [photos(1..=5), photos(8..=11)].concat();
    assert_in_order(&taken, &expected);
    let refused = fs::read_to_string(station.state().join("out.refused.jsonl")).unwrap();
    let refused: Vec<serde_json::Value> =
        refused.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |n: usize| {
        (refused[n]["record"]["photo"].as_str().unwrap(), refused[n]["why"].as_str().unwrap())
    };
    assert_eq!(refused.len(), 2);
    assert_eq!(of(0), ("lids/6", "the server answers 422 Unprocessable Entity: no such part"));
    assert_eq!(of(1).0, "lids/7");
    assert!(of(1).1.contains("302"), "{}", of(1).1);
    let count =
        |is_it: fn(&OutputEvent) -> bool| events.iter().filter(|event| is_it(event)).count();
    assert_eq!(count(|event| matches!(event, OutputEvent::Delivered { .. })), 9);
    assert_eq!(count(|event| matches!(event, OutputEvent::Refused { .. })), 2);
}

#[test]
fn an_encrypted_connection_needs_a_certificate_that_is_believed() {
    let station = Station::new();
    let folder = station.folder.path();
    let Some(()) = certificates(folder) else { return };
    let port = free_port();
    let Some(server) = Server::new(port, Some(folder)) else { return };
    station.line("lids").judge(2);
    let url = format!("https://127.0.0.1:{port}/");
    let authority = folder.join("authority.pem");
    let own = format!("ca_file = '{}'\n", authority.display());
    let kept = fs::read(&authority).unwrap();
    let other = tempfile::tempdir().unwrap();
    certificates(other.path()).unwrap();
    fs::copy(other.path().join("authority.pem"), &authority).unwrap();
    let output = station.start(&config(&station, &url, &own), &["lids"]);
    let is_it = |event: &OutputEvent| matches!(event, OutputEvent::Retried { reason, .. } if reason.contains("certificate"));
    output.wait_for(is_it);
    assert_eq!(output.publisher.finish(std::time::Duration::ZERO).total(), 2);
    fs::write(&authority, kept).unwrap();
    station.start(&config(&station, &url, &own), &["lids"]).finish();
    wait_until("both are taken", || server.taken() == photos(1..=2));
}
