//! Models as ONNX graphs.

use std::fs;
use std::path::Path;
use std::process::Command;

use efficientad_testing::skipped;

use crate::fixture::{FAST, Sandbox, run, shared};

#[test]
fn an_export_tells_what_the_graph_reads_and_gives() {
    let sandbox = Sandbox::new();
    let (model, out) = (&shared().model, sandbox.path("part.onnx"));
    let info = run(["info", model]).success();
    let threshold = info.lines().find_map(|line| line.strip_prefix("threshold    ")).unwrap();
    for (input, elements) in [("normalized", "float32"), ("u8", "uint8  ")] {
        let printed = run(["export", model, "--onnx", &out, "--input", input]).success();
        let expected = format!(
            "{out}: small model, ONNX operators 13\n\
             input   image  {elements}  N×3×256×256\n\
             output  map    float32  N×1×64×64\n\
             output  score  float32  N\n\
             threshold {threshold}\n"
        );
        assert_eq!(printed, expected);
    }
    let u8_graph = fs::read(&out).unwrap();
    run(["export", model, "--onnx", &out]).success();
    assert!(fs::read(&out).unwrap() != u8_graph, "the default is normalized");
    assert_eq!(sandbox.names(), ["part.onnx"]);
}

#[test]
fn an_export_spares_the_model() {
    let sandbox = Sandbox::new();
    let model = sandbox.write("part.model", &fs::read(&shared().model).unwrap());
    run(["export", &model, "--onnx", &model])
        .refused(&format!("{model}: this is the model itself; give another name for --onnx"));
    assert!(fs::read(&model).unwrap() == fs::read(&shared().model).unwrap());
    let out = sandbox.path("none/part.onnx");
    run(["export", &model, "--onnx", &out])
        .expect(2, &["part.onnx: cannot be written (No such file", "choose another path"]);
    run(["export", &model]).expect(2, &["--onnx <FILE>"]);
    run(["export", &model, "--onnx", &out, "--input", "f16"]).expect(2, &["normalized, u8"]);
}

/// Whether Python has what `tools/onnx_check.py` needs; says so past the test's captured output
/// where it has not.
fn can_check() -> bool {
    let modules = "import onnxruntime, onnx, numpy, PIL";
    let found = Command::new("python3").args(["-c", modules]).output();
    let can = found.is_ok_and(|output| output.status.success());
    if !can {
        skipped(
            "ONNX graphs are not run: python3 with onnxruntime, onnx, numpy and pillow is missing",
        );
    }
    can
}

fn check(model: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/onnx_check.py");
    let output = Command::new("python3")
        .arg(script)
        .args([model, "--count", "3", "--binary", env!("CARGO_BIN_EXE_efficientad")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn other_runtimes_find_the_same() {
    if can_check() {
        check(&shared().model);
    }
}

#[test]
fn other_runtimes_find_the_same_on_oblong_inputs() {
    if !can_check() {
        return;
    }
    let sandbox = Sandbox::new();
    let (photos, model) = (sandbox.good_photos("photos", 2), sandbox.path("m"));
    let train = ["train", &photos, "--out", &model, "--input", "260x324"];
    run([&train[..], &FAST].concat()).success();
    check(&model);
}
