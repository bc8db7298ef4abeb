//! The engine that the command line asks for.

use std::sync::Arc;

use anyhow::{Result, bail};
use efficientad::InspectionEngine;

use crate::args::{EngineArgs, EngineName};
use crate::machine;

/// The engine that is asked for.
///
/// # Errors
/// When it can't be had: what is missing is never replaced by something else.
pub fn open(args: &EngineArgs) -> Result<Arc<dyn InspectionEngine>> {
    match args.engine {
        EngineName::Cpu => {
            refuse_options_of_others(args)?;
            Ok(machine::cpu(&args.cpu)?)
        }
        EngineName::OnnxRuntime => onnxruntime(args),
    }
}

#[cfg(feature = "onnxruntime")]
fn onnxruntime(args: &EngineArgs) -> Result<Arc<dyn InspectionEngine>> {
    use efficientad_engine_onnx::{OnnxRuntimeEngine, Options};
    let given = &args.onnxruntime;
    Ok(Arc::new(OnnxRuntimeEngine::new(&Options {
        library: given.library.clone(),
        provider: given.provider.unwrap_or_default(),
        device: given.device,
        precision: given.precision,
        threads: machine::threads(&args.cpu),
        cache: given.tensorrt_cache.clone(),
    })?))
}

#[cfg(not(feature = "onnxruntime"))]
fn onnxruntime(_: &EngineArgs) -> Result<Arc<dyn InspectionEngine>> {
    bail!("this program was built without ONNX Runtime: build it with the feature onnxruntime")
}

/// An option that would have no effect is a mistake.
#[cfg(feature = "onnxruntime")]
fn refuse_options_of_others(args: &EngineArgs) -> Result<()> {
    let given = &args.onnxruntime;
    for (option, is_given) in [
        ("--provider", given.provider.is_some()),
        ("--device", given.device.is_some()),
        ("--precision", given.precision.is_some()),
        ("--onnxruntime", given.library.is_some()),
        ("--tensorrt-cache", given.tensorrt_cache.is_some()),
    ] {
        if is_given {
            bail!("{option} belongs to ONNX Runtime: add --engine onnxruntime");
        }
    }
    Ok(())
}

#[cfg(not(feature = "onnxruntime"))]
fn refuse_options_of_others(_: &EngineArgs) -> Result<()> {
    Ok(())
}
