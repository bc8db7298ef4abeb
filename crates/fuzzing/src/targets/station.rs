//! What a station reads: its file, cameras' streams, the notes of its outputs.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use efficientad::{CpuEngine, InspectionEngine, InstructionSet};
use efficientad_outputs::{FailSafe, LineLog, OutputConfig, Publisher};
use efficientad_station::{StationConfig, check};
use efficientad_stream::{Fault, Wake};
use tempfile::TempDir;

use super::MIB;
use super::stream::LOG;
use crate::scratch;
use crate::target::{Memory, Target, as_it_is};

const STATION: Target = Target {
    name: "station",
    parses: "files of stations, as far as what they name, which is not there",
    run: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let Ok(station) = StationConfig::parse(text, Path::new("/nowhere")) else { return false };
        let _ = check(&station, &ENGINE);
        true
    },
    seeds: || vec![CAMERAS.as_bytes().to_vec(), OUTPUTS.as_bytes().to_vec()],
    repair: as_it_is,
    tokens: &[
        b"[cameras.a]\n",
        b"[lines.\"..\"]\n",
        b"[outputs.a]\n",
        b"[[",
        b"]",
        b"kind = \"mjpeg\"\n",
        b"trigger = \"software\"\n",
        b"lines = []\n",
        b"\"\"\"",
        b" = { ",
        b" }",
        b"\n",
        b"{{",
        b"nan",
        b"-inf",
        b"0x7fffffffffffffff",
        b"2026-11-29T00:00:00Z",
        b"\\u0000",
        b"mqtts://a@[::1]:99999",
    ],
    memory: Memory { fixed: 4 * MIB, per_byte: 512 },
    tried_in_tests: 2000,
};

/// The parsers of stations.
pub(super) const TARGETS: &[Target] = &[
    STATION,
    Target {
        name: "mjpeg",
        parses: "Content-Type, and the stream of photos behind it",
        run: |bytes| {
            let (content_type, stream) = split_line(bytes);
            efficientad_cameras::fuzzing::read_parts(content_type, stream, MAX_FRAME)
        },
        seeds: || STREAMS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        tokens: &[
            b"--frame\r\n",
            b"--frame--\r\n",
            b"frame",
            b"\r\n",
            b"\n",
            b"\r\n\r\n",
            b"Content-Length: ",
            b"Content-Length: 18446744073709551615\r\n",
            b"multipart/x-mixed-replace; boundary=",
            b":",
            b"-",
        ],
        memory: Memory { fixed: MIB, per_byte: 16 },
        ..STATION
    },
    Target {
        name: "output_position",
        parses: "how far an output has delivered a log",
        run: |bytes| {
            FOLLOWED.with(|folder| {
                let file = folder.path().join("changed.position");
                fs::write(&file, bytes).expect("room for a temporary file");
                efficientad_outputs::fuzzing::follow(&file, log_in(folder.path()))
            })
        },
        seeds: || [usize::MAX, 2, 0].into_iter().map(position).collect(),
        tokens: &[
            b"{",
            b"}",
            b",",
            b"null",
            b"\"offset\":0",
            b"\"last_offset\":9223372036854775807",
            b"\"session\":null",
            b"\"last\":null",
            b"\"counters\":",
            b"1e999",
            b"\\u0000",
            b"-9999-01-01T00:00:00Z",
        ],
        memory: Memory { fixed: MIB, per_byte: 64 },
        ..STATION
    },
];

static ENGINE: LazyLock<Arc<dyn InspectionEngine>> =
    LazyLock::new(|| Arc::new(CpuEngine::new(1, InstructionSet::best()).expect("an engine")));

/// Largest frame of the streams here.
const MAX_FRAME: u64 = 4096;

fn split_line(bytes: &[u8]) -> (&str, &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (std::str::from_utf8(line).unwrap_or_default(), rest.get(1..).unwrap_or_default())
}

const STREAMS: [&str; 3] = [
    "multipart/x-mixed-replace; boundary=frame\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\nphoto1\r\n--frame\r\nContent-Length: 0\r\nX-Number: 7\r\n\r\n\r\n--frame--\r\n",
    "multipart/x-mixed-replace;boundary=\"--frame\"\n\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\nphoto\n1\r\n--frame\r\n\r\n\r\n--frame--",
    "multipart/x-mixed-replace; charset=a; boundary=frame\nframe\n\nphoto\nframe\nContent-Length: 3\n\nabc\nframe",
];

thread_local! {
    static FOLLOWED: TempDir = followed(usize::MAX);
}

fn log_in(folder: &Path) -> LineLog {
    LineLog {
        station: "cell".to_owned(),
        line: "lids".to_owned(),
        log: folder.join("lids.jsonl"),
        budget: Some(Duration::from_millis(200)),
        fail_safe: FailSafe::Reject,
        trigger: None,
        running_since: jiff::Timestamp::UNIX_EPOCH,
        fault: Fault::default(),
    }
}

/// A folder with so many lines of a log.
fn followed(lines: usize) -> TempDir {
    let folder = scratch::folder();
    let log: Vec<u8> =
        LOG.split_inclusive(|&byte| byte == b'\n').take(lines).flatten().copied().collect();
    fs::write(folder.path().join("lids.jsonl"), log).expect("room for a log");
    folder
}

/// What an output notes when it has delivered so many lines of the log.
fn position(lines: usize) -> Vec<u8> {
    let folder = followed(lines);
    let table = format!("kind = \"csv\"\npath = \"{}\"", folder.path().join("a.csv").display());
    let config: OutputConfig = toml::from_str(&table).expect("a configuration");
    let (log, tell) = (log_in(folder.path()), Arc::new(drop));
    let output = Publisher::start("out", &config, folder.path(), vec![log], Wake::default(), tell);
    output.expect("an output").finish(Duration::from_secs(60));
    fs::read(folder.path().join("out.lids.position")).unwrap_or_default()
}

/// Every kind of camera.
const CAMERAS: &str = r#"name = "cell 4"
state = "state"
[cameras.a]
kind = "folder"
path = "photos"
settle_ms = 100
[cameras.b]
kind = "http"
url = "http://127.0.0.1:8000/photo"
trigger = "interval"
interval_ms = 100
queue = { length = 2, when_full = "drop_newest" }
reconnect = { first_ms = 100, longest_ms = 200 }
[cameras.c]
kind = "mjpeg"
url = "https://camera/stream"
ca_file = "ca.pem"
username = "me"
password_file = "password"
frame_number_header = "X-Number"
[cameras.d]
kind = "genicam"
device = "Aravis-Fake-TEST"
exposure_us = 5000.0
region = { x = 16, y = 8, width = 64, height = 32 }
features = [{ GainSelector = "All" }, { Gain = 2.0, On = true }]
[cameras.e]
kind = "v4l2"
device = "/dev/video0"
format = "YUYV"
[cameras.f]
kind = "gstreamer"
pipeline = "videotestsrc ! jpegenc"
[lines.lids]
camera = "a"
model = "lid.model"
threshold = -1.5
budget_ms = 200
fail_safe = "stop"
rejects = "rejects"
defect_rate = 0.07
"#;

/// Every kind of output.
const OUTPUTS: &str = r#"name = "cell"
[cameras.a]
kind = "folder"
path = "photos"
[lines.lids]
camera = "a"
model = "lid.model"
[outputs.a]
kind = "csv"
path = "lids.csv"
lines = ["lids"]
[outputs.b]
kind = "tcp"
listen = "5000"
message = { text = "{verdict};{score}", end = "crlf" }
ack = true
[outputs.c]
kind = "serial"
path = "/dev/ttyS0"
baud = 9600
parity = "even"
[outputs.d]
kind = "mqtt"
url = "mqtts://broker:8883"
payload = "sparkplug_b"
group = "a"
username = "me"
password_file = "password"
[outputs.e]
kind = "webhook"
url = "https://127.0.0.1/hook"
secret_file = "secret"
tries = 3
[outputs.f]
kind = "modbus"
listen = "0.0.0.0:502"
addresses = { lids = 100 }
[outputs.g]
kind = "opcua"
listen = "4840"
"#;
