//! More than the server can take, slower than it waits, and its end.

use std::fs;
use std::io::Write;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::client::{connect, exchange, read, request};
use super::running::{Running, until};
use crate::fixture::{Sandbox, calibrated};

const INSPECT: &str = "/api/models/part/inspect";

fn photo(sandbox: &Sandbox) -> Vec<u8> {
    fs::read(sandbox.good_photos("photos", 1) + "/0.png").unwrap()
}

/// A form of as many photos.
fn form(photo: &[u8], count: usize) -> Vec<u8> {
    let head = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let part = [&head[..], photo, b"\r\n"].concat();
    [part.repeat(count), b"--b--\r\n".to_vec()].concat()
}

const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=b");

#[test]
fn a_full_queue_is_told_at_once_and_nothing_else_happens() {
    let server = Running::start(&["--threads", "1", "--queue", "1"]);
    let photo = photo(&server.sandbox);
    let counts = Mutex::new((0, 0));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let answer = server.post(INSPECT, &photo);
                    match answer.status {
                        200 => counts.lock().unwrap().0 += 1,
                        _ => {
                            answer.refused(503, "queue_full", &["2 photos are queued", "--queue"]);
                            let after =
                                answer.header("retry-after").unwrap().parse::<u64>().unwrap();
                            assert!((1..=60).contains(&after));
                            counts.lock().unwrap().1 += 1;
                        }
                    }
                }
            });
        }
    });
    let (judged, refused) = counts.into_inner().unwrap();
    assert!(judged >= 2 && refused >= 1, "{judged} judged, {refused} refused");
    assert_eq!(server.post(INSPECT, &photo).status, 200);
    let metrics = || String::from_utf8(server.get("/metrics").body).unwrap();
    // A request is let go of after its answer was sent.
    until("all requests are let go of", || metrics().contains("\nefficientad_held_bytes 0\n"));
    let metrics = metrics();
    for (start, sum) in [
        ("efficientad_photos_total{model=\"part\"", judged + 1),
        (
            "efficientad_requests_total{route=\"/api/models/{model}/inspect\",status=\"503\"}",
            refused,
        ),
        ("efficientad_score_count{model=\"part\"}", judged + 1),
        ("efficientad_queue_photos", 0),
        ("efficientad_queue_places", 2),
        ("efficientad_held_bytes", 0),
        ("efficientad_models_loaded", 1),
    ] {
        let lines = metrics.lines().filter(|line| line.starts_with(start));
        let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<i32>().unwrap());
        assert_eq!(values.sum::<i32>(), sum, "{start} in {metrics}");
    }
    assert!(
        metrics.contains("efficientad_threshold{model=\"part\"} ") && metrics.ends_with("# EOF\n")
    );
}

#[test]
fn one_client_leaves_places_to_the_others() {
    let sandbox = Sandbox::new();
    let (first, second) = ("a".repeat(32), "b".repeat(32));
    let tokens = format!("first operator {first}\nsecond operator {second}\n");
    let tokens = sandbox.write("tokens", tokens.as_bytes());
    let server =
        Running::start_in(sandbox, &["--threads", "1", "--queue", "3", "--token", &tokens]);
    let (photo, bearer) = (photo(&server.sandbox), format!("Bearer {first}"));
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let headers = [FORM, ("Authorization", bearer.as_str())];
                let answer = server.send("POST", INSPECT, &headers, &form(&photo, 4));
                answers.lock().unwrap().push(answer);
            });
        }
    });
    let answers = answers.into_inner().unwrap();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty(), "{answers:?}");
    for answer in refused {
        answer.refused(429, "too_many_requests", &["\"first\" has 2 requests in progress"]);
        assert!(answer.header("retry-after").is_some());
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
}

#[test]
fn slow_and_idle_clients_are_not_waited_for() {
    let server = Running::start(&["--idle-time", "1", "--body-time", "1"]);
    // Half a head, and no head at all.
    for start in ["POST /api/models/part/inspect HTTP/1.1\r\nHost: localh", ""] {
        let mut stream = connect(&server.address);
        stream.write_all(start.as_bytes()).unwrap();
        let answer = read(&mut stream);
        assert!(answer.is_none_or(|answer| answer.status == 408), "{start}");
    }
    // Half a body.
    let mut stream = connect(&server.address);
    stream.write_all(&request("POST", INSPECT, &[("Content-Length", "1000")], b"half")).unwrap();
    read(&mut stream).unwrap().refused(408, "body_too_slow", &["more than 1 s"]);
    // Nothing after an answer.
    let mut stream = connect(&server.address);
    stream.write_all(&request("GET", "/v2", &[], b"")).unwrap();
    assert_eq!(read(&mut stream).unwrap().status, 200);
    assert!(read(&mut stream).is_none(), "the connection is closed");
    // An answer that is not read.
    let path = server.sandbox.path("large.png");
    crate::fixture::save(&image::RgbImage::new(3000, 2000), &path);
    let mut stream = connect(&server.address);
    let large = request("POST", INSPECT, &[("Accept", "image/tiff")], &fs::read(path).unwrap());
    stream.write_all(&large).unwrap();
    let held = || {
        let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
        let line =
            metrics.lines().find(|line| line.starts_with("efficientad_held_bytes ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    until("the answer", || held() > 20_000_000);
    until("the end of waiting for its reader", || held() == 0);
    // A body that breaks off.
    let mut stream = connect(&server.address);
    stream.write_all(&request("POST", INSPECT, &[("Content-Length", "1000")], b"half")).unwrap();
    drop(stream);
    assert_eq!(server.get("/v2/health/ready").status, 200);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let server = Running::start(&["--max-connections", "2", "--idle-time", "2"]);
    let idle = [connect(&server.address), connect(&server.address)];
    // Answered once the idle ones are closed.
    assert_eq!(server.get("/v2/health/live").status, 200);
    drop(idle);
}

#[test]
fn the_memory_for_requests_is_bounded() {
    let server = Running::start(&["--memory", "1", "--max-body", "8"]);
    let photo = photo(&server.sandbox);
    server.post(INSPECT, &vec![0; 2 << 20]).refused(503, "memory_full", &["--memory"]);
    assert_eq!(server.post(INSPECT, &photo).status, 200);
    let path = server.sandbox.path("large.png");
    crate::fixture::save(&image::RgbImage::new(600, 600), &path);
    server.post(&format!("{INSPECT}?map=true"), &fs::read(path).unwrap()).refused(
        413,
        "result_too_large",
        &["one photo at a time", "--memory"],
    );
}

#[test]
fn requests_in_progress_are_answered_before_the_end() {
    let server = Running::start(&["--threads", "1"]);
    let photo = photo(&server.sandbox);
    let (mut busy, mut idle) = (connect(&server.address), connect(&server.address));
    idle.write_all(&request("GET", "/v2", &[], b"")).unwrap();
    assert_eq!(read(&mut idle).unwrap().status, 200);
    busy.write_all(&request("POST", INSPECT, &[FORM], &form(&photo, 12))).unwrap();
    until("the first photo", || {
        let metrics = server.get("/metrics").body;
        !String::from_utf8(metrics).unwrap().contains("efficientad_queue_photos 0")
    });
    server.terminate();
    let answer = read(&mut busy).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["verdicts"].as_array().unwrap().len(), 12);
    let address = server.address.clone();
    let ended = server.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("stopping when requests in progress are answered"), "{}", ended.log);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn the_log_is_json_if_it_is_to_be_and_has_the_ids_of_requests() {
    let server = Running::start(&["--log-json"]);
    let given = server.send("GET", "/v2", &[("X-Request-Id", "line-1.42")], b"");
    assert_eq!(given.header("x-request-id"), Some("line-1.42"));
    let own = server.send("GET", "/v2/\u{1b}[2J", &[("X-Request-Id", "a b\"")], b"");
    let own = own.header("x-request-id").map(str::to_owned);
    let log = server.stop().log;
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> =
        lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["request"] == "line-1.42").unwrap();
    assert_eq!((&line["path"], &line["status"]), (&"/v2".into(), &200.into()), "{line}");
    assert!(line["milliseconds"].is_number() && line["timestamp"].is_string(), "{line}");
    assert!(!log.contains('\u{1b}'));
    // A path with such a byte is no path: it is refused before it has an id.
    assert_eq!(own, None);
}

#[test]
fn drift_is_told_by_log_and_metrics() {
    let sandbox = Sandbox::new();
    sandbox.write("models/line.model", &fs::read(calibrated()).unwrap());
    let server = Running::start_in(sandbox, &[]);
    let path = server.sandbox.path("hole.png");
    crate::fixture::save(&crate::fixture::defective_part(3).0, &path);
    let hole = fs::read(path).unwrap();
    let told = || String::from_utf8(server.get("/metrics").body).unwrap();
    let alarm = "efficientad_drift_alarms_total{model=\"line\",direction=\"higher\"} 1";
    let forms = (0..10).take_while(|_| {
        let sent = server.send("POST", "/api/models/line/inspect", &[FORM], &form(&hole, 10));
        assert_eq!(sent.status, 200);
        !told().contains(alarm)
    });
    assert!(forms.count() < 10, "{}", told());
    assert!(server.stop().log.contains("drift: scores are no longer those of calibration"));
}

#[test]
fn what_is_no_http_harms_nothing() {
    let server = Running::start(&[]);
    let good = request("POST", INSPECT, &[FORM], &form(&photo(&server.sandbox), 1));
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..200 {
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..6) {
            let place = random.usize(0..bytes.len().min(200));
            match random.u8(0..3) {
                0 => bytes[place] = random.u8(..),
                1 => drop(bytes.drain(place..place + 1)),
                _ => bytes.insert(place, *random.choice(b"\r\n\0 :;%\xff0").unwrap()),
            }
        }
        let mut stream = connect(&server.address);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        if let Some(answer) = read(&mut stream) {
            assert_ne!(answer.status, 500, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
    assert_eq!(exchange(&server.address, &good).unwrap().status, 200);
    assert!(!server.stop().log.contains("panic"));
}
