//! Lines to a serial port, at whose other end socat makes another one.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use efficientad_outputs::OutputEvent;
use efficientad_testing::{Process, program, wait_until};

use crate::rig::{Station, assert_in_order};

/// Two ports that are connected.
fn ports(folder: &Path) -> Option<Process> {
    let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
    let end = |path: &Path| format!("pty,raw,echo=0,link={}", path.display());
    let mut command = Command::new(program("socat")?);
    command.args([end(&ours), end(&theirs)]).stderr(Stdio::null());
    let process = Process(command.spawn().unwrap());
    wait_until("socat makes the ports", || ours.exists() && theirs.exists());
    Some(process)
}

/// The other end, answered at or not.
fn other_end(folder: &Path) -> BufReader<File> {
    let path = folder.join("theirs");
    BufReader::new(OpenOptions::new().read(true).write(true).open(path).unwrap())
}

fn next(port: &mut BufReader<File>) -> String {
    let mut line = String::new();
    port.read_line(&mut line).unwrap();
    line
}

#[test]
fn lines_are_written_and_answered_also_after_the_port_was_pulled_out() {
    let station = Station::new();
    let folder = station.folder.path();
    let Some(socat) = ports(folder) else { return };
    let mut line = station.line("lids");
    let config = format!(
        "kind = \"serial\"\npath = '{}'\nbaud = 115200\nack = true\nack_timeout_ms = 300\n\
         message = {{ text = \"{{id}} {{photo}}\" }}\n",
        folder.join("ours").display()
    );
    let output = station.start(&config, &["lids"]);
    line.judge(3);
    let mut port = other_end(folder);
    let mut taken = Vec::new();
    let mut answer = |port: &mut BufReader<File>, answers: bool| {
        let line = next(port);
        let (id, photo) = line.trim_end().split_once(' ').unwrap();
        if answers {
            port.get_mut().write_all(format!("OK {id}\r\n").as_bytes()).unwrap();
        }
        taken.push(photo.to_owned());
        photo.to_owned()
    };
    assert_eq!(answer(&mut port, true), "lids/1");
    assert_eq!(answer(&mut port, false), "lids/2");
    assert_eq!(answer(&mut port, true), "lids/2", "it is sent again");
    while answer(&mut port, true) != "lids/3" {}
    drop(port);
    drop(socat);
    output.wait_for(
        |event| matches!(event, OutputEvent::Retried { reason, .. } if reason.contains("ours")),
    );
    line.judge(2);
    let Some(_socat) = ports(folder) else { return };
    let mut port = other_end(folder);
    while answer(&mut port, true) != "lids/5" {}
    output.finish();
    let expected: Vec<_> = (1..=5).map(|photo| format!("lids/{photo}")).collect();
    assert_in_order(&taken, &expected);
}
