//! What is typed wrongly is refused before anything is done.

use crate::fixture::{run, shared};

#[track_caller]
fn refused(arguments: &[&str], texts: &[&str]) {
    run(arguments).expect(2, texts);
}

#[test]
fn help_teaches_and_version_is_told() {
    let help = run(["--help"]).success();
    let commands =
        ["train", "pretrain", "predict", "watch", "eval", "calibrate", "info", "import", "bench"];
    for text in commands.into_iter().chain(["Exit codes"]) {
        assert!(help.contains(text), "{help}");
    }
    assert!(help.contains("EFFICIENTAD_INSTRUCTION_SET"));
    assert_eq!(
        run(["--version"]).success(),
        format!("efficientad {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(run(["train", "--help"]).success().contains("--resume"));
}

#[test]
fn values_out_of_range_are_refused() {
    let train = ["train", "data", "--out", "m"];
    let cases = [
        (["--steps", "0"], "--steps"),
        (["--input", "250"], "the nearest size is 256×256"),
        (["--input", "256x300x1"], "write 256 or 256x320"),
        (["--size", "large"], "choose small or medium"),
        (["--learning-rate", "0"], "must be above 0"),
        (["--threads", "0"], "--threads"),
        (["--checkpoint-every", "1h"], "write 60s, 5m or 500steps"),
        (["--photos", ""], "give a folder, or none"),
        (["--false-reject", "0"], "must be from 0.000001 to below 1"),
        (["--false-reject", "1e-17"], "one in a million takes more than 3 million photos"),
        (["--false-reject", "one"], "write a share as 0.01 or 1%"),
    ];
    for (option, text) in cases {
        refused(&[&train[..], &option[..]].concat(), &[text]);
    }
    refused(&["predict", "m", "p", "--json", "--csv"], &["cannot be used with"]);
    refused(&["predict", "m"], &["<PATHS>"]);
    refused(&["eval", "m", "d", "--mask-threshold", "0"], &["--mask-threshold"]);
    refused(&["train", "data"], &["--out <MODEL>"]);
}

#[test]
fn the_instruction_set_can_be_chosen() {
    let shared = shared();
    let photo = format!("{}/test/good/0.png", shared.dataset);
    let mut command = crate::fixture::command(["predict", &shared.model, &photo, "--json"]);
    command.env("EFFICIENTAD_INSTRUCTION_SET", "portable");
    let portable = crate::fixture::end(command.spawn().unwrap());
    let score = portable.json_lines()[0]["score"].as_f64().unwrap();
    let best = run(["predict", &shared.model, &photo, "--json"]).json_lines()[0]["score"].clone();
    assert!((score - best.as_f64().unwrap()).abs() < 1e-3, "{score} {best}");
    command.env("EFFICIENTAD_INSTRUCTION_SET", "mmx");
    crate::fixture::end(command.spawn().unwrap())
        .expect(2, &["this CPU has no instruction set \"mmx\"", "portable"]);
}

#[test]
fn a_benchmark_prints_medians() {
    let run = run(["bench", "--rounds", "1", "--json", "--threads", "2"]);
    let timings = run.json_lines().remove(0);
    for key in [
        "inspection_ms",
        "training_step_ms",
        "training_step_without_penalty_ms",
        "training_step_by_muon_ms",
    ] {
        assert!(timings[key].as_f64().unwrap() > 0.0, "{timings}");
    }
    assert_eq!((&timings["size"], &timings["threads"]), (&"small".into(), &2.into()));
}
