//! Lines over TCP.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use efficientad_outputs::{OutputEvent, Record};
use efficientad_testing::LONG;

use crate::rig::{Station, assert_in_order};

fn photos(count: u64) -> Vec<String> {
    (1..=count).map(|photo| format!("lids/{photo}")).collect()
}

/// Takes lines until there is the last one or so many, and answers each if asked to; their photos.
fn take(stream: &TcpStream, count: usize, last: &str, answers: bool) -> Vec<String> {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut taken = Vec::new();
    for line in BufReader::new(stream).lines().take(count) {
        let record: Record = serde_json::from_str(&line.unwrap()).unwrap();
        if answers {
            (&mut &*stream).write_all(format!("OK {}\r\n", record.id).as_bytes()).unwrap();
        }
        taken.extend(record.photo);
        if taken.last().is_some_and(|photo| photo == last) {
            break;
        }
    }
    taken
}

#[test]
fn with_answers_nothing_is_lost_however_often_the_server_goes_away() {
    let station = Station::new();
    let mut line = station.line("lids");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = format!("kind = \"tcp\"\naddress = \"{address}\"\nack = true\n");
    let output = station.start(&config, &["lids"]);
    line.judge(50);
    let mut taken = Vec::new();
    for round in 0..8 {
        let (stream, _) = listener.accept().unwrap();
        taken.extend(take(&stream, 5, "lids/60", true));
        // The next one is read, and not answered.
        taken.extend(take(&stream, 1, "lids/60", round % 2 == 0));
        line.judge(1);
    }
    line.judge(2);
    let (stream, _) = listener.accept().unwrap();
    taken.extend(take(&stream, 1_000, "lids/60", true));
    let events = output.finish();
    assert_in_order(&taken, &photos(60));
    let is_delivered = |event: &&OutputEvent| matches!(event, OutputEvent::Delivered { .. });
    assert_eq!(events.iter().filter(is_delivered).count(), 60);
    assert!(taken.len() > 60, "what was not answered has come again");
}

#[test]
fn a_counterpart_that_does_not_answer_gets_the_line_again() {
    let station = Station::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config =
        format!("kind = \"tcp\"\naddress = \"{address}\"\nack = true\nack_timeout_ms = 50\n");
    let output = station.start(&config, &["lids"]);
    station.line("lids").judge(1);
    for answer in [None, Some("NO\n".to_owned()), Some("x".repeat(9_999))] {
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(take(&stream, 1, "", false), photos(1));
        answer.iter().for_each(|answer| (&stream).write_all(answer.as_bytes()).unwrap());
        output.wait_for(|event| matches!(event, OutputEvent::Disconnected { .. }));
    }
    let (stream, _) = listener.accept().unwrap();
    assert_eq!(take(&stream, 1, "lids/1", true), photos(1));
    output.finish();
}

#[test]
fn whoever_connects_gets_what_has_gathered_and_the_newest_goes_on() {
    let station = Station::new();
    let mut line = station.line("lids");
    line.judge(3);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = "message = { text = \"{photo};{verdict};{reject}\", end = \"crlf\" }";
    let output =
        station.start(&format!("kind = \"tcp\"\nlisten = \"{free}\"\n{text}\n"), &["lids"]);
    let connect = || loop {
        match TcpStream::connect(("127.0.0.1", free)) {
            Ok(stream) => return BufReader::new(stream),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let next = |client: &mut BufReader<TcpStream>| {
        client.get_ref().set_read_timeout(Some(LONG)).unwrap();
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        line
    };
    let mut first = connect();
    assert_eq!(next(&mut first), "lids/1;good;0\r\n");
    assert_eq!(next(&mut first), "lids/2;good;0\r\n");
    assert_eq!(next(&mut first), "lids/3;good;0\r\n");
    // What is on its way when another one comes is sent again.
    output.wait_for(|event| *event == OutputEvent::CaughtUp);
    let mut second = connect();
    assert_eq!(next(&mut first), "", "the first one is let go");
    line.judge(2);
    assert_eq!(next(&mut second), "lids/4;good;0\r\n");
    assert_eq!(next(&mut second), "lids/5;anomalous;1\r\n");
    for _ in 4..=5 {
        output.wait_for(|event| matches!(event, OutputEvent::Delivered { .. }));
    }
    drop(second);
    output.wait_for(
        |event| matches!(event, OutputEvent::Disconnected { reason } if reason.contains("closed")),
    );
    line.judge(1);
    // It stays until the verdict is noted as delivered: what goes to one that leaves at once is sent again.
    let mut third = connect();
    assert_eq!(next(&mut third), "lids/6;anomalous;1\r\n");
    output.finish();
}

#[test]
fn what_can_not_be_delivered_is_counted_and_comes_after_a_restart() {
    let station = Station::new();
    let (mut lids, mut caps) = (station.line("lids"), station.line("caps"));
    lids.judge(700);
    caps.judge(2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = format!("kind = \"tcp\"\naddress = \"{address}\"\n");
    let output = station.start(&config, &["lids", "caps"]);
    output.wait_for(|event| matches!(event, OutputEvent::Retried { .. }));
    let undelivered = output.publisher.finish(Duration::from_millis(300));
    let expected = [("caps".to_owned(), 2), ("lids".to_owned(), 700)];
    assert_eq!(undelivered.0, expected.into());
    let listener = TcpListener::bind(address).unwrap();
    let output = station.start(&config, &["lids", "caps"]);
    let (stream, _) = listener.accept().unwrap();
    let taken = take(&stream, 702, "", false);
    output.finish();
    let lids: Vec<_> = taken.iter().filter(|photo| photo.starts_with("lids")).cloned().collect();
    assert_eq!((lids, taken.len()), (photos(700), 702));
}
