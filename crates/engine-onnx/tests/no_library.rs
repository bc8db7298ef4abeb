//! Files that are no library of ONNX Runtime.

use efficientad_engine_onnx::{OnnxRuntimeEngine, OnnxRuntimeError, Options, Provider};

#[test]
fn a_file_that_is_no_library_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so");
    std::fs::write(&library, "no library").unwrap();
    let options = Options {
        library: Some(library),
        provider: Provider::Cuda,
        device: None,
        precision: None,
        threads: 1,
        cache: None,
    };
    for _ in 0..2 {
        let error = OnnxRuntimeEngine::new(&options).err().expect("an error");
        assert!(matches!(error, OnnxRuntimeError::NotLoaded { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("libonnxruntime.so: cannot be loaded"), "{message}");
        assert!(message.contains("`pip install onnxruntime-gpu`"), "{message}");
    }
}
