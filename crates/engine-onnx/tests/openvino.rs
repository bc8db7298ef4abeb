//! OpenVINO on the CPU, by the package `onnxruntime-openvino`.

mod common;

use common::{Package, library};
use efficientad_engine::{InspectionEngine, Precision};
use efficientad_engine_conformance::{self as conformance, Extent};
use efficientad_engine_onnx::{OnnxRuntimeEngine, Options, Provider};
use efficientad_testing::not_here;

fn engine(precision: Precision) -> Option<OnnxRuntimeEngine> {
    let options = Options {
        library: Some(library(Package::OpenVino)?),
        provider: Provider::OpenVino,
        device: None,
        precision: Some(precision),
        threads: 2,
        cache: None,
    };
    let engine = OnnxRuntimeEngine::new(&options).unwrap();
    let id = engine.id();
    assert!(id.device.starts_with("openvino cpu "), "{id}");
    assert_eq!(id.precision, precision);
    Some(engine)
}

#[test]
fn the_suite_in_single_precision() {
    engine(Precision::F32).iter().for_each(|engine| conformance::inspection(engine, Extent::Whole));
}

#[test]
fn the_suite_in_bfloat16() {
    if Provider::OpenVino.precisions().contains(&Precision::Bf16) {
        engine(Precision::Bf16)
            .iter()
            .for_each(|engine| conformance::inspection(engine, Extent::Whole));
    } else {
        // No tool that could be installed.
        not_here("bfloat16 is not tested, as this CPU does not have it");
    }
}
