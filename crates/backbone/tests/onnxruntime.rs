//! ONNX Runtime as the runtime of backbones, beside rten.
#![cfg(feature = "onnxruntime")]

#[path = "../../engine-onnx/tests/common/mod.rs"]
mod onnxruntime;

use std::path::Path;

use efficientad_backbone::{OnnxRuntime, Rten};
use efficientad_engine::Precision;
use efficientad_engine_onnx::{OnnxRuntimeEngine, Options, Provider};
use efficientad_pretraining::{Backbone, BackboneRuntime, LayerMaps, PretrainingError};
use efficientad_testing::{not_here, shared};
use onnxruntime::{Package, library};

/// A program can load one library: that of the package with OpenVINO, which also has the CPU's provider.
fn runtime(provider: Provider, precision: Precision) -> Option<OnnxRuntime> {
    let options = Options {
        library: Some(library(Package::OpenVino)?),
        provider,
        device: None,
        precision: Some(precision),
        threads: 2,
        cache: None,
    };
    Some(OnnxRuntime(OnnxRuntimeEngine::new(&options).unwrap()))
}

fn on_cpu() -> Option<OnnxRuntime> {
    runtime(Provider::Cpu, Precision::F32)
}

fn tiny(runtime: &dyn BackboneRuntime, layers: [&str; 2]) -> Result<Backbone, PretrainingError> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny_backbone.onnx");
    Backbone::open(runtime, Path::new(path), &layers.map(str::to_owned))
}

fn planes() -> Vec<f32> {
    (0..3 * 512 * 512).map(|i| ((i * 7919) % 251) as f32 / 250.0).collect()
}

/// The squared difference of layers by two runtimes, as a share of their squares.
fn difference(found: &LayerMaps, expected: &LayerMaps) -> f64 {
    let pairs = [(&found.fine, &expected.fine), (&found.coarse, &expected.coarse)];
    let shares = pairs.map(|(found, expected)| {
        assert_eq!(found.len(), expected.len());
        let square = |value: f32| f64::from(value).powi(2);
        let of_both = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum::<f64>();
        of_both / expected.iter().map(|&value| square(value)).sum::<f64>()
    });
    shares[0].max(shares[1])
}

#[test]
fn both_runtimes_give_the_same_numbers() {
    let Some(runtime) = on_cpu() else { return };
    assert!(runtime.name().starts_with("onnxruntime 1."), "{}", runtime.name());
    for layers in [["fine", "coarse"], ["fine.sum", "coarse.sum"]] {
        let [found, expected] =
            [&runtime as &dyn BackboneRuntime, &Rten].map(|runtime| tiny(runtime, layers).unwrap());
        assert_eq!(found.channels(), expected.channels());
        let [found, expected] = [found, expected].map(|it| it.run(&planes()).unwrap());
        let difference = difference(&found, &expected);
        assert!(difference < 1e-10, "{difference:e}");
    }
}

#[test]
fn bfloat16_is_close_enough_to_learn_from() {
    let Some(path) = shared("teacher/resnet50v2_trunk_f16.onnx") else { return };
    if !Provider::OpenVino.precisions().contains(&Precision::Bf16) {
        return not_here("bfloat16 is not tested, as this CPU does not have it");
    }
    let Some(runtime) = runtime(Provider::OpenVino, Precision::Bf16) else { return };
    let layers = ["layer2", "layer3"].map(str::to_owned);
    let run = |runtime: &dyn BackboneRuntime| {
        Backbone::open(runtime, &path, &layers).unwrap().run(&planes()).unwrap()
    };
    let difference = difference(&run(&runtime), &run(&Rten));
    // A hundredth of what the best teachers leave unexplained.
    assert!(difference > 1e-10 && difference < 5e-3, "{difference:e}");
}

#[test]
fn both_refuse_the_same_files() {
    let Some(runtime) = on_cpu() else { return };
    for layers in [["fine", "none"], ["coarse", "fine"]] {
        let [found, expected] = [&runtime as &dyn BackboneRuntime, &Rten]
            .map(|runtime| tiny(runtime, layers).err().unwrap().to_string());
        assert_eq!(found, expected);
    }
}
