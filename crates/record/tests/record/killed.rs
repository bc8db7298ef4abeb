//! Killed at any moment, a record has every entry that was acknowledged.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use efficientad_record::{Keep, Mark, Photo, Policy, Query, Record, RecordError};

use crate::fixture::{Sandbox, entry, photo};

/// How often the program is killed, if not 20 times.
const KILLS: &str = "EFFICIENTAD_KILLS";
/// Where the killed program records.
const PLACE: &str = "EFFICIENTAD_RECORD_OF_CHILD";
/// The number of its first entry.
const FIRST: &str = "EFFICIENTAD_FIRST_OF_CHILD";
const CLIENTS: u32 = 8;
/// So low that photos are deleted all the time.
const POLICY: Policy = Policy { keep: Keep::All, max_bytes: 30_000, max_age: None };

/// Not a test, but the program that is killed: eight clients record, and print what was acknowledged.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let Some(place) = env::var_os(PLACE) else { return };
    let first: u32 = env::var(FIRST).unwrap().parse().unwrap();
    let record = Record::open(place, POLICY).unwrap();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let record = record.clone();
            scope.spawn(move || {
                for n in (first + client..).step_by(CLIENTS as usize) {
                    let id = record.add(entry(n), Photo::of(&photo(n))).unwrap();
                    if n.is_multiple_of(5) {
                        record.mark(id, Mark::Good, "child").unwrap();
                    }
                    // One write a line: the pipe never has a part of one.
                    let line = format!("acknowledged {id} {n}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Runs the program, kills it after a while; returns entries acknowledged, each with its number.
fn run_and_kill(sandbox: &Sandbox, first: u32, after: Duration) -> Vec<(i64, u32)> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--ignored", "--nocapture"])
        .env(PLACE, sandbox.record())
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = thread::spawn(move || {
        let words = lines.map_while(Result::ok).filter_map(|line| {
            let mut words = line.split(' ').skip_while(|word| *word != "acknowledged").skip(1);
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        });
        words.collect::<Vec<(i64, u32)>>()
    });
    thread::sleep(after);
    if sandbox.record().exists() {
        let error = sandbox.open(POLICY).unwrap_err();
        assert!(matches!(error, RecordError::InUse(_)), "the child has it: {error}");
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    reader.join().unwrap()
}

fn assert_has(record: &Record, acknowledged: &[(i64, u32)]) {
    for &(id, n) in acknowledged {
        let found = record.get(id).unwrap();
        assert_eq!(found.entry, entry(n));
        assert!(!n.is_multiple_of(5) || found.mark == Some(Mark::Good));
    }
}

#[test]
fn no_acknowledged_entry_is_lost() {
    let kills: u64 = env::var(KILLS).map_or(20, |times| times.parse().unwrap());
    let sandbox = Sandbox::new();
    let mut random = fastrand::Rng::with_seed(kills);
    let mut acknowledged = Vec::new();
    for _ in 0..kills {
        let first = 1 + acknowledged.iter().map(|&(_, n)| n).max().unwrap_or_default();
        let after = Duration::from_millis(random.u64(30..300));
        let new = run_and_kill(&sandbox, first + 2 * CLIENTS, after);
        let record = sandbox.open(POLICY).unwrap();
        record.check().unwrap();
        assert_has(&record, &new);
        acknowledged.extend(new);
        let incoming = sandbox.path("record.sqlite.photos/incoming");
        assert!(!incoming.exists(), "what was left is removed");
    }
    assert!(acknowledged.len() as u64 > kills, "it was killed too early to show anything");
    let record = sandbox.open(POLICY).unwrap();
    assert_has(&record, &acknowledged);
    let count = record.count(&Query::default()).unwrap();
    let extra = count - acknowledged.len() as u64;
    eprintln!("{kills} kills, {} acknowledged, {extra} more recorded", acknowledged.len());
    assert!(extra <= kills * u64::from(CLIENTS), "each client waits for one answer");
}
