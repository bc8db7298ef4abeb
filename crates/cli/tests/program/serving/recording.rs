//! The record of verdicts.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use efficientad_testing::skipped;
use serde_json::{Value, json};

use super::client::{read, request};
use super::running::{Running, until};
use crate::fixture::{Sandbox, defective_part, part, save};

const INSPECT: &str = "/api/models/part/inspect";

fn start_in(sandbox: Sandbox, arguments: &[&str]) -> Running {
    let data = sandbox.path("data");
    fs::create_dir_all(&data).unwrap();
    Running::start_in(sandbox, &[&["--data", &data], arguments].concat())
}

fn photos(sandbox: &Sandbox) -> [Vec<u8>; 2] {
    let (good, defective) = (sandbox.path("good.png"), sandbox.path("defective.png"));
    save(&part(1), &good);
    save(&defective_part(2).0, &defective);
    [good, defective].map(|path| fs::read(path).unwrap())
}

fn entries(server: &Running, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/record?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["entries"].as_array().unwrap().clone()
}

#[test]
fn every_verdict_is_in_the_record_with_what_it_rests_on() {
    let server = start_in(Sandbox::new(), &["--keep-photos", "all"]);
    let [good, defective] = photos(&server.sandbox);
    let verdicts = [("a-1", &good), ("b-2", &defective)]
        .map(|(name, photo)| server.post(&format!("{INSPECT}?name={name}"), photo).json());
    let found = entries(&server, "");
    let names: Vec<&str> = found.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["b-2", "a-1"], "the last ones first");
    let model = server.part();
    for (entry, verdict) in found.iter().rev().zip(&verdicts) {
        for (field, value) in verdict.as_object().unwrap() {
            assert_eq!(&entry[field], value, "{field}");
        }
        assert_eq!(entry["model_sha256"], model["sha256"]);
        let threshold = |value: &Value| value.as_f64().map(|value| value as f32);
        assert_eq!(threshold(&entry["threshold"]), threshold(&model["info"]["threshold"]["value"]));
    }
    assert_eq!(entries(&server, "text=A-&model=part").len(), 1);
    assert_eq!(
        entries(&server, "anomalous=true").len(),
        usize::from(verdicts[1]["anomalous"] == true)
    );
    assert_eq!(entries(&server, "from=2100-01-01T00:00:00Z").len(), 0);
    let photo = server.get(&format!("/api/record/{}/photo", found[0]["id"]));
    assert!(photo.status == 200 && photo.body == defective);
    let small = server.get(&format!("/api/record/{}/photo?side=16", found[0]["id"]));
    assert_eq!(small.header("content-type"), Some("image/jpeg"));
    assert_eq!(image::load_from_memory(&small.body).unwrap().width(), 16);
    server.get("/api/record/1/photo?side=7").refused(400, "bad_request", &["from 16 to 2048"]);

    let path = format!("/api/record/{}/mark", found[0]["id"]);
    let marked =
        server.post(&path, json!({ "mark": "defect", "who": "Ada" }).to_string().as_bytes());
    assert_eq!(marked.json()["mark"], "defect");
    assert_eq!(entries(&server, "mark=defect").len(), 1);
    let unmarked = entries(&server, "marked=false");
    assert_eq!(unmarked.iter().map(|it| &it["path"]).collect::<Vec<_>>(), ["a-1"]);
    server.post(&path, br#"{"mark":"defect"}"#).refused(422, "who_and_why", &["who"]);
    server.get("/api/record/99/photo").refused(404, "no_such_entry", &["99"]);
    server.get("/api/record?anomalous=perhaps").refused(400, "bad_request", &["anomalous"]);
    Running::start(&[]).get("/api/record").refused(404, "no_data", &["--data"]);
}

#[test]
fn photos_are_kept_by_policy() {
    for (policy, kept) in [("rejects", [false, true]), ("none", [false, false])] {
        let server = start_in(Sandbox::new(), &["--keep-photos", policy]);
        let photos = photos(&server.sandbox);
        let verdicts = photos.map(|photo| server.post(INSPECT, &photo).json());
        assert_eq!(verdicts[1]["anomalous"], true, "a rejected photo is needed here");
        let found: Vec<Value> = entries(&server, "").into_iter().rev().collect();
        let is_kept: Vec<bool> = found.iter().map(|it| it["photo_kept"] == true).collect();
        assert_eq!(is_kept, kept, "{policy}");
        let photo = server.get(&format!("/api/record/{}/photo", found[0]["id"]));
        photo.refused(404, "no_such_photo", &["was not kept"]);
        // Who watches the line is told where the record has it.
        let line = server.get("/api/line").json();
        let told = line["last"].as_array().unwrap().iter().rev().map(|it| &it["recorded"]);
        for (told, entry) in told.zip(&found) {
            assert_eq!((&told["entry"], &told["photo_kept"]), (&entry["id"], &entry["photo_kept"]));
        }
    }
}

#[test]
fn the_record_is_exported_whole() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("the record is not exported: curl is missing");
    }
    let server = start_in(Sandbox::new(), &[]);
    let [good, _] = photos(&server.sandbox);
    for number in 0..5 {
        server.post(&format!("{INSPECT}?name={number}"), &good);
    }
    let export = |format: &str| {
        let url = server.url(&format!("/api/record/export?format={format}"));
        let output = Command::new("curl").args(["--silent", "--fail", &url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lines: Vec<Value> =
        export("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, entries(&server, "").into_iter().rev().collect::<Vec<_>>());
    let table = export("csv");
    assert!(table.starts_with("id,time,model,"), "{table}");
    assert_eq!(table.lines().count(), 6);
}

/// Has a photo judged, unless the server goes away.
fn judge(address: &str, name: &str, photo: &[u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let asked = request("POST", &format!("{INSPECT}?name={name}"), &[], photo);
    let answer = stream.write_all(&asked).ok().and_then(|()| read(&mut stream));
    answer.is_some_and(|answer| answer.status == 200)
}

/// A verdict that a client has is in the record, whatever happens to the process; more rounds by
/// `EFFICIENTAD_KILLS`.
#[test]
fn a_server_that_is_killed_at_work_loses_no_verdict_that_it_gave() {
    let rounds = std::env::var("EFFICIENTAD_KILLS").map_or(3, |rounds| rounds.parse().unwrap());
    let mut sandbox = Sandbox::new();
    let given = Mutex::new(Vec::new());
    for round in 0..rounds {
        let server = start_in(sandbox, &[]);
        let [good, _] = photos(&server.sandbox);
        let enough = given.lock().unwrap().len() + 3 + round % 4;
        thread::scope(|scope| {
            for client in 0..4 {
                let (server, good, given) = (&server, &good, &given);
                scope.spawn(move || {
                    for number in 0.. {
                        let name = format!("{round}-{client}-{number}");
                        if !judge(&server.address, &name, good) {
                            return;
                        }
                        given.lock().unwrap().push(name);
                    }
                });
            }
            until("verdicts", || given.lock().unwrap().len() >= enough);
            let id = server.id().to_string();
            assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
        });
        sandbox = server.kill();
    }
    let server = start_in(sandbox, &[]);
    let found = entries(&server, "limit=1000");
    for name in given.into_inner().unwrap() {
        assert!(found.iter().any(|entry| entry["path"] == name.as_str()), "{name} is lost");
    }
}
