//! Models come and go.

use std::fs;

use serde_json::{Value, json};

use super::running::{Running, until};
use crate::fixture::{Sandbox, run, shared};

/// The shared model with another threshold.
fn recalibrated(sandbox: &Sandbox, seed: u64) -> Vec<u8> {
    let photos = sandbox.good_photos(&format!("good-{seed}"), 3 + seed);
    let out = sandbox.path("other");
    run(["calibrate", &shared().model, &photos, "--out", &out]).success();
    fs::read(out).unwrap()
}

fn names(server: &Running, field: &str, value: &str) -> Vec<String> {
    let list = server.get("/api/models").json();
    let found = list["models"].as_array().unwrap().iter().filter(|model| model[field] == value);
    found.map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_changed_file_is_taken_and_a_bad_one_is_not() {
    let server = Running::start(&[]);
    let file = server.sandbox.path("models/part.model");
    let photo = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let inspect = || {
        let answer = server.post("/api/models/part/inspect", &photo);
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.header("x-model-version").unwrap().to_owned(), answer.json())
    };
    let (first, verdict) = inspect();

    let other = recalibrated(&server.sandbox, 1);
    fs::write(server.sandbox.path("new"), other).unwrap();
    fs::rename(server.sandbox.path("new"), &file).unwrap();
    until("the new model", || server.part()["version"] != json!(first));
    let (second, again) = inspect();
    assert_ne!(second, first);
    assert_eq!(again["score"], verdict["score"], "networks are the same");
    assert_ne!(again["p_value"], verdict["p_value"], "calibration scores are others");

    fs::write(&file, b"half a model").unwrap();
    until("the failure", || server.part()["failure"].is_string());
    let part = server.part();
    assert_eq!((&part["state"], &part["version"]), (&json!("loaded"), &json!(second)));
    let failure = part["failure"].as_str().unwrap();
    assert!(failure.starts_with("part.model: "), "{failure}");
    assert_eq!(inspect().0, second, "the old one serves on");
    let metadata = server.get("/v2/models/part").json();
    assert_eq!(metadata["parameters"]["failure"], part["failure"]);
    let load = server.post("/v2/repository/models/part/load", b"");
    assert_eq!((load.status, load.json()), (409, json!({ "error": failure })));

    fs::remove_file(&file).unwrap();
    until("the loss", || {
        server.part()["failure"].as_str().unwrap().contains("no longer in the folder")
    });
    assert_eq!(inspect().0, second);
    fs::copy(&shared().model, &file).unwrap();
    until("the first model again", || server.part()["version"] == json!(first));
    assert_eq!(server.part()["failure"], Value::Null);
    assert_eq!(inspect(), (first, verdict));
    let log = server.stop().log;
    assert!(log.contains("model not loaded") && log.contains(failure), "{log}");
}

#[test]
fn the_least_recently_used_model_makes_room() {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "c"] {
        sandbox.write(&format!("models/{name}.model"), &fs::read(&shared().model).unwrap());
    }
    let server = Running::start_in(sandbox, &["--max-models", "2"]);
    assert_eq!(names(&server, "state", "loaded"), ["a", "b"], "the first by name");
    assert_eq!(names(&server, "state", "on_demand"), ["c", "part"]);
    let photo = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let inspect = |name: &str| {
        let answer = server.post(&format!("/api/models/{name}/inspect"), &photo);
        assert_eq!(answer.status, 200, "{answer:?}");
        names(&server, "state", "loaded")
    };
    assert_eq!(inspect("a"), ["a", "b"]);
    assert_eq!(inspect("c"), ["a", "c"]);
    assert_eq!(inspect("part"), ["c", "part"]);
    assert_eq!(inspect("c"), ["c", "part"]);
    assert_eq!(inspect("a"), ["a", "c"]);
}

#[test]
fn models_are_unloaded_and_loaded_on_request() {
    let server = Running::start(&[]);
    let photo = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let ready = || server.get("/v2/models/part/ready").status;
    assert_eq!(ready(), 200);
    assert_eq!(server.post("/v2/repository/models/part/unload", b"").status, 200);
    assert_eq!((ready(), server.part()["state"].clone()), (503, json!("unloaded")));
    server.post("/api/models/part/inspect", &photo).refused(
        409,
        "model_unloaded",
        &["part: this model was unloaded", "POST /v2/repository/models/NAME/load"],
    );
    assert_eq!(server.post("/v2/repository/models/part/load", b"").status, 200);
    assert_eq!((ready(), server.post("/api/models/part/inspect", &photo).status), (200, 200));
}

#[test]
fn bad_and_late_models_are_told_when_they_are_asked_for() {
    let server = Running::start(&[]);
    let photo = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let inspect = || server.post("/api/models/late/inspect", &photo);
    inspect().refused(404, "no_such_model", &["there are: part"]);
    server.sandbox.write("models/late.model", b"no model");
    inspect().refused(409, "model_unusable", &["late.model: "]);
    assert_eq!(names(&server, "state", "failed"), ["late"]);
    fs::copy(&shared().model, server.sandbox.path("models/late.model")).unwrap();
    assert_eq!(inspect().status, 200);
    assert_eq!(names(&server, "state", "loaded"), ["late", "part"]);
}
