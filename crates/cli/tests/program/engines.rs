//! The same model on several engines.

use std::fs;

use efficientad_testing::not_here;
use serde_json::Value;

use crate::fixture::{Sandbox, part, run, save, shared};
use crate::onnxruntime::{Package, library};

/// The options of ONNX Runtime on the CPU.
fn onnxruntime() -> Option<Vec<String>> {
    let library = library(Package::Cpu)?.to_str().unwrap().to_owned();
    Some(["--engine", "onnxruntime", "--onnxruntime", &library].map(str::to_owned).to_vec())
}

/// Runs the program with options of an engine behind the arguments.
fn run_on(engine: &[String], arguments: &[&str]) -> crate::fixture::Run {
    run(arguments.iter().copied().chain(engine.iter().map(String::as_str)))
}

fn scores(lines: &[Value]) -> Vec<f64> {
    lines.iter().map(|line| line["score"].as_f64().unwrap()).collect()
}

const OTHER: &str = "scores differ by rounding, so that a part right at the threshold may be \
                     judged otherwise; `efficientad calibrate` with the same options makes the \
                     promise one for this engine";

#[test]
fn engines_agree_and_say_which_one_calibrated() {
    let Some(engine) = onnxruntime() else { return };
    let sandbox = Sandbox::new();
    let (model, photos) = (&shared().model, sandbox.good_photos("photos", 3));
    let own = run(["predict", model, &photos, "--json"]);
    own.expect(0, &[]);
    assert!(!own.stderr.contains("calibrated by"), "{own:?}");
    let other = run_on(&engine, &["predict", model, &photos, "--json"]);
    other.expect(
        0,
        &["the model was calibrated by cpu (", "and onnxruntime 1.", "computes now", OTHER],
    );
    for (own, other) in scores(&own.json_lines()).iter().zip(scores(&other.json_lines())) {
        assert!((own - other).abs() < 1e-4, "{own} {other}");
    }
    let one_thread = run_on(&engine, &["predict", model, &photos, "--json", "--threads", "1"]);
    assert_eq!(one_thread.stdout, other.stdout, "threads change nothing");

    let log = sandbox.path("log.jsonl");
    run_on(&engine, &["watch", model, &photos, "--once", "--settle", "0", "--log", &log])
        .expect(0, &[OTHER]);
    run_on(&engine, &["eval", model, &shared().dataset]).expect(0, &[OTHER]);
}

#[test]
fn calibration_makes_the_promise_one_for_the_engine() {
    let Some(engine) = onnxruntime() else { return };
    let sandbox = Sandbox::new();
    let (model, photos) = (sandbox.path("part.model"), sandbox.good_photos("photos", 3));
    fs::copy(&shared().model, &model).unwrap();
    assert!(run(["info", &model]).success().contains("\nengine       calibrated by cpu ("));
    run_on(&engine, &["calibrate", &model, &photos]).expect(
        0,
        &["the model was calibrated by cpu (", "computes the scores that replace those"],
    );
    let told = run(["info", &model]).success();
    assert!(told.contains("\nengine       calibrated by onnxruntime 1."), "{told}");
    let info: Value = serde_json::from_str(&run(["info", &model, "--json"]).success()).unwrap();
    let name = info["engine"]["name"].as_str().unwrap();
    assert!(name.starts_with("onnxruntime 1."), "{name}");
    assert_eq!(info["engine"]["precision"], "f32");

    let again = run_on(&engine, &["calibrate", &model, &photos]);
    again.expect(0, &[]);
    assert!(!again.stderr.contains("calibrated by"), "{again:?}");
    let same = run_on(&engine, &["predict", &model, &photos]);
    same.expect(0, &[]);
    assert!(!same.stderr.contains("calibrated by"), "{same:?}");
    run(["predict", &model, &photos])
        .expect(0, &["the model was calibrated by onnxruntime 1.", OTHER]);
}

#[test]
fn lower_precision_has_no_promise() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !cpu.contains("avx512_bf16") {
        return not_here("no lower precision is tested, as this CPU has no bfloat16");
    }
    let Some(library) = library(Package::OpenVino) else { return };
    let library = library.to_str().unwrap();
    let engine = ["--engine", "onnxruntime", "--provider", "openvino", "--precision", "bf16"];
    let engine: Vec<String> =
        engine.into_iter().chain(["--onnxruntime", library]).map(str::to_owned).collect();
    let sandbox = Sandbox::new();
    let (model, photo) = (sandbox.path("part.model"), sandbox.path("photos/0.png"));
    fs::copy(&shared().model, &model).unwrap();
    save(&part(3), &photo);
    let photos = sandbox.path("photos");
    let log = sandbox.path("log.jsonl");
    let watch = ["watch", &model, &photos, "--once", "--settle", "0", "--log", &log];
    let remedy =
        ["is less precise", "`efficientad calibrate` with the same options), or give --threshold"];
    run_on(&engine, &["predict", &model, &photo]).expect(2, &remedy);
    run_on(&engine, &watch).expect(2, &remedy);
    run_on(&engine, &["predict", &model, &photo, "--false-reject", "1%"])
        .expect(2, &["its threshold promises nothing here"]);
    run_on(&engine, &["predict", &model, &photo, "--threshold", "1"])
        .expect(0, &["nothing is promised of the threshold that is given"]);
    run_on(&engine, &["eval", &model, &shared().dataset]).expect(0, &["there are no verdicts"]);
    let more = sandbox.good_photos("more", 3);
    run_on(&engine, &["calibrate", &model, &more]).success();
    run_on(&engine, &["predict", &model, &photo]).expect(0, &[]);
}

#[test]
fn what_is_missing_is_named_and_not_replaced() {
    let sandbox = Sandbox::new();
    let (model, photo) = (&shared().model, sandbox.path("part.png"));
    save(&part(3), &photo);
    let none = sandbox.path("none.so");
    let missing = ["--engine", "onnxruntime", "--onnxruntime", &none].map(str::to_owned);
    let missing = run_on(&missing, &["predict", model, &photo]);
    missing.expect(2, &[&none, "no library of ONNX Runtime is here", "`pip install onnxruntime`"]);
    assert_eq!(missing.stdout, "");
    run(["predict", model, &photo, "--provider", "cuda"])
        .refused("--provider belongs to ONNX Runtime: add --engine onnxruntime");
    run(["predict", model, &photo, "--engine", "onnxruntime", "--provider", "gpu"])
        .expect(2, &["choose one of cpu, cuda, tensorrt, openvino"]);
    run(["predict", model, &photo, "--engine", "tpu"]).expect(2, &["cpu, onnxruntime"]);

    let Some(mut engine) = onnxruntime() else { return };
    engine.extend(["--provider", "cuda"].map(str::to_owned));
    run_on(&engine, &["predict", model, &photo])
        .expect(2, &["has no cuda", "`pip install onnxruntime-gpu`", "EFFICIENTAD_ONNXRUNTIME"]);
    engine.truncate(4);
    engine.extend(["--precision", "f16"].map(str::to_owned));
    run_on(&engine, &["predict", model, &photo])
        .expect(2, &["cpu does not compute in f16 here; it does in f32"]);
}

#[test]
fn trainings_say_why_they_have_one_engine() {
    let sandbox = Sandbox::new();
    let (photos, out) = (sandbox.good_photos("photos", 1), sandbox.path("out"));
    let why = "ONNX Runtime runs networks, but does not train them: train on the CPU or a GPU, then \
               `efficientad calibrate --engine onnxruntime`";
    run(["train", &photos, "--out", &out, "--engine", "onnxruntime"]).expect(2, &[why]);
    let pretrain = ["pretrain", "--backbone", "b", "--layers", "a,b", "--photos", &photos];
    let rest = ["--preset", "none", "--out", &out, "--engine", "onnxruntime"];
    run(pretrain.into_iter().chain(rest)).expect(2, &[why]);
}

#[test]
fn a_benchmark_of_another_engine_times_inspections_alone() {
    let Some(engine) = onnxruntime() else { return };
    let timings = run_on(&engine, &["bench", "--rounds", "1", "--json"]).json_lines().remove(0);
    assert!(timings["inspection_ms"].as_f64().unwrap() > 0.0, "{timings}");
    assert!(timings["engine"]["name"].as_str().unwrap().starts_with("onnxruntime 1."), "{timings}");
    assert!(timings.get("training_step_ms").is_none(), "{timings}");
}
