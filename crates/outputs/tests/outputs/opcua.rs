//! Variables and a method, read and called by asyncua.

use std::time::Duration;

use efficientad_outputs::{OutputConfig, OutputEvent};
use efficientad_testing::free_port;

use crate::rig::Station;
use crate::tools::{python, run, script};

#[test]
fn variables_are_as_documented_and_a_method_triggers() {
    let Some(mut python) = python("asyncua") else { return };
    let station = Station::new();
    let mut line = station.line("lids");
    line.judge(7);
    let port = free_port();
    let output = station.start(&format!("kind = \"opcua\"\nlisten = \"{port}\"\n"), &["lids"]);
    output.wait_for(|event| *event == OutputEvent::CaughtUp);
    // The script waits for one verdict more, by a subscription.
    let judging = std::thread::spawn(move || {
        for _ in 0..60 {
            std::thread::sleep(Duration::from_secs(1));
            line.judge(1);
        }
    });
    run(python.arg(script("opcua.py")).arg(format!("opc.tcp://127.0.0.1:{port}/")));
    assert!(station.trigger.wait(Duration::ZERO), "the method was called");
    output.publisher.finish(Duration::ZERO);
    drop(judging);
}

#[test]
fn a_network_needs_a_user_and_a_certificate() {
    let check = |text: &str| {
        let config: OutputConfig = toml::from_str(&format!("kind = \"opcua\"\n{text}")).unwrap();
        config.check().map_err(|error| error.to_string())
    };
    check("listen = \"4840\"").unwrap();
    assert!(check("listen = \"0.0.0.0:4840\"").unwrap_err().contains("is all networks"));
    assert!(check("listen = \"10.0.0.4:4840\"").unwrap_err().contains("a user and a password"));

    let Some(mut python) = python("asyncua") else { return };
    let station = Station::new();
    station.line("lids").judge(1);
    let port = free_port();
    let password = station.folder.path().join("password");
    std::fs::write(&password, "right\n").unwrap();
    let config = format!(
        "kind = \"opcua\"\nlisten = \"{port}\"\nusername = \"plc\"\npassword_file = '{}'\n",
        password.display()
    );
    let output = station.start(&config, &["lids"]);
    output.wait_for(|event| *event == OutputEvent::CaughtUp);
    let url = format!("opc.tcp://127.0.0.1:{port}/");
    let pki = station.state().join("out.pki");
    run(python.arg(script("opcua.py")).args([&url, "secured"]).arg(pki));
    output.publisher.finish(Duration::from_secs(1));
}
