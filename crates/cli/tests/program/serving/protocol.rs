//! The Open Inference Protocol, as a client of others speaks it.

use std::path::Path;
use std::process::Command;

use efficientad_testing::skipped;
use serde_json::{Value, json};

use super::running::Running;
use crate::fixture::{defective_part, part, run, save};

#[test]
fn tritons_own_client_gets_the_scores_of_predict_bit_for_bit() {
    let modules = "import tritonclient.http, numpy, PIL";
    let found = Command::new("python3").args(["-c", modules]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        return skipped(
            "Triton's client is not tried: python3 with tritonclient[http] and pillow is missing",
        );
    }
    let server = Running::start(&[]);
    let model = server.sandbox.path("models/part.model");
    let photos: Vec<String> =
        (0..3).map(|n| server.sandbox.path(&format!("photos/{n}.png"))).collect();
    save(&part(1), &photos[0]);
    save(&defective_part(2).0, &photos[1]);
    save(&part(3), &photos[2]);
    let out = server.sandbox.path("out");
    let folder = server.sandbox.path("photos");
    let predicted = run(["predict", &model, &folder, "--json", "--out", &out]).success();
    let predicted = server.sandbox.write("predicted.jsonl", predicted.as_bytes());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/serving/triton.py");
    let output = Command::new("python3")
        .arg(script)
        .args([&server.address, "part", &predicted, &out])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "the same");
}

#[test]
fn json_requests_are_answered_by_json() {
    let server = Running::start(&[]);
    let image = defective_part(5).0;
    let path = server.sandbox.path("0.png");
    save(&image, &path);
    let expected = run(["predict", &server.sandbox.path("models/part.model"), &path, "--json"]);
    let expected = expected.json_lines().remove(0);
    let base64 = Command::new("base64").args(["--wrap=0", &path]).output().unwrap().stdout;
    let base64 = String::from_utf8(base64).unwrap();
    let (width, height) = image.dimensions();
    let rows: Vec<Vec<&[u8]>> =
        image.as_raw().chunks(3 * width as usize).map(|row| row.chunks(3).collect()).collect();
    let inputs = [
        json!({ "name": "image", "shape": [1], "datatype": "BYTES", "data": [base64] }),
        json!({ "name": "pixels", "shape": [height, width, 3], "datatype": "UINT8", "data": rows }),
        json!({ "name": "pixels", "shape": [1, height, width, 3], "datatype": "UINT8", "data": image.as_raw() }),
    ];
    for input in inputs {
        let request = json!({ "id": "42", "inputs": [input] }).to_string();
        let answer = server.post("/v2/models/part/infer", request.as_bytes());
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["id"], &body["model_name"]),
            (200, &json!("42"), &json!("part")),
            "{body}"
        );
        let output = |name: &str| {
            let outputs = body["outputs"].as_array().unwrap();
            outputs.iter().find(|output| output["name"] == name).unwrap()["data"][0].clone()
        };
        for name in ["score", "anomalous", "p_value"] {
            assert_eq!(output(name), expected[name], "{name}");
        }
        let version = body["model_version"].as_str().unwrap();
        let pinned = format!("/v2/models/part/versions/{version}/infer");
        assert_eq!(server.post(&pinned, request.as_bytes()).json()["outputs"], body["outputs"]);
    }
}

#[test]
fn requests_that_break_the_protocol_are_told_why() {
    let server = Running::start(&[]);
    let infer = |request: &Value| {
        let answer = server.post("/v2/models/part/infer", request.to_string().as_bytes());
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let of = |name: &str, datatype: &str, shape: Value, data: Value| json!({ "inputs": [{ "name": name, "datatype": datatype, "shape": shape, "data": data }] });
    let pixels = |shape: Value, data: Value| of("pixels", "UINT8", shape, data);
    let mut outputs = pixels(json!([1, 1, 3]), json!([1, 2, 3]));
    let mut with_output = |output: Value| {
        outputs["outputs"] = json!([output]);
        outputs.clone()
    };
    let cases = [
        (json!({}), 400, "missing field `inputs`"),
        (json!({ "inputs": [] }), 400, "there are 0 inputs: give one"),
        (of("x", "UINT8", json!([1]), json!([])), 400, "there is no such input"),
        (of("image", "UINT8", json!([1]), json!([])), 400, "datatype is to be BYTES"),
        (of("image", "BYTES", json!([1]), json!(["?"])), 400, "no Base64"),
        (of("image", "BYTES", json!([2]), json!([""])), 400, "2 photos, but there are 1"),
        (of("image", "BYTES", json!([1]), json!(["dGV4dA=="])), 415, "image[0]: is not an image"),
        (pixels(json!([1, 1, 4]), json!([1, 2, 3, 4])), 400, "[height, width, 3]"),
        (pixels(json!([1, 1, 3]), json!([1, 2])), 400, "but there are 2 values"),
        (pixels(json!([1, 1, 3]), json!([1, 2, 3, 4])), 400, "there are more"),
        (pixels(json!([1, 1, 3]), json!([1, 2, 256])), 400, "above 255"),
        (pixels(json!([0, 1, 3]), json!([])), 400, "sides are 1 or more"),
        (pixels(json!([i64::MAX, i64::MAX, 3]), json!([])), 400, "but there are 0 values"),
        (pixels(json!([1000, 1, 1, 3]), json!([])), 413, "256 photos at most"),
        (
            with_output(json!({ "name": "boxes" })),
            400,
            "there are: score, anomalous, p_value, verdict, map",
        ),
        (
            with_output(json!({ "name": "score", "parameters": { "classification": 1 } })),
            400,
            "classification",
        ),
    ];
    for (request, status, text) in cases {
        let (found, message) = infer(&request);
        assert!(found == status && message.contains(text), "{request}: {found} {message}");
    }
    let sizes = json!({ "inputs": [{ "name": "image", "shape": [1], "datatype": "BYTES",
        "parameters": { "binary_data_size": 3 } }] });
    assert!(infer(&sizes).1.contains("its binary_data_size is 3, but there are 0 bytes"));
    let none = server.post("/v2/models/part/versions/7/infer", b"{}");
    assert_eq!(none.status, 404);
    assert!(none.json()["error"].as_str().unwrap().contains("version \"7\" is not here"));
}

#[test]
fn metadata_and_health_are_told() {
    let server = Running::start(&[]);
    let metadata = server.get("/v2").json();
    assert_eq!(metadata["extensions"], json!(["binary_tensor_data", "model_repository"]));
    assert_eq!(server.get("/v2/health/live").status, 200);
    let model = server.get("/v2/models/part").json();
    let version = model["versions"][0].as_str().unwrap().to_owned();
    let sha256 =
        Command::new("sha256sum").arg(server.sandbox.path("models/part.model")).output().unwrap();
    assert!(String::from_utf8(sha256.stdout).unwrap().starts_with(&version));
    assert_eq!(server.get(&format!("/v2/models/part/versions/{version}")).json(), model);
    let index = server.post("/v2/repository/index", b"").json();
    assert_eq!(
        index,
        json!([{ "name": "part", "version": version, "state": "READY", "reason": "" }])
    );
}
