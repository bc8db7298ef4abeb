//! Folders that `efficientad watch` watches, in the server's line.

use std::fs;

use serde_json::Value;

use super::running::{Running, until};
use crate::fixture::{Sandbox, defective_part, part, run, save, shared};

fn watch(folder: &str, threshold: &str) {
    let model = &shared().model;
    let once = run(["watch", model, folder, "--once", "--settle", "0.1", "--threshold", threshold]);
    assert_eq!(once.code, Some(0), "{once:?}");
}

fn line(server: &Running) -> Value {
    server.get("/api/line").json()
}

#[test]
fn the_line_shows_what_watchers_judge() {
    let sandbox = Sandbox::new();
    let (hall, press) = (sandbox.path("hall"), sandbox.path("press"));
    // What was judged before the server started is not of its line.
    save(&part(1), &format!("{hall}/old.png"));
    watch(&hall, "1e9");
    let logs = [sandbox.path("hall.jsonl"), sandbox.path("press.jsonl")];
    let options = ["--watch-log", &logs[0], "--watch-log", &logs[1]];
    let server = Running::start_in(sandbox, &options);
    save(&part(2), &format!("{hall}/good.png"));
    watch(&hall, "1e9");
    until("the good part", || line(&server)["last"].as_array().is_some_and(|last| last.len() == 1));
    save(&defective_part(3).0, &format!("{press}/bad.png"));
    watch(&press, "-1000");
    until("the reject", || {
        line(&server)["rejects"].as_array().is_some_and(|rejects| rejects.len() == 1)
    });
    let line = line(&server);
    let verdict = &line["last"][1];
    assert_eq!((&verdict["name"], &verdict["client"]), (&"good.png".into(), &"hall".into()));
    assert_eq!(verdict["model"], "hall (part)", "the server has this model");
    let logged = fs::read_to_string(&logs[0]).unwrap();
    let score = verdict["score"].as_f64().unwrap() as f32;
    assert!(logged.contains(&format!("\"score\":{score}")), "{verdict} {logged}");
    let reject = &line["rejects"][0];
    assert_eq!((&reject["name"], &reject["anomalous"]), (&"bad.png".into(), &true.into()));
    for (name, rejected) in [("hall (part)", 0), ("press (part)", 1)] {
        let counts = &line["models"][name];
        assert_eq!((&counts["judged"], &counts["rejected"]), (&1.into(), &rejected.into()));
    }
    assert_eq!(
        server.leave().names(),
        [
            "hall",
            "hall.jsonl",
            "hall.jsonl.lock",
            "models",
            "press",
            "press.jsonl",
            "press.jsonl.lock"
        ]
    );
}

#[test]
fn what_is_no_log_is_refused() {
    let sandbox = Sandbox::new();
    let models = sandbox.path("models");
    fs::create_dir(&models).unwrap();
    let file = sandbox.write("verdicts.csv", b"path,score\n");
    run(["serve", "--models", &models, "--listen", "127.0.0.1:0", "--watch-log", &file])
        .expect(2, &["verdicts.csv", "is not such a log"]);
    assert_eq!(fs::read(file).unwrap(), b"path,score\n");
}
