//! The page, and the requests that it is made of.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use efficientad_testing::skipped;
use serde_json::{Value, json};

use super::client::{Answer, connect, request};
use super::running::Running;
use crate::fixture::{Sandbox, defective_part, part, save};

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";
const ENGINEER: &str = "abcdef0123456789abcdef0123456789";
const AUDITOR: &str = "fedcba9876543210fedcba9876543210";

/// A server with a folder of data, which has a folder `cloth` of good photos.
fn start(arguments: &[&str]) -> Running {
    let sandbox = Sandbox::new();
    sandbox.good_photos("data/cloth", 6);
    start_in(sandbox, arguments)
}

fn start_in(sandbox: Sandbox, arguments: &[&str]) -> Running {
    let data = sandbox.path("data");
    Running::start_in(sandbox, &[&["--data", &data], arguments].concat())
}

fn post(server: &Running, path: &str, body: Value) -> Answer {
    server.post(path, body.to_string().as_bytes())
}

/// Starts a job, and gives its path.
fn begin(server: &Running, request: Value) -> String {
    let answer = post(server, "/api/jobs", request);
    assert_eq!(answer.status, 200, "{}", answer.json());
    format!("/api/jobs/{}", answer.json()["id"])
}

/// Waits for a job's end.
fn end(server: &Running, job: &str) -> Value {
    let is_open = |job: &Value| job["state"] == "waiting" || job["state"] == "running";
    wait("the job's end", || !is_open(&server.get(job).json()));
    server.get(job).json()
}

/// Waits until something is so. Jobs have the lowest priority: on a busy machine they take long.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..9000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not within a quarter of an hour");
}

fn done(server: &Running, request: Value) -> Value {
    let job = end(server, &begin(server, request));
    assert_eq!(job["state"], "done", "{job}");
    job["result"].clone()
}

fn training(steps: u64) -> Value {
    json!({
        "kind": "train", "part": "weave", "folder": "cloth", "steps": steps, "who": "Ada", "why": "a new part",
    })
}

fn png(image: &image::RgbImage, sandbox: &Sandbox) -> Vec<u8> {
    let path = sandbox.path("photo.png");
    save(image, &path);
    fs::read(path).unwrap()
}

fn mark(server: &Running, photo: &[u8], mark: &str, name: &str) {
    let answer = server.post(&format!("/api/parts/weave/marks/{mark}?name={name}"), photo);
    assert_eq!(answer.status, 200, "{}", answer.json());
}

/// What the record has of changes, the first ones first: of what, by whom, why.
fn changes(server: &Running) -> Vec<[String; 3]> {
    let changes = server.get("/api/changes").json();
    let change =
        |it: &Value| ["what", "who", "why"].map(|field| it[field].as_str().unwrap().into());
    changes["changes"].as_array().unwrap().iter().rev().map(change).collect()
}

/// Whether there is a browser, and Python with what `tools/page_check.py` needs.
fn has_browser() -> bool {
    let probe = "import playwright.sync_api, shutil, os, sys; \
                 sys.exit(not (os.environ.get('CHROMIUM') or shutil.which('chromium')))";
    let found = Command::new("python3").args(["-c", probe]).output();
    found.is_ok_and(|output| output.status.success())
}

const NO_BROWSER: &str = "the page is not opened: chromium, or python3 with playwright, is missing";

/// Runs `tools/page_check.py` on a server.
fn check_page(server: &Running, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/page_check.py");
    let output =
        Command::new("python3").arg(script).arg(server.url("")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn people_train_judge_decide_and_report_in_a_browser() {
    if !has_browser() {
        return skipped(NO_BROWSER);
    }
    let server = start(&[]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data");
    for kind in ["train/good", "test/good", "test/stain", "ground_truth/stain"] {
        copy_three(&example.join(kind), Path::new(&server.sandbox.path("data/brick")).join(kind));
    }
    check_page(&server, &[example.to_str().unwrap()]);
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn an_auditor_reads_and_saves_the_record_in_a_browser() {
    if !has_browser() {
        return skipped(NO_BROWSER);
    }
    let sandbox = Sandbox::new();
    let tokens = sandbox.write(
        "tokens",
        format!("line-1 operator {OPERATOR}\noffice auditor {AUDITOR}\n").as_bytes(),
    );
    fs::create_dir(sandbox.path("data")).unwrap();
    let server = start_in(sandbox, &["--token", &tokens, "--keep-photos", "all"]);
    let photo = png(&part(1), &server.sandbox);
    let bearer = format!("Bearer {OPERATOR}");
    for number in 0..53 {
        let path = format!("/api/models/part/inspect?name={number}.png");
        let answer = server.send("POST", &path, &[("Authorization", &bearer)], &photo);
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    check_page(&server, &["--auditor", AUDITOR]);
}

/// Copies the first three files of a folder.
fn copy_three(from: &Path, to: PathBuf) {
    fs::create_dir_all(&to).unwrap();
    let mut files: Vec<_> =
        fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files[..3] {
        fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_training_goes_on_after_a_restart() {
    let server = start(&[]);
    let steps = 10;
    let job = begin(&server, training(steps));
    wait("the first step", || server.get(&job).json()["step"].is_object());
    let again = post(&server, "/api/jobs", training(steps));
    again.refused(409, "model_in_work", &["weave", "train"]);
    let sandbox = server.leave();
    assert!(Path::new(&sandbox.path("models/weave.model.checkpoint")).is_file());
    assert!(!Path::new(&sandbox.path("models/weave.model")).exists());

    let server = start_in(sandbox, &[]);
    assert_eq!(server.get("/api/parts/weave").json()["stopped"], true);
    let job = end(&server, &begin(&server, json!({ "kind": "resume", "part": "weave" })));
    assert_eq!((&job["state"], &job["result"]["steps"]), (&json!("done"), &json!(steps)));
    let first = job["points"][0]["step"].as_u64().unwrap();
    assert!(first > 1, "it went on, and did not begin anew");
    assert_eq!(server.get("/api/parts/weave").json()["stopped"], false);
    let photo = png(&part(1), &server.sandbox);
    assert_eq!(server.post("/api/models/weave/inspect", &photo).status, 200);
    // Who asked for it, before the restart.
    assert_eq!(changes(&server), [["model", "Ada", "a new part"]]);
}

#[test]
fn a_model_learns_from_marks_and_they_are_marks_no_more() {
    let server = start(&[]);
    done(&server, training(1));
    for seed in 100..104 {
        mark(&server, &png(&part(seed), &server.sandbox), "good", &format!("{seed}.png"));
    }
    mark(&server, &png(&defective_part(7).0, &server.sandbox), "defect", "hole.png");
    let why =
        |kind: &str, why: &str| json!({ "kind": kind, "part": "weave", "who": "Ada", "why": why });
    let calibrated = done(&server, why("calibrate", "new lamp"));
    assert_eq!(calibrated["threshold"]["images"], 4);
    assert_eq!(calibrated["defects"]["images"], 1);
    done(&server, json!({ "kind": "score", "part": "weave" }));
    let decision = server.get("/api/models/weave/decision?all=1&threshold=-1000").json();
    assert_eq!(decision["unscored"], 0);
    assert_eq!(decision["proposed"]["above"], 4, "all calibration photos reach it: {decision}");
    assert_eq!(decision["defects"]["reach"], 1);
    assert_eq!(decision["photos"].as_array().unwrap().len(), 5);

    let mut request = why("continue", "a new supplier");
    request["steps"] = 1.into();
    let learned = done(&server, request);
    assert_eq!(learned["held_back"]["old"]["images"], 1, "the old photos took part: {learned}");
    let counts = server.get("/api/parts/weave").json()["counts"].clone();
    assert_eq!((&counts["good"], &counts["defect"]), (&json!(0), &json!(1)));
    assert_eq!(fs::read_dir(server.sandbox.path("data/uploads/weave/train-2")).unwrap().count(), 4);
    let failed = end(&server, &begin(&server, why("calibrate", "again")));
    assert_eq!(failed["state"], "failed");
    let expected = [
        ["model", "Ada", "a new part"],
        ["threshold", "Ada", "new lamp"],
        ["model", "Ada", "new lamp"],
        ["model", "Ada", "a new supplier"],
    ];
    assert_eq!(changes(&server), expected);
}

#[test]
fn a_training_that_fails_gives_the_marks_back() {
    let server = start(&[]);
    done(&server, training(1));
    for seed in 100..103 {
        mark(&server, &png(&part(seed), &server.sandbox), "good", &format!("{seed}.png"));
    }
    // The old photos are not what they were.
    fs::remove_file(server.sandbox.path("data/cloth/3.png")).unwrap();
    let request =
        json!({ "kind": "continue", "part": "weave", "steps": 1, "who": "Ada", "why": "more" });
    let job = end(&server, &begin(&server, request));
    assert_eq!(job["state"], "failed");
    assert!(job["error"].as_str().unwrap().contains("as they are now"), "{job}");
    assert_eq!(server.get("/api/parts/weave").json()["counts"]["good"], 3);
    let photos = server.get("/api/data/taking?folder=cloth").json();
    assert_eq!(photos["taken"], json!([{ "folder": "", "as": "training", "files": 5 }]));
}

#[test]
fn a_threshold_is_set_with_who_and_why() {
    let server = start(&[]);
    let path = "/api/models/part/threshold";
    post(&server, path, json!({ "value": 0.5 })).refused(422, "who_and_why", &["who"]);
    post(&server, path, json!({ "value": 0.5, "who": "Ada" })).refused(
        422,
        "who_and_why",
        &["why"],
    );
    let both = json!({ "value": 0.5, "false_reject": 0.1, "who": "Ada", "why": "x" });
    post(&server, path, both).refused(422, "threshold", &["either a value"]);
    let set =
        post(&server, path, json!({ "value": 0.5, "who": "Ada", "why": "a stricter customer" }));
    assert_eq!((set.status, &set.json()["threshold"]["basis"]), (200, &json!("given")));
    assert_eq!(server.part()["threshold"], 0.5, "it is in use at once");
    let rate = json!({ "false_reject": 0.1, "who": "Ada", "why": "as before" });
    let text = post(&server, path, rate).json()["threshold"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("10 %"), "{text}");
    let all = server.get("/api/changes").json();
    assert_eq!(all["changes"][1]["after"], "0.5");
    assert_eq!(all["changes"][0]["before"], "0.5");
}

#[test]
fn roles_say_who_may_train_mark_and_read() {
    let sandbox = Sandbox::new();
    sandbox.good_photos("data/cloth", 4);
    let text =
        format!("line-1 operator {OPERATOR}\nanna engineer {ENGINEER}\noffice auditor {AUDITOR}\n");
    let tokens = sandbox.write("tokens", text.as_bytes());
    let server = start_in(sandbox, &["--token", &tokens]);
    let send = |token: &str, method: &str, path: &str, body: &[u8]| {
        let bearer = format!("Bearer {token}");
        server.send(method, path, &[("Authorization", &bearer)], body)
    };
    assert_eq!(server.get("/").status, 200, "the page itself has no secrets");
    server.get("/api/session").refused(401, "token", &["a token is needed"]);
    let photo = png(&part(1), &server.sandbox);
    let request = training(1).to_string();
    for (token, name, role, status) in [
        (OPERATOR, "line-1", "operator", [200, 200, 403, 403]),
        (ENGINEER, "anna", "engineer", [200, 200, 200, 200]),
        (AUDITOR, "office", "auditor", [200, 403, 403, 403]),
    ] {
        let session = send(token, "GET", "/api/session", b"").json();
        assert_eq!((&session["name"], &session["role"]), (&json!(name), &json!(role)));
        let statuses = [
            send(token, "GET", "/api/changes", b"").status,
            send(token, "POST", "/api/parts/weave/marks/good?name=a.png", &photo).status,
            send(token, "POST", "/api/parts/weave/photos?name=a.png", &photo).status,
            send(token, "POST", "/api/jobs", request.as_bytes()).status,
        ];
        assert_eq!(statuses, status, "{role}");
    }
    let jobs = send(AUDITOR, "GET", "/api/jobs", b"").json();
    assert_eq!(jobs["jobs"][0]["who"], "anna", "as the token says, and not the request");
}

#[test]
fn what_leads_elsewhere_or_is_no_photo_is_refused() {
    let server = start(&[]);
    fs::write(server.sandbox.path("secret.png"), b"secret").unwrap();
    fs::write(server.sandbox.path("data/notes.txt"), b"notes").unwrap();
    for path in ["../secret.png", "%2e%2e/secret.png", "/etc/passwd", "cloth/../../secret.png"] {
        let picture = server.get(&format!("/api/data/picture?path={path}"));
        picture.refused(404, "no_such_path", &["below the server's folder of data"]);
    }
    server.get("/api/data/picture?path=notes.txt").refused(400, "bad_request", &["no photo"]);
    let photo = png(&part(1), &server.sandbox);
    for name in ["..%2f..%2fx", ".hidden", "a%20b"] {
        let answer = server.post(&format!("/api/parts/{name}/photos?name=a.png"), &photo);
        answer.refused(400, "bad_request", &["a part's name"]);
    }
    let kept = server.post("/api/parts/weave/photos?name=..%2F..%2Fevil.png", &photo).json();
    assert!(kept["name"].as_str().unwrap().starts_with("evil-"), "{kept}");
    let nothing = server.post("/api/parts/weave/photos?name=a.png", b"no photo");
    nothing.refused(415, "photo_format", &["a.png"]);
    assert_eq!(fs::read_dir(server.sandbox.path("data/uploads/weave/train")).unwrap().count(), 1);
    let picture = server.get(&format!(
        "/api/data/picture?side=32&path=uploads/weave/train/{}",
        kept["name"].as_str().unwrap()
    ));
    assert_eq!(picture.header("content-type"), Some("image/jpeg"));
    assert_eq!(image::load_from_memory(&picture.body).unwrap().width(), 32);
}

#[test]
fn a_server_without_data_judges_and_says_what_it_lacks() {
    let server = Running::start(&[]);
    assert_eq!(server.get("/api/session").json()["data"], false);
    server.get("/api/parts").refused(404, "no_data", &["--data"]);
    assert!(server.get("/api/models/part/decision").json()["current"].is_object());
}

#[test]
fn verdicts_are_told_as_they_are_made() {
    let server = start(&[]);
    let mut stream = connect(&server.address);
    stream.write_all(&request("GET", "/api/events", &[], b"")).unwrap();
    let mut text = String::new();
    let mut wait_for = |wanted: &str| {
        let mut buffer = [0; 4096];
        while !text.contains(wanted) {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the stream ended: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    wait_for("event: begun");
    let photo = png(&part(1), &server.sandbox);
    assert_eq!(server.post("/api/models/part/inspect?name=first.png", &photo).status, 200);
    wait_for("event: verdict");
    wait_for("first.png");
    let line = server.get("/api/line").json();
    assert_eq!(
        (&line["models"]["part"]["judged"], &line["last"][0]["name"]),
        (&json!(1), &json!("first.png"))
    );
    // Whoever watches does not keep the server from ending.
    assert_eq!(server.stop().code, Some(0));
}
