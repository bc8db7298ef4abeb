//! Programs of others that tests run.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use efficientad_testing::skipped;

/// A process that is killed when this is dropped.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The path of a program; `None` with a notice if it is not there.
pub fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers where only root looks for them.
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// Python, if it has a package; `None` with a notice if not.
pub fn python(package: &str) -> Option<Command> {
    let mut check = Command::new("python3");
    check.args(["-c", &format!("import {package}")]).stderr(Stdio::null());
    if !check.status().is_ok_and(|status| status.success()) {
        skipped(&format!("there is no Python with the package {package}"));
        return None;
    }
    Some(Command::new("python3"))
}

/// A script beside these tests.
pub fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/outputs").join(name)
}

/// Runs a program to its end; its output.
pub fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
