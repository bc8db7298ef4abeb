//! Cameras that speak HTTP, against one of Python's standard library over real sockets.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::Line;
use efficientad_evaluation::Frame;
use efficientad_images::{DecodeOptions, decode};

/// The camera's process.
struct Camera {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Camera {
    /// `None` where there is no Python.
    fn start(arguments: &[&str]) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/http_camera.py");
        let mut command = Command::new("python3");
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut process) = command.spawn() else {
            efficientad_testing::skipped("there is no python3 for the HTTP camera");
            return None;
        };
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut camera = Self { process, input, output, port: 0 };
        camera.port = camera.line().trim().parse().unwrap();
        Some(camera)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// The numbers of frames and of shots so far.
    fn counts(&mut self) -> (u64, u64) {
        writeln!(self.input, "frames").unwrap();
        let line = self.line();
        let (frames, shots) = line.trim().split_once(' ').unwrap();
        (frames.parse().unwrap(), shots.parse().unwrap())
    }

    fn fail(&mut self, fault: &str, number: u64) {
        writeln!(self.input, "{fault} {number}").unwrap();
        assert_eq!(self.line().trim(), "ok");
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn open(&self, kind: &str, path: &str, more: &str) -> Line {
        Line::open(&format!(
            "kind = {kind:?}\nurl = {:?}\ntimeout_ms = 500\nreconnect = {{ first_ms = 20, longest_ms = \
             100 }}\n{more}",
            self.url(path)
        ))
    }

    fn stream(&self, options: &str, more: &str) -> Line {
        let more = format!("frame_number_header = \"X-Frame-Number\"\n{more}");
        self.open("mjpeg", &format!("/stream?{options}"), &more)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The number that is in a picture of the camera.
fn number_in(frame: &Frame<'_>) -> Option<u64> {
    let Frame::Bytes { bytes, name } = frame else { panic!("{frame:?}") };
    let picture = decode(bytes, name, &DecodeOptions::default()).ok()?;
    let [red, green, blue] = picture.get_pixel(0, 0).0.map(u64::from);
    Some(blue | green << 8 | red << 16)
}

#[test]
fn streams_of_every_spelling_are_read_without_a_gap() {
    let Some(camera) = Camera::start(&[]) else { return };
    for options in [
        "",
        "boundary=dashes",
        "boundary=quoted",
        "boundary=bare",
        "length=no",
        "boundary=bare&length=no",
    ] {
        let mut line = camera.stream(options, "");
        line.run_until(|line| line.photos.len() >= 10);
        line.check_numbers();
        let numbers: Vec<_> = line.frames.iter().filter_map(number_in).collect();
        assert_eq!(numbers, line.photos, "{options}");
        assert!(line.outages.is_empty() && line.remarks.is_empty(), "{}", line.summary());
    }
}

#[test]
fn whatever_goes_wrong_in_a_stream_every_frame_is_a_photo_or_counted() {
    let faults = [
        ("cut", "a frame was cut after"),
        ("close", "the connection was closed"),
        ("stall", "no whole frame came within 0.5 s"),
        ("huge", "larger than max_frame_bytes, 10000 bytes"),
        ("head", "the head of a part is longer than"),
    ];
    for options in ["", "length=no"] {
        let Some(mut camera) = Camera::start(&[]) else { return };
        let mut line = camera.stream(options, "max_frame_bytes = 10000");
        line.run_until(|line| line.photos.len() >= 5);
        for (count, (fault, reason)) in faults.iter().enumerate() {
            let at = *line.photos.last().unwrap() + 10;
            camera.fail(fault, at);
            line.run_until(|line| {
                line.outages.len() == 2 * (count + 1) && *line.photos.last().unwrap() > at + 5
            });
            assert!(line.was_lost_for(reason), "{fault}: {}", line.summary());
        }
        camera.fail("noimage", line.photos.last().unwrap() + 10);
        let at = *line.photos.last().unwrap();
        line.run_until(|line| *line.photos.last().unwrap() > at + 20);
        line.check_numbers();
        let no_images = line.frames.iter().filter(|frame| number_in(frame).is_none());
        assert_eq!(no_images.count(), 1, "a photo that fails when it is judged");
        assert!(line.dropped >= faults.len() as u64 - 1);
    }
}

#[test]
fn a_part_with_another_boundary_is_missed_and_counted() {
    let Some(mut camera) = Camera::start(&[]) else { return };
    let mut line = camera.stream("", "");
    line.run_until(|line| line.photos.len() >= 5);
    let at = line.photos.last().unwrap() + 10;
    camera.fail("boundary", at);
    line.run_until(|line| *line.photos.last().unwrap() > at + 5);
    line.check_numbers();
    assert!(line.dropped >= 1 && line.outages.is_empty(), "{}", line.summary());
    assert!(line.remarks[0].contains("belong to none"), "{}", line.summary());
}

#[test]
fn what_is_no_such_stream_is_refused_with_what_to_do() {
    let Some(camera) = Camera::start(&["--period", "0.0005"]) else { return };
    for (kind, path, reason) in [
        (
            "mjpeg",
            "/stream?boundary=other",
            "boundary \"other\", which the camera's Content-Type names",
        ),
        ("mjpeg", "/photo", "set kind = \"http\""),
        ("mjpeg", "/moved", "refers to another address (302 Found: /photo)"),
        ("mjpeg", "/nothing", "the camera answers 404 Not Found"),
        ("http", "/nothing", "the camera answers 404 Not Found"),
    ] {
        let mut line = camera.open(kind, path, "");
        line.run_until(|line| !line.outages.is_empty());
        assert!(line.was_lost_for(reason), "{}", line.summary());
        assert!(line.photos.is_empty());
    }
}

#[test]
fn a_full_queue_is_counted_too() {
    let Some(camera) = Camera::start(&["--period", "0.005"]) else { return };
    for when_full in ["drop_oldest", "drop_newest"] {
        let queue = format!("queue = {{ length = 2, when_full = {when_full:?} }}");
        let mut line = camera.stream("", &queue);
        line.run_until(|line| !line.photos.is_empty());
        std::thread::sleep(Duration::from_millis(300));
        line.run_until(|line| line.photos.len() >= 20);
        line.check_numbers();
        let which = &when_full[5..];
        assert!(line.reasons.iter().any(|it| it.contains(which)), "{}", line.summary());
        assert!(line.dropped > 10);
    }
}

#[test]
fn a_camera_that_was_off_is_lost_and_back() {
    let Some(camera) = Camera::start(&[]) else { return };
    let url = camera.url("/stream");
    drop(camera);
    let config = format!(
        "kind = \"mjpeg\"\nurl = {url:?}\ntimeout_ms = 500\nreconnect = {{ first_ms = 20, longest_ms = \
         50 }}"
    );
    let mut line = Line::open(&config);
    line.run_until(|line| !line.outages.is_empty());
    line.run_for(Duration::from_millis(300));
    assert_eq!(line.outages.len(), 1, "an outage is told once: {}", line.summary());
}

#[test]
fn with_a_trigger_one_frame_is_taken_for_each_shot() {
    let Some(camera) = Camera::start(&[]) else { return };
    let mut line = camera.stream("", "trigger = \"software\"");
    line.run_for(Duration::from_millis(300));
    assert!(line.photos.is_empty());
    (0..5).for_each(|_| assert!(line.trigger.fire()));
    line.run_until(|line| line.photos.len() == 5);
    line.run_for(Duration::from_millis(300));
    assert_eq!(line.photos.len(), 5);
    assert_eq!(line.dropped, 0, "{}", line.summary());

    let mut line = camera.stream("", "trigger = \"interval\"\ninterval_ms = 200");
    line.run_until(|line| line.photos.len() == 4);
    let (first, last) = (line.photos[0], line.photos[3]);
    assert!(last - first >= 20, "{first} to {last} in 600 ms at 50 frames per second");
}

#[test]
fn every_shot_is_a_photo_or_counted_whatever_goes_wrong() {
    let Some(mut camera) = Camera::start(&[]) else { return };
    let mut line = camera.open("http", "/photo", "trigger = \"software\"\nmax_frame_bytes = 10000");
    let faults = [
        ("cut", "the photo was cut after"),
        ("status", "the camera answers 503"),
        ("stall", "timeout"),
        ("head", ""),
    ];
    let mut shots = 0;
    let mut shoot = |line: &mut Line| {
        assert!(line.trigger.fire());
        shots += 1;
        line.run_until(|line| line.photos.len() as u64 + line.dropped == shots);
    };
    line.run_for(Duration::from_millis(200));
    shoot(&mut line);
    for (count, (fault, reason)) in faults.iter().enumerate() {
        let (_, taken) = camera.counts();
        camera.fail(fault, taken + 1);
        shoot(&mut line);
        line.run_until(|line| line.outages.len() == 2 * (count + 1));
        assert!(line.was_lost_for(reason), "{fault}: {}", line.summary());
        assert_eq!(line.dropped, count as u64 + 1);
        shoot(&mut line);
    }
    let outages = line.outages.len();
    for (fault, dropped) in [("huge", 1), ("noimage", 0)] {
        let (_, taken) = camera.counts();
        let before = line.dropped;
        camera.fail(fault, taken + 1);
        shoot(&mut line);
        assert_eq!(line.dropped - before, dropped, "{fault}: {}", line.summary());
    }
    assert_eq!(line.outages.len(), outages, "the camera was there: {}", line.summary());
    let (_, taken) = camera.counts();
    let probes = 1 + faults.len() as u64;
    assert_eq!(taken, shots + probes, "one photo more for each connection");
    assert_eq!(line.frames.iter().filter(|frame| number_in(frame).is_none()).count(), 1);
}

#[test]
fn shots_while_the_camera_is_away_are_counted() {
    let Some(camera) = Camera::start(&[]) else { return };
    let mut line = camera.open("http", "/photo", "trigger = \"software\"");
    assert!(line.trigger.fire());
    line.run_until(|line| line.photos.len() as u64 + line.dropped == 1);
    drop(camera);
    (0..3).for_each(|_| assert!(line.trigger.fire()));
    line.run_until(|line| line.photos.len() as u64 + line.dropped == 4);
    assert!(!line.outages.is_empty());
    let reason = "asked for while the camera was out of reach";
    line.run_until(|line| line.reasons.iter().any(|it| it == reason));
}

#[test]
fn photos_at_intervals_have_names_of_their_own() {
    let Some(camera) = Camera::start(&[]) else { return };
    let mut line = camera.open("http", "/photo", "interval_ms = 20");
    line.run_until(|line| line.photos.len() == 10);
    let mut names = line.names.clone();
    names.dedup();
    assert_eq!(names.len(), 10);
    let numbers: Vec<_> = line.frames.iter().filter_map(number_in).collect();
    assert_eq!(numbers, (2..12).collect::<Vec<_>>(), "the first one is thrown away");
}

#[test]
fn passwords_are_proven_by_a_digest_or_as_they_are_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "s3cret\n").unwrap();
    let login = |more: &str| format!("username = \"cam\"\npassword_file = {file:?}\n{more}");
    for (kind, more) in [("md5", ""), ("sha256", ""), ("basic", "authentication = \"basic\"")] {
        let Some(camera) = Camera::start(&["--login", &format!("cam:s3cret:{kind}")]) else {
            return;
        };
        let mut line = camera.open("http", "/photo", &login(&format!("interval_ms = 10\n{more}")));
        // More requests than a nonce is good for.
        line.run_until(|line| line.photos.len() == 10);
        assert!(line.outages.is_empty(), "{kind}: {}", line.summary());
        let mut line = camera.stream("", &login(more));
        line.run_until(|line| line.photos.len() == 3);

        let mut line = camera.open("http", "/photo", "");
        line.run_until(|line| line.was_lost_for("set username and password_file"));
    }
    let Some(camera) = Camera::start(&["--login", "cam:other:md5"]) else { return };
    let mut line = camera.open("mjpeg", "/stream", &login(""));
    line.run_until(|line| line.was_lost_for("refuses the user's name or password (401)"));
    let Some(camera) = Camera::start(&["--login", "cam:s3cret:basic"]) else { return };
    let mut line = camera.open("mjpeg", "/stream", &login(""));
    line.run_until(|line| line.was_lost_for("not by a digest that is known"));
}

#[test]
fn an_encrypted_camera_is_trusted_by_its_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = |name: &str| {
        let path = folder.path().join(name);
        let key = folder.path().join("key");
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", "/CN=camera", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&path)
            .output();
        let is_made = made.is_ok_and(|made| made.status.success());
        is_made.then(|| {
            let both = [fs::read(&key).unwrap(), fs::read(&path).unwrap()].concat();
            let served = folder.path().join(format!("{name}.served"));
            fs::write(&served, both).unwrap();
            (path, served)
        })
    };
    let (Some((own, served)), Some((other, _))) =
        (certificate("own.pem"), certificate("other.pem"))
    else {
        efficientad_testing::skipped("there is no openssl that makes certificates");
        return;
    };
    let Some(camera) = Camera::start(&["--certificate", served.to_str().unwrap()]) else { return };
    let open = |ca: &Path| {
        Line::open(&format!(
            "kind = \"mjpeg\"\nurl = \"https://127.0.0.1:{}/stream\"\nca_file = {ca:?}\n\
             frame_number_header = \"X-Frame-Number\"",
            camera.port
        ))
    };
    let mut line = open(&own);
    line.run_until(|line| line.photos.len() == 5);
    line.check_numbers();
    let mut line = open(&other);
    line.run_until(|line| !line.outages.is_empty());
    assert!(line.photos.is_empty() && line.was_lost_for("certificate"), "{}", line.summary());
}
