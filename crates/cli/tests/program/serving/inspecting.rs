//! Photos in, verdicts out.

use std::fs;
use std::process::Command;

use efficientad_testing::skipped;
use serde_json::{Value, json};

use super::client::{Answer, exchange, request};
use super::running::Running;
use crate::fixture::{defective_part, part, run, save};
use crate::schemas;

const INSPECT: &str = "/api/models/part/inspect";

/// Expects that an answer is as the server's own description says.
#[track_caller]
fn assert_described(document: &Value, method: &str, path: &str, answer: &Answer) {
    let responses = &document["paths"][path][method]["responses"];
    let response = &responses[answer.status.to_string()];
    assert!(response.is_object(), "{method} {path} {}: not described", answer.status);
    let kind = answer.header("content-type").map(|kind| kind.split(';').next().unwrap());
    let Some(kind) = kind else {
        assert!(response.get("content").is_none(), "{method} {path}: has no content");
        return;
    };
    let content = &response["content"][kind];
    assert!(content.is_object(), "{method} {path} {}: {kind} is not described", answer.status);
    if kind == "application/json" {
        let mut schema = content["schema"].clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let body = answer.json();
        let errors: Vec<String> = validator.iter_errors(&body).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:#?} in {body:#}");
    }
}

fn predicted(model: &str, photo: &str) -> Value {
    run(["predict", model, photo, "--json"]).json_lines().remove(0)
}

#[test]
fn verdicts_are_those_of_predict_whatever_the_format() {
    let server = Running::start(&[]);
    let (model, image) = (server.sandbox.path("models/part.model"), defective_part(5).0);
    for name in ["png", "jpg", "tiff"] {
        let photo = server.sandbox.path(&format!("photo.{name}"));
        save(&image, &photo);
        let answer = server.post(&format!("{INSPECT}?name={photo}"), &fs::read(&photo).unwrap());
        assert_eq!(answer.status, 200, "{answer:?}");
        let verdict = answer.json();
        assert_eq!(verdict, predicted(&model, &photo), "{name}");
        schemas::assert_follows("predict", &verdict);
        let sha256 = server.part()["sha256"].as_str().unwrap().to_owned();
        assert_eq!(answer.header("x-model-version"), Some(&sha256[..16]));
    }
}

#[test]
fn photos_of_a_form_are_judged_in_order_and_bad_ones_named() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("forms are not sent: curl is missing");
    }
    let server = Running::start(&[]);
    let model = server.sandbox.path("models/part.model");
    let photos: Vec<String> = (0..9)
        .map(|seed| {
            let path = server.sandbox.path(&format!("photos/{seed}.png"));
            save(&part(seed), &path);
            path
        })
        .collect();
    let text = server.sandbox.write("text.png", b"no photo");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-with-body"]);
    for photo in photos.iter().chain([&text]) {
        curl.arg("--form").arg(format!("photo=@{photo}"));
    }
    let output = curl.arg(server.url(INSPECT)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts = verdicts["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 10);
    for (verdict, photo) in verdicts.iter().zip(&photos) {
        let mut expected = predicted(&model, photo);
        expected["path"] = json!(photo.rsplit('/').next().unwrap());
        assert_eq!(*verdict, expected);
    }
    let error = &verdicts[9]["error"];
    assert_eq!(error["code"], "photo_format");
    assert!(error["message"].as_str().unwrap().starts_with("text.png: is not an image"), "{error}");

    let photo = format!("@{}", photos[0]);
    let plain = Command::new("curl")
        .args(["--silent", "--data-binary", &photo, &server.url(INSPECT)])
        .output()
        .unwrap();
    let plain: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!(plain["score"], verdicts[0]["score"]);
}

#[test]
fn overlays_and_maps_are_the_files_of_predict() {
    let server = Running::start(&[]);
    let (model, photo) = (server.sandbox.path("models/part.model"), server.sandbox.path("0.png"));
    save(&defective_part(5).0, &photo);
    let out = server.sandbox.path("out");
    run(["predict", &model, &photo, "--out", &out]).success();
    let overlay = fs::read(format!("{out}/overlays/0.png")).unwrap();
    let map = fs::read(format!("{out}/0.tiff")).unwrap();
    let bytes = fs::read(&photo).unwrap();
    for (kind, file) in [("image/png", &overlay), ("image/tiff", &map)] {
        let answer =
            server.send("POST", &format!("{INSPECT}?name=größe"), &[("Accept", kind)], &bytes);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        assert!(answer.body == *file, "{kind}");
        let verdict: Value = serde_json::from_str(answer.header("x-verdict").unwrap()).unwrap();
        assert_eq!((&verdict["path"], &verdict["anomalous"]), (&json!("größe"), &json!(true)));
    }
    let both = server.post(&format!("{INSPECT}?overlay=true&map=true"), &bytes).json();
    let decoded = |field: &str| {
        let mut command = Command::new("base64")
            .arg("--decode")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let text = both[field].as_str().unwrap().to_owned();
        let mut stdin = command.stdin.take().unwrap();
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap());
        command.wait_with_output().unwrap().stdout
    };
    assert!(decoded("overlay") == overlay && decoded("map") == map);
}

#[test]
fn refusals_name_the_reason_and_what_helps() {
    let server = Running::start(&["--max-body", "1", "--max-pixels", "1"]);
    let good = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let refused =
        |path: &str, headers: &[(&str, &str)], body: &[u8], status, code, texts: &[&str]| {
            server.send("POST", path, headers, body).refused(status, code, texts);
        };
    let none = "/api/models/none/inspect";
    refused(none, &[], &good, 404, "no_such_model", &["\"none\"", "there are: part", "NAME.model"]);
    refused("/api/models/..%2Fpart/inspect", &[], &good, 404, "no_such_model", &[]);
    refused("/api/models/%ff/inspect", &[], &good, 400, "bad_request", &["UTF-8"]);
    refused("/api/nothing", &[], &good, 404, "no_such_path", &["/openapi.json"]);
    refused(INSPECT, &[], b"text", 415, "photo_format", &["photo: is not an image", "PNG, JPEG"]);
    refused(INSPECT, &[], b"", 422, "photo_damaged", &["is empty"]);
    refused(INSPECT, &[], b"GIF89a\x01\x00\x01\x00", 415, "photo_format", &["Gif format"]);
    refused(INSPECT, &[], &good[..good.len() / 2], 422, "photo_damaged", &["is damaged"]);
    let too_large = vec![0; (1 << 20) + 1];
    refused(INSPECT, &[], &too_large, 413, "body_too_large", &["1048576 bytes", "--max-body"]);
    let chunked: Vec<u8> = [&b"100001\r\n"[..], &too_large, b"\r\n0\r\n\r\n"].concat();
    let head =
        format!("POST {INSPECT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    super::client::exchange(&server.address, &[head.as_bytes(), &chunked].concat())
        .unwrap()
        .refused(413, "body_too_large", &[]);
    let wide = server.sandbox.path("wide.png");
    save(&image::RgbImage::new(1001, 1000), &wide);
    refused(
        INSPECT,
        &[],
        &fs::read(&wide).unwrap(),
        413,
        "photo_too_large",
        &["1001×1000", "--max-pixels of the server"],
    );
    refused(INSPECT, &[("Accept", "text/html")], &good, 406, "not_acceptable", &["image/png"]);
    refused(
        &format!("{INSPECT}?size=1"),
        &[],
        &good,
        400,
        "bad_request",
        &["\"size\"", "name, overlay and map"],
    );
    refused(&format!("{INSPECT}?map=yes"), &[], &good, 400, "bad_request", &["true or false"]);
    let form = [("Content-Type", "multipart/form-data")];
    refused(INSPECT, &form, &good, 400, "bad_request", &["multipart/form-data"]);
    let form = [("Content-Type", "multipart/form-data; boundary=b")];
    refused(
        INSPECT,
        &form,
        b"--b--\r\n",
        400,
        "bad_request",
        &["no photo in the form", "curl --form"],
    );
    server.get(INSPECT).refused(405, "other_method", &["does not take GET"]);
    assert_eq!(server.post(INSPECT, &good).status, 200);
}

#[test]
fn answers_are_as_the_server_describes_them() {
    let server = Running::start(&[]);
    let good = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    server.sandbox.write("models/broken.model", b"no model");
    let document = server.get("/openapi.json").json();
    let version = server.part()["version"].as_str().unwrap().to_owned();
    let check = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        for (model, version) in
            [("part", version.as_str()), ("none", "1"), ("broken", "1"), ("part", "1")]
        {
            let filled = path.replace("{model}", model).replace("{version}", version);
            let asked = request(&method.to_uppercase(), &filled, headers, body);
            let answer = exchange(&server.address, &asked)
                .unwrap_or_else(|| panic!("{method} {filled}: no answer"));
            let bare = path.split('?').next().unwrap();
            assert_described(&document, method, bare, &answer);
            if !path.contains("{model}") {
                break;
            }
        }
    };
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys().filter(|&it| it == "get") {
            check(method, path, &[], b"");
            check(method, path, &[("Host", "evil.example")], b"");
        }
    }
    let inspect = "/api/models/{model}/inspect";
    let form = [("Content-Type", "multipart/form-data; boundary=b")];
    let part = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let form_body = [&part[..], &good, b"\r\n", part, b"text\r\n--b--\r\n"].concat();
    check("post", &format!("{inspect}?overlay=true&map=true"), &[], &good);
    check("post", inspect, &[("Accept", "image/png")], &good);
    check("post", inspect, &[("Accept", "image/tiff")], &good);
    check("post", inspect, &[("Accept", "text/html")], &good);
    check("post", inspect, &[], b"text");
    check("post", inspect, &[], b"");
    check("post", inspect, &form, &form_body);
    let names = ["score", "anomalous", "p_value", "verdict", "map"];
    let outputs: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    let infer = json!({ "id": "7",
        "inputs": [{ "name": "pixels", "shape": [1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3] }],
        "outputs": outputs,
    });
    let infer = infer.to_string();
    for path in ["/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer"] {
        check("post", path, &[], infer.as_bytes());
        check("post", path, &[], b"{}");
    }
    check("post", "/v2/repository/index", &[], b"");
    check("post", "/v2/repository/index", &[], b"[");
    check("post", "/v2/repository/models/{model}/load", &[], b"");
    check("post", "/v2/repository/models/{model}/unload", &[], b"{}");
    check("post", "/v2/repository/models/{model}/load", &[], b"{\"parameters\":{\"config\":\"\"}}");
}

#[test]
fn the_description_is_valid_by_others() {
    let probe = Command::new("python3").args(["-c", "import openapi_spec_validator"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return skipped(
            "the description is not validated: python3 with openapi-spec-validator is missing",
        );
    }
    let server = Running::start(&[]);
    let document = server.sandbox.write("openapi.json", &server.get("/openapi.json").body);
    let script = "import json, sys; from openapi_spec_validator import validate; validate(json.load(open(sys.argv[1])))";
    let output = Command::new("python3").args(["-c", script, &document]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
