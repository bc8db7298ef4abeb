//! Programs of others that tests run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use efficientad_testing::{program, skipped};

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

/// A certificate of an authority of its own for 127.0.0.1, and its key: `authority.pem`, `server.pem`,
/// `server.key`. `None` if there is no openssl.
pub fn certificates(folder: &Path) -> Option<()> {
    let openssl = program("openssl")?;
    let make = |arguments: &str| {
        let mut command = Command::new(&openssl);
        command.args(arguments.split(' ')).current_dir(folder);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    make(
        "req -x509 -newkey rsa:2048 -nodes -keyout authority.key -out authority.pem -days 9 -subj /CN=authority",
    );
    make("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
    make(
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -out server.pem -days 9 -extfile names",
    );
    Some(())
}
