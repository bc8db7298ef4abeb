//! RTSP by a GStreamer pipeline, against GStreamer's own server, a process of its own.
#![cfg(all(feature = "gstreamer", target_os = "linux"))]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::Line;
use efficientad_evaluation::{Frame, Pixels};
use efficientad_testing::{Process, free_port, skipped};

/// Debian's Python; one that comes first in PATH may not have the module `gi`.
const PYTHON: &str = "/usr/bin/python3";

/// A source in one colour, of the format that JPEG has in RTP.
const RED: &str = "videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000 ! \
                   video/x-raw,format=I420,width=64,height=48,framerate=25/1";

/// The camera's process.
struct Camera {
    source: String,
    login: Vec<String>,
    port: u16,
    process: Option<Process>,
}

impl Camera {
    /// `None`, with a notice, where the server or a plugin is not installed.
    fn start(source: &str, login: &[&str]) -> Option<Self> {
        let login = login.iter().copied().map(str::to_owned).collect();
        let mut camera =
            Self { source: source.to_owned(), login, port: free_port(), process: None };
        match camera.try_start() {
            Ok(()) => Some(camera),
            Err(missing) => {
                skipped(&format!(
                    "there is no RTSP server: {} (Debian: python3-gi gir1.2-gst-rtsp-server-1.0, and the \
                     plugins that docs/cameras.md names)",
                    missing.trim()
                ));
                None
            }
        }
    }

    /// Photos by RFC 2435, whose codec is in every installation.
    fn of_jpegs(login: &[&str]) -> Option<Self> {
        Self::start(&format!("{RED} ! jpegenc ! rtpjpegpay name=pay0"), login)
    }

    /// Starts the process; what is missing if that fails.
    fn try_start(&mut self) -> Result<(), String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/rtsp_camera.py");
        let mut command = Command::new(PYTHON);
        command.arg(script).arg(self.port.to_string()).arg(&self.source).args(&self.login);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut process = Process(child.map_err(|error| format!("{PYTHON}: {error}"))?);
        let mut line = String::new();
        BufReader::new(process.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line != "ready\n" {
            return Err(line);
        }
        self.process = Some(process);
        Ok(())
    }

    /// Kills it (SIGKILL).
    fn kill(&mut self) {
        self.process = None;
    }

    /// What a client begins with.
    fn source(&self) -> String {
        format!("rtspsrc location=rtsp://127.0.0.1:{}/stream latency=0", self.port)
    }
}

fn open(pipeline: &str, more: &str) -> Line {
    Line::open(&format!(
        "kind = \"gstreamer\"\npipeline = {pipeline:?}\nreconnect = {{ first_ms = 50, longest_ms = 200 \
         }}\n{more}"
    ))
}

fn pixels(frame: &Frame<'static>) -> Pixels<'static> {
    match frame {
        Frame::Pixels { pixels, .. } => pixels.clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_is_red(frame: &Frame<'static>) {
    let Pixels { data, width, height, .. } = pixels(frame);
    assert_eq!((width, height), (64, 48));
    let differences = data.iter().zip([255, 0, 0]).map(|(a, b)| a.abs_diff(b));
    assert!(differences.max().unwrap() <= 30, "{:?}", &data[..3]);
}

#[test]
fn a_server_that_is_killed_is_lost_and_back_and_numbers_go_on() {
    for protocol in ["tcp", "udp"] {
        let Some(mut camera) = Camera::of_jpegs(&[]) else { return };
        let pipeline = format!("{} protocols={protocol} ! rtpjpegdepay ! jpegdec", camera.source());
        let mut line = open(&pipeline, "timeout_ms = 3000");
        line.run_until(|line| line.photos.len() >= 10);
        for outage in 0..3 {
            camera.kill();
            line.run_until(|line| line.outages.len() == 2 * outage + 1);
            line.run_for(Duration::from_millis(500));
            assert_eq!(line.outages.len(), 2 * outage + 1, "told once: {}", line.summary());
            camera.try_start().unwrap();
            line.run_until(|line| line.outages.len() == 2 * outage + 2);
            assert_eq!(line.outages[2 * outage + 1], "back", "{}", line.summary());
            let before = line.photos.len();
            line.run_until(|line| line.photos.len() >= before + 10);
        }
        line.check_numbers();
        line.frames.iter().for_each(check_is_red);
        assert_eq!(line.outages.len(), 6, "{protocol}: {}", line.summary());
    }
}

#[test]
fn photos_of_the_camera_are_passed_through() {
    let Some(camera) = Camera::of_jpegs(&[]) else { return };
    let mut line = open(&format!("{} ! rtpjpegdepay", camera.source()), "format = \"jpeg\"");
    line.run_until(|line| line.photos.len() >= 3);
    let Frame::Bytes { bytes, .. } = &line.frames[2] else { panic!() };
    assert_eq!(&bytes[..2], b"\xff\xd8");
}

/// Long before `timeout_ms`, which is longer than this test may take.
#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let pipeline = format!("rtspsrc location=rtsp://127.0.0.1:{}/ ! rtpjpegdepay", free_port());
    let mut line = open(&pipeline, "timeout_ms = 600000\nformat = \"jpeg\"");
    line.run_until(|line| !line.outages.is_empty());
    assert!(line.was_lost_for("Could not open resource"), "{}", line.summary());
}

#[test]
fn a_password_lets_in() {
    let Some(camera) = Camera::of_jpegs(&["inspector", "s3cret"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let pipeline = format!("{} user-id=inspector ! rtpjpegdepay ! jpegdec", camera.source());
    for (password, is_let_in) in [("other", false), ("s3cret", true)] {
        fs::write(&file, password).unwrap();
        let mut line = open(&pipeline, &format!("password_file = {file:?}"));
        line.run_until(|line| !line.photos.is_empty() || !line.outages.is_empty());
        assert_eq!(line.outages.is_empty(), is_let_in, "{}", line.summary());
        assert!(is_let_in || line.was_lost_for("Unauthorized"), "{}", line.summary());
    }
}

#[test]
fn numbers_that_the_source_does_not_give_are_refused() {
    let Some(camera) = Camera::of_jpegs(&[]) else { return };
    let pipeline = format!("{} ! rtpjpegdepay ! jpegdec", camera.source());
    let mut line = open(&pipeline, "frame_numbers = true");
    line.run_until(|line| !line.outages.is_empty());
    assert!(line.was_lost_for("frame_numbers"), "{}", line.summary());
    assert!(line.photos.is_empty(), "{}", line.summary());
}

#[test]
fn what_a_decoder_calls_damaged_is_counted_not_judged() {
    gstreamer::init().unwrap();
    if gstreamer::ElementFactory::find("avdec_h264").is_none() {
        return skipped("there is no avdec_h264 (Debian: gstreamer1.0-libav)");
    }
    let video = "x264enc tune=zerolatency key-int-max=25 ! rtph264pay name=pay0";
    let moving =
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=64,height=48,framerate=25/1";
    let Some(camera) = Camera::start(&format!("{moving} ! {video}"), &[]) else { return };
    let decoded = |between: &str| {
        let pipeline =
            format!("{} protocols=tcp ! rtph264depay ! {between} avdec_h264", camera.source());
        let mut line = open(&pipeline, "");
        line.run_until(|line| line.photos.len() as u64 + line.dropped >= 60);
        assert!(line.outages.is_empty(), "{}", line.summary());
        line
    };
    let line = decoded("");
    assert_eq!(line.dropped, 0, "{}", line.summary());
    let line = decoded("h264parse ! video/x-h264,alignment=au ! identity drop-probability=0.1 !");
    assert!(line.reasons.iter().any(|it| it.contains("is damaged")), "{}", line.summary());
}
