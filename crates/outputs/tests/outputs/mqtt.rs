//! Messages to a real broker.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use efficientad_outputs::{OutputEvent, Record, VerdictKind};
use efficientad_stream::Wake;
use efficientad_testing::{Broker, LONG, Process, Subscriber, program, wait_until};

use crate::rig::{Line, Station, assert_in_order, start};
use crate::tools::{certificates, python, run, script};

fn number(name: &str, small: u64) -> u64 {
    env::var(name).map_or(small, |text| text.parse().unwrap())
}

/// Kills and verdicts: few in an ordinary run.
fn extent() -> (u64, u64) {
    (number("EFFICIENTAD_BROKER_KILLS", 3), number("EFFICIENTAD_BROKER_VERDICTS", 300))
}

/// Writes verdicts at the pace of a fast line, from a thread of its own.
fn judging(mut line: Line, verdicts: u64) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..verdicts {
            line.judge(1);
            thread::sleep(Duration::from_millis(2));
        }
    })
}

fn records(subscriber: &Subscriber) -> Vec<Record> {
    subscriber.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each verdict has arrived, the first time in its order, with an id of its own.
fn assert_all_arrived(subscriber: &Subscriber, verdicts: u64, what: &str) {
    let records = records(subscriber);
    let photos: Vec<_> = records.iter().map(|record| record.photo.clone().unwrap()).collect();
    let expected: Vec<_> = (1..=verdicts).map(|photo| format!("lids/{photo}")).collect();
    assert_in_order(&photos, &expected);
    let mut ids: Vec<_> = records.iter().map(|record| &record.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, verdicts);
    println!("{what}: {verdicts} verdicts, {} messages", records.len());
}

fn photos_of(subscriber: &Subscriber) -> u64 {
    let last = subscriber.lines().last().map(|line| serde_json::from_str::<Record>(line).unwrap());
    let number = |record: Record| record.photo.unwrap()[5..].parse().unwrap();
    last.map_or(0, number)
}

#[cfg(unix)]
#[test]
fn no_verdict_is_lost_however_often_the_broker_is_killed() {
    let Some(mut broker) = Broker::new("") else { return };
    let (kills, verdicts) = extent();
    let subscriber = broker.subscribe("efficientad/+/+/verdict", "%p");
    broker.keep_sessions();
    let station = Station::new();
    let config = format!("kind = \"mqtt\"\nurl = \"{}\"\n", broker.url());
    let line = station.line("lids");
    let output = station.start(&config, &["lids"]);
    let judging = judging(line, verdicts);
    let mut acknowledged = 0;
    for kill in 1..=kills {
        // What the broker has acknowledged and not passed on it would lose itself: it is killed when
        // the subscriber is there and has nearly all.
        let is_due = || {
            for event in output.events.try_iter() {
                acknowledged += u64::from(
                    matches!(event, OutputEvent::Delivered { line: _, event, .. } if event.is_verdict()),
                );
            }
            let arrived = photos_of(&subscriber);
            arrived >= kill * verdicts / (kills + 1) && arrived + 3 >= acknowledged
        };
        let is_due = std::cell::RefCell::new(is_due);
        wait_until("verdicts arrive", || (is_due.borrow_mut())());
        broker.kill();
        thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
        broker.start();
    }
    judging.join().unwrap();
    output.finish();
    wait_until("all arrives", || photos_of(&subscriber) == verdicts);
    assert_all_arrived(&subscriber, verdicts, &format!("the broker was killed {kills} times"));
}

/// The folder of the station and the broker's port, for a process that is to be killed.
const PUBLISHER: &str = "EFFICIENTAD_TEST_PUBLISHER";

/// No test, but the process that the next one kills.
#[test]
#[ignore = "it is run by another test"]
fn publishing_process() {
    let Ok(text) = env::var(PUBLISHER) else { return };
    let (port, folder) = text.split_once(' ').unwrap();
    let folder = PathBuf::from(folder);
    let mut log = Station::new().line_log("lids");
    log.log = folder.join("lids.jsonl");
    let config = format!("kind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n");
    let _output = start(&config, &folder.join("state"), vec![log], &Wake::default());
    thread::sleep(LONG);
}

fn publisher(folder: &Path, port: u16) -> Process {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["mqtt::publishing_process", "--exact", "--ignored"]);
    command.env(PUBLISHER, format!("{port} {}", folder.display()));
    Process(command.stdout(Stdio::null()).spawn().unwrap())
}

#[test]
fn no_verdict_is_lost_however_often_the_publisher_is_killed() {
    let Some(broker) = Broker::new("") else { return };
    let (kills, verdicts) = extent();
    let subscriber = broker.subscribe("efficientad/+/+/verdict", "%p");
    let station = Station::new();
    let judging = judging(station.line("lids"), verdicts);
    for kill in 1..=kills {
        let process = publisher(station.folder.path(), broker.port);
        wait_until("verdicts arrive", || photos_of(&subscriber) >= kill * verdicts / (kills + 1));
        drop(process);
    }
    judging.join().unwrap();
    let status = || broker.kept("efficientad/cell 4/status");
    wait_until("the broker says that it is gone", || status().as_deref() == Some("offline"));
    let _process = publisher(station.folder.path(), broker.port);
    wait_until("all arrives", || photos_of(&subscriber) == verdicts);
    // All may have arrived before it was killed for the last time.
    wait_until("the broker says that it is there", || status().as_deref() == Some("online"));
    assert_all_arrived(&subscriber, verdicts, &format!("the publisher was killed {kills} times"));
}

#[test]
fn topics_and_states_are_as_documented() {
    let Some(broker) = Broker::new("") else { return };
    let subscriber = broker.subscribe("inspection/#", "%t %r %C %p");
    let station = Station::new();
    let mut line = station.line("lids/+");
    line.judge(5);
    let config =
        format!("kind = \"mqtt\"\nurl = \"{}\"\ntopic_prefix = \"inspection\"\n", broker.url());
    let output = station.start(&config, &["lids/+"]);
    output.wait_for(|event| *event == OutputEvent::CaughtUp);
    let state = || broker.kept("inspection/cell 4/lids__/state").unwrap_or_default();
    wait_until("the state is sent", || state().contains("\"good\":4"));
    let state: serde_json::Value = serde_json::from_str(&state()).unwrap();
    assert_eq!(
        (&state["ready"], &state["reject"], &state["lost"]),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!((&state["anomalous"], &state["last"]["photo"]), (&1.into(), &"lids/+/5".into()));
    assert_eq!(broker.kept("inspection/cell 4/status").unwrap(), "online");
    output.finish();
    wait_until("it takes its leave", || {
        broker.kept("inspection/cell 4/status").unwrap() == "offline"
    });
    let lines = subscriber.lines();
    let of = |topic: &str| {
        let start = format!("inspection/cell 4/{topic} 0 application/json ");
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(&start))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let verdicts = of("lids__/verdict");
    assert_eq!(verdicts.len(), 5, "{lines:?}");
    let last: Record = serde_json::from_str(&verdicts[4]).unwrap();
    assert_eq!((last.verdict, last.reject, last.sequence), (Some(VerdictKind::Anomalous), true, 6));
    assert_eq!((last.threshold, last.model.unwrap()), (Some(0.5), "ab".repeat(32)));
    assert!(last.age_ms.is_some() && !last.late);
    let events = of("lids__/event");
    assert!(events.len() == 1 && events[0].contains("\"event\":\"started\""), "{lines:?}");
}

#[test]
fn a_broker_with_passwords_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = certificates(folder.path()) else { return };
    let Some(passwd) = program("mosquitto_passwd") else { return };
    let at = |name: &str| folder.path().join(name).display().to_string();
    run(Command::new(passwd).args(["-b", "-c", &at("users"), "line", "right"]));
    let tls = format!(
        "password_file {}\ncertfile {}\nkeyfile {}",
        at("users"),
        at("server.pem"),
        at("server.key")
    );
    let Some(broker) = Broker::new(&tls) else { return };
    let station = Station::new();
    station.line("lids").judge(3);
    let url = broker.url().replace("mqtt:", "mqtts:");
    let attempt = |password: &str, authority: &str| {
        fs::write(folder.path().join("password"), format!("{password}\n")).unwrap();
        let config = format!(
            "kind = \"mqtt\"\nurl = \"{url}\"\nusername = \"line\"\npassword_file = '{}'\n{authority}",
            at("password")
        );
        station.start(&config, &["lids"])
    };
    let authority = format!("ca_file = '{}'\n", at("authority.pem"));
    let refused = |output: crate::rig::Output, reason: &str| {
        let is_it = |event: &OutputEvent| matches!(event, OutputEvent::Retried { reason: told, .. } if told.contains(reason));
        output.wait_for(is_it);
        assert_eq!(output.publisher.finish(Duration::ZERO).total(), 4);
    };
    refused(attempt("wrong", &authority), "NotAuthorized");
    fs::copy(folder.path().join("authority.pem"), folder.path().join("other.pem")).unwrap();
    certificates(folder.path()).unwrap();
    let other = format!("ca_file = '{}'\n", at("authority.pem"));
    refused(attempt("right", &other), "certificate");
    let right = format!("ca_file = '{}'\n", at("other.pem"));
    attempt("right", &right).finish();
}

#[test]
fn sparkplug_is_understood_by_another_implementation() {
    let Some(broker) = Broker::new("") else { return };
    let Some(mut python) = python("pysparkplug") else { return };
    let subscriber = broker.subscribe("spBv1.0/#", "%q %r %t %x");
    let mut station = Station::new();
    station.fail_safe = efficientad_outputs::FailSafe::Stop;
    let mut line = station.line("lids");
    line.judge(2);
    let config = format!(
        "kind = \"mqtt\"\nurl = \"{}\"\npayload = \"sparkplug_b\"\nevents = \"verdicts\"\n",
        broker.url()
    );
    station.start(&config, &["lids"]).finish();
    line.judge(300);
    let output = station.start(&config, &["lids"]);
    output.wait_for(|event| *event == OutputEvent::CaughtUp);
    let command = run(python.arg(script("sparkplug.py")).arg("rebirth"));
    let mut publish = Command::new(program("mosquitto_pub").unwrap());
    let payload = station.folder.path().join("rebirth");
    fs::write(&payload, hex(command.trim())).unwrap();
    let port = broker.port.to_string();
    publish.args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &port, "-q", "1"]);
    run(publish.args(["-t", "spBv1.0/efficientad/NCMD/cell 4", "-f"]).arg(&payload));
    let births = || subscriber.lines().iter().filter(|line| line.contains("/NBIRTH/")).count();
    wait_until("it is born again", || births() == 3);
    output.finish();
    wait_until("it dies", || {
        subscriber.lines().iter().filter(|line| line.contains("/NDEATH/")).count() == 2
    });
    let all = station.folder.path().join("messages");
    fs::write(&all, subscriber.lines().join("\n")).unwrap();
    let mut python = Command::new("python3");
    run(python.arg(script("sparkplug.py")).arg("check").arg(&all));
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
