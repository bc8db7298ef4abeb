//! ONNX Runtime's own CPU provider, by the package `onnxruntime`.

mod common;

use common::{Package, library};
use efficientad_engine::{InputSize, InspectionEngine, PdnSize, Precision, Share};
use efficientad_engine_conformance::{self as conformance, Extent};
use efficientad_engine_onnx::{OnnxRuntimeEngine, OnnxRuntimeError, Options, Provider};
use std::path::PathBuf;

fn options(library: PathBuf) -> Options {
    Options {
        library: Some(library),
        provider: Provider::Cpu,
        device: None,
        precision: None,
        threads: 2,
        cache: None,
    }
}

#[test]
fn the_suite() {
    let Some(library) = library(Package::Cpu) else { return };
    let engine = OnnxRuntimeEngine::new(&options(library)).unwrap();
    conformance::inspection(&engine, Extent::Whole);
}

#[test]
fn the_name_has_the_librarys_version() {
    let Some(library) = library(Package::Cpu) else { return };
    let engine = OnnxRuntimeEngine::new(&options(library)).unwrap();
    let id = engine.id();
    let version = id.name.strip_prefix("onnxruntime ").unwrap();
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(numbers.len() == 3 && numbers[0] == 1 && numbers[1] >= 24, "{version}");
    let file = engine.library().file_name().unwrap().to_str().unwrap();
    assert!(!cfg!(target_os = "linux") || file.ends_with(version), "{file}");
    assert!(id.device.starts_with("cpu "), "{id}");
    assert_eq!(id.precision, Precision::F32);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let Some(library) = library(Package::Cpu) else { return };
    let fixture = conformance::Fixture::open(PdnSize::Small);
    let networks = fixture.networks(InputSize::default());
    let image = fixture.image("photo", 256, 256);
    let maps = [1, 2, 3].map(|threads| {
        let options = Options { threads, ..options(library.clone()) };
        let engine = OnnxRuntimeEngine::new(&options).unwrap();
        assert_eq!(engine.threads().count(), threads);
        engine.prepare(&networks).unwrap().compare(image.view(), Share::Whole).unwrap()
    });
    assert!(maps[0] == maps[1] && maps[0] == maps[2]);
}

#[test]
fn a_provider_that_is_not_there_is_an_error() {
    let Some(library) = library(Package::Cpu) else { return };
    for (provider, package) in [
        (Provider::Cuda, "`pip install onnxruntime-gpu`"),
        (Provider::TensorRt, "`pip install onnxruntime-gpu`"),
        (Provider::OpenVino, "`pip install onnxruntime-openvino`"),
        (Provider::DirectMl, "`pip install onnxruntime-directml`"),
    ] {
        let error = refused(&Options { provider, ..options(library.clone()) });
        assert!(matches!(error, OnnxRuntimeError::NoProvider { .. }), "{error}");
        let message = error.to_string();
        for text in [&format!("has no {provider}"), package, "EFFICIENTAD_ONNXRUNTIME"] {
            assert!(message.contains(text), "{message}");
        }
    }
}

#[test]
fn a_library_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&options(folder.path().join("none.so")));
    assert!(matches!(error, OnnxRuntimeError::NoSuchFile { .. }), "{error}");
    assert!(error.to_string().contains("`pip install onnxruntime`"), "{error}");
    let error = refused(&options(folder.path().to_owned()));
    assert!(matches!(error, OnnxRuntimeError::NoSuchFile { .. }), "{error}");
    let Some(library) = library(Package::Cpu) else { return };
    OnnxRuntimeEngine::new(&options(library)).unwrap();
    let other = folder.path().join("other.so");
    std::fs::write(&other, "").unwrap();
    let error = refused(&options(other));
    assert!(matches!(error, OnnxRuntimeError::OtherLibrary { .. }), "{error}");
}

fn refused(options: &Options) -> OnnxRuntimeError {
    OnnxRuntimeEngine::new(options).err().expect("an error")
}
