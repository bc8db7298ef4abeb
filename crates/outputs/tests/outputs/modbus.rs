//! Registers, read by pymodbus.

use std::net::TcpStream;
use std::time::Duration;

use efficientad_outputs::OutputEvent;
use efficientad_stream::entry::{Dropped, Entry, Lost};
use efficientad_testing::{free_port, wait_until};

use crate::rig::Station;
use crate::tools::{python, run, script};

#[test]
fn registers_are_as_documented_and_a_coil_triggers() {
    let Some(mut python) = python("pymodbus") else { return };
    let station = Station::new();
    let (mut lids, mut caps) = (station.line("lids"), station.line("caps"));
    lids.judge(7);
    caps.append(Entry::Dropped(Dropped { frames: 70_000, reason: "full".to_owned() }));
    caps.append(Entry::Lost(Lost { reason: "unplugged".to_owned() }));
    let port = free_port();
    let config = format!("kind = \"modbus\"\nlisten = \"{port}\"\naddresses = {{ caps = 1000 }}\n");
    let output = station.start(&config, &["lids", "caps"]);
    output.wait_for(|event| *event == OutputEvent::CaughtUp);
    run(python.arg(script("modbus.py")).arg(port.to_string()));
    assert!(station.trigger.wait(Duration::ZERO), "the coil was written");
    assert!(!station.trigger.wait(Duration::ZERO), "once");
    output.finish();
}

#[test]
fn clients_are_no_more_than_allowed_and_idle_ones_let_go() {
    use std::io::Read;

    let station = Station::new();
    let _line = station.line("lids");
    let port = free_port();
    let config = format!("kind = \"modbus\"\nlisten = \"{port}\"\nclients = 2\nidle_s = 1\n");
    let output = station.start(&config, &["lids"]);
    output.wait_for(|event| *event == OutputEvent::Connected);
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let is_over = |mut stream: &TcpStream| match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    };
    let (first, second) = (connect(), connect());
    let third = connect();
    wait_until("the third one is turned away", || is_over(&third));
    assert!(!is_over(&first) || !is_over(&second));
    wait_until("the first two are let go", || is_over(&first) && is_over(&second));
    output.finish();
}
