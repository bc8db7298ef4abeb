//! `--device` and `efficientad devices`.

use crate::fixture::{Sandbox, part, run, save, shared};

#[test]
fn the_cpu_is_listed_first_and_is_the_default() {
    let listed = run(["devices", "--json"]).json_lines().remove(0);
    assert_eq!(listed[0]["device"], "cpu");
    assert_eq!(listed[0]["precisions"], serde_json::json!(["f32"]));
    let table = run(["devices", "--threads", "2"]).success();
    assert!(table.starts_with("--device") && table.contains("2 threads"), "{table}");

    let sandbox = Sandbox::new();
    let photo = sandbox.path("part.png");
    save(&part(3), &photo);
    let default = run(["predict", &shared().model, &photo, "--json"]).json_lines().remove(0);
    let named = run(["predict", &shared().model, &photo, "--json", "--device", "cpu"]);
    assert_eq!(named.json_lines().remove(0), default);
}

#[test]
fn devices_that_contradict_are_refused() {
    let model = &shared().model;
    run(["predict", model, "p", "--device", "npu"]).expect(2, &["choose cpu, gpu, gpu:0"]);
    run(["predict", model, "p", "--device", "gpu", "--engine", "cpu"])
        .refused("--engine cpu and --device contradict each other: leave out --engine");
    run(["predict", model, "p", "--device", "auto", "--engine", "onnxruntime"])
        .expect(2, &["--device is the number of a GPU: gpu:0"]);
    run(["predict", model, "p", "--precision", "f16"])
        .refused("the CPU does not compute in f16 here; it does in f32");
    run(["train", "p", "--out", "o", "--precision", "bf16"])
        .refused("the CPU does not compute in bf16 here; it does in f32");
}

#[cfg(not(feature = "gpu"))]
#[test]
fn without_gpus_a_program_says_what_to_build() {
    let model = &shared().model;
    for device in ["gpu", "gpu:0", "auto"] {
        run(["predict", model, "p", "--device", device])
            .expect(2, &["this program was built without GPUs: build it with the feature gpu"]);
    }
    run(["train", "p", "--out", "o", "--device", "gpu"]).expect(2, &["built without GPUs"]);
    assert!(run(["devices"]).success().contains("GPUs are not looked for"));
}

#[cfg(feature = "gpu")]
mod with_gpus {
    use super::*;
    use crate::fixture::{command, end};
    use efficientad_testing::{not_here, skipped};

    #[test]
    fn a_missing_driver_is_said_and_nothing_else_computes_unasked() {
        let without = |arguments: &[&str]| {
            let mut command = command(arguments);
            // All that the loader of Vulkan looks for drivers by.
            command.env("VK_DRIVER_FILES", "/nowhere").env("VK_ICD_FILENAMES", "/nowhere");
            end(command.spawn().unwrap())
        };
        let listed = without(&["devices", "--json"]).json_lines().remove(0);
        if listed.as_array().unwrap().len() > 1 {
            return not_here(
                "a missing driver is not tested: Metal and DirectX 12 are parts of their systems",
            );
        }
        let model = &shared().model;
        without(&["predict", model, "p", "--device", "gpu"]).expect(
            2,
            &["no GPU was found: its driver for Vulkan, Metal or DirectX 12 must be installed"],
        );
        let sandbox = Sandbox::new();
        let photo = sandbox.path("part.png");
        save(&part(3), &photo);
        without(&["predict", model, &photo, "--device", "auto"])
            .expect(0, &["--device auto: the CPU, as there is no GPU"]);
    }

    /// Whether there is a device to run on, which may be software.
    fn is_there() -> bool {
        let listed = run(["devices", "--json"]).json_lines().remove(0);
        let found = listed.as_array().unwrap().len() > 1;
        if !found {
            skipped("no device was found: install Mesa's driver for Vulkan, mesa-vulkan-drivers");
        }
        found
    }

    #[test]
    fn a_device_judges_as_the_cpu_does() {
        if !is_there() {
            return;
        }
        let sandbox = Sandbox::new();
        let photo = sandbox.path("part.png");
        save(&part(3), &photo);
        let judged = |device| {
            let command = ["predict", &shared().model, &photo, "--json", "--device", device];
            run(command).json_lines().remove(0)
        };
        let (gpu, cpu) = (judged("gpu:0"), judged("cpu"));
        let [gpu, cpu] = [gpu, cpu].map(|record| record["score"].as_f64().unwrap());
        assert!((gpu - cpu).abs() < 1e-3 * cpu.abs().max(1.0), "{gpu}, not {cpu}");
    }

    #[test]
    fn devices_that_are_not_there_are_named() {
        let model = &shared().model;
        run(["predict", model, "p", "--device", "gpu:77"]).expect(2, &["gpu"]);
        if is_there() {
            run(["predict", model, "p", "--device", "gpu:0", "--precision", "bf16"])
                .expect(2, &["does not compute in bf16 here"]);
        }
    }
}
