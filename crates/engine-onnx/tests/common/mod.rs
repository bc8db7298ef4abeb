//! Where tests find ONNX Runtime's library.

use efficientad_testing::skipped;
use std::env;
use std::path::{Path, PathBuf};

/// A package of ONNX Runtime.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "some test programs need one of them")]
pub enum Package {
    /// `onnxruntime`.
    Cpu,
    /// `onnxruntime-openvino`.
    OpenVino,
}

/// The folder of a package's library: the one that an environment variable names, or that of the
/// virtual environment that `.ci/run` makes.
///
/// If there is none, tests say SKIPPED, past their captured output.
///
/// # Panics
/// If there is none and `EFFICIENTAD_REQUIRE_TOOLS` is 1.
pub fn library(package: Package) -> Option<PathBuf> {
    let (variable, folder, name) = match package {
        Package::Cpu => ("EFFICIENTAD_ONNXRUNTIME", "ci-venv", "onnxruntime"),
        Package::OpenVino => {
            ("EFFICIENTAD_ONNXRUNTIME_OPENVINO", "ci-openvino-venv", "onnxruntime-openvino")
        }
    };
    let named = env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let found = named.or_else(|| in_virtual_environment(folder));
    if found.is_none() {
        skipped(&format!(
            "nothing is run on {name}: neither {variable} nor target/{folder} has it"
        ));
    }
    found
}

fn in_virtual_environment(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(name);
    let versions = root.join("lib").read_dir().ok()?.filter_map(Result::ok);
    let packages = |python: std::fs::DirEntry| python.path().join("site-packages/onnxruntime/capi");
    versions.map(packages).find(|folder| folder.is_dir())
}
