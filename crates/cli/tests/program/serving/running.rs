//! A server that runs as long as a test needs it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::client::{Answer, exchange, request};
use crate::fixture::{Sandbox, command, shared};

/// A running server, with the shared model as `part`.
pub struct Running {
    pub sandbox: Sandbox,
    pub address: String,
    child: Option<Child>,
    log: Option<JoinHandle<String>>,
}

/// How a server ended.
pub struct Ended {
    pub code: Option<i32>,
    pub log: String,
}

impl Running {
    /// Starts a server with further arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(Sandbox::new(), arguments)
    }

    /// Starts a server whose folder of models lies in a sandbox.
    pub fn start_in(sandbox: Sandbox, arguments: &[&str]) -> Self {
        let models = sandbox.path("models");
        fs::create_dir_all(&models).unwrap();
        fs::copy(&shared().model, sandbox.path("models/part.model")).unwrap();
        let mut all = vec!["serve", "--models", &models];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let mut child = command(all).spawn().unwrap();
        let mut log = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim_end().split_once("://") else {
            panic!("{line:?}: {}", log.join().unwrap());
        };
        let address = address.to_owned();
        Self { sandbox, address, child: Some(child), log: Some(log) }
    }

    /// Its address for clients.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[], body)
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        exchange(&self.address, &request(method, path, headers, body)).expect("an answer")
    }

    /// What is said of the model `part`.
    pub fn part(&self) -> Value {
        self.get("/api/models/part").json()
    }

    /// The server's process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Asks it to end, as a supervisor does.
    pub fn terminate(&self) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let code = self.child.take().unwrap().wait().unwrap().code();
        Ended { code, log: self.log.take().unwrap().join().unwrap() }
    }

    /// Asks it to end, waits for that, and gives its folder to another one.
    pub fn leave(mut self) -> Sandbox {
        self.terminate();
        assert!(self.child.take().unwrap().wait().unwrap().success());
        std::mem::replace(&mut self.sandbox, Sandbox::new())
    }

    /// Kills it, and gives its folder to another one.
    pub fn kill(mut self) -> Sandbox {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        std::mem::replace(&mut self.sandbox, Sandbox::new())
    }

    /// Asks it to end, and waits for that.
    pub fn stop(self) -> Ended {
        self.terminate();
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something is so, which it will be.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{what}: not within a minute");
}
