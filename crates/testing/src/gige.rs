//! Aravis' fake camera of GigE Vision, which speaks the real protocol.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::programs::{Process, wait_until};
use crate::skipped;

/// The port of the control protocol of GigE Vision.
const GVCP_PORT: u16 = 3956;

/// The camera listens at a fixed port, so that there can be one at a time.
static ONE: Mutex<()> = Mutex::new(());

/// A fake camera, a process of its own.
pub struct GigeCamera {
    process: Option<Process>,
    _one: MutexGuard<'static, ()>,
}

impl GigeCamera {
    /// What a configuration calls it.
    pub const DEVICE: &str = "Aravis-Fake-TEST";

    /// Starts one; `None`, with a notice, where Aravis' tools are not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let process = spawn(arguments)?;
        Some(Self { process: Some(process), _one: one })
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again after [`GigeCamera::kill`].
    pub fn start_again(&mut self) {
        self.process = spawn(&[]);
    }
}

fn spawn(arguments: &[&str]) -> Option<Process> {
    let mut command = Command::new("arv-fake-gv-camera-0.8");
    command.args(["-i", "127.0.0.1", "-s", "TEST"]).args(arguments);
    let Ok(process) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        skipped("there is no arv-fake-gv-camera-0.8 (Debian: aravis-tools)");
        return None;
    };
    wait_until("the camera listens", || UdpSocket::bind(("127.0.0.1", GVCP_PORT)).is_err());
    Some(Process(process))
}
