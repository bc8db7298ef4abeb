//! mosquitto, and what it is sent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::programs::{Process, free_port, program, wait_until};

/// A broker that can be killed and started again.
pub struct Broker {
    program: PathBuf,
    folder: TempDir,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Option<Process>,
}

/// What the broker keeps over a kill, and takes on: sessions of subscribers, all messages for them.
const KEEPING: &str = "persistence true\nmax_queued_messages 0\nmax_inflight_messages 0\n";

impl Broker {
    /// A broker of this machine, with more lines of configuration; `None` if there is no mosquitto.
    pub fn new(more: &str) -> Option<Self> {
        let program = program("mosquitto")?;
        program_of_clients()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let allow = if more.contains("password_file") { "false" } else { "true" };
        let user = if cfg!(unix) { "user root\n" } else { "" };
        let text = format!(
            "{user}persistence_location {}/\n{KEEPING}allow_anonymous {allow}\nlistener {port} 127.0.0.1\n{more}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        let mut broker = Self { program, folder, port, process: None };
        broker.start();
        Some(broker)
    }

    /// Starts it, again after [`Broker::kill`].
    pub fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(Process(command.spawn().unwrap()));
        let port = self.port;
        wait_until("mosquitto listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Has it write down its sessions, which it would otherwise do in half an hour.
    #[cfg(unix)]
    pub fn keep_sessions(&self) {
        let id = self.process.as_ref().unwrap().0.id().to_string();
        assert!(Command::new("kill").args(["-USR1", &id]).status().unwrap().success());
        let file = self.folder.path().join("mosquitto.db");
        wait_until("sessions are written down", || file.is_file());
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// A client of mosquitto that is sent what these topics have, also what came while it was away.
    pub fn subscribe(&self, topic: &str, format: &str) -> Subscriber {
        let mut command = Command::new(program_of_clients().unwrap());
        let port = self.port.to_string();
        command.args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port, "-t", topic, "-q", "1"]);
        command.args(["-c", "-i", "subscriber", "-x", "3600", "-D", "CONNECT"]);
        command.args(["receive-maximum", "65535", "-F", format]);
        Subscriber::new(command)
    }

    /// The message that is kept for a topic.
    pub fn kept(&self, topic: &str) -> Option<String> {
        let mut command = Command::new(program_of_clients().unwrap());
        let port = self.port.to_string();
        command.args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port, "-t", topic]);
        command.args(["-C", "1", "-W", "1"]);
        let output = command.output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

fn program_of_clients() -> Option<PathBuf> {
    program("mosquitto_sub")
}

/// What was sent to a subscriber.
pub struct Subscriber {
    _process: Process,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Subscriber {
    fn new(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&lines);
        thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| all.lock().unwrap().push(line));
        });
        // It says nowhere when it has subscribed.
        thread::sleep(Duration::from_millis(500));
        Self { _process: Process(child), lines }
    }

    /// What came so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}
