//! The engine that the command line asks for.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use efficientad::{InspectionEngine, TrainingEngine};
use efficientad_backbone::Rten;
use efficientad_pretraining::BackboneRuntime;

#[cfg(feature = "onnxruntime")]
use crate::args::{BackboneRuntimeName, OnnxRuntimeArgs};
use crate::args::{
    CpuArgs, DeviceName, EngineArgs, EngineName, INSTRUCTION_SET, PretrainArgs, TrainingEngineArgs,
    parse_device, parse_precision,
};
use crate::devices::{self, Purpose};

/// The engine that is asked for.
///
/// # Errors
/// When it can't be had: what is missing is never replaced by something else.
pub fn open(args: &EngineArgs) -> Result<Arc<dyn InspectionEngine>> {
    if args.engine == Some(EngineName::OnnxRuntime) {
        return onnxruntime(args);
    }
    refuse_options_of_others(args)?;
    let device = device(args.engine, args.device.device)?;
    Ok(devices::open(device, &args.cpu, Purpose::Inspection, args.precision)?)
}

/// The engine that a training is to have.
///
/// # Errors
/// When it can't be had.
pub fn for_training(args: &TrainingEngineArgs) -> Result<Arc<dyn TrainingEngine>> {
    let device = device(args.engine, args.device.device)?;
    devices::open(device, &args.cpu, Purpose::Training, args.precision)
}

/// The engine that trains of those that are asked for to inspect, if it is one.
///
/// # Errors
/// When it can't be had.
pub fn that_trains(args: &EngineArgs) -> Result<Option<Arc<dyn TrainingEngine>>> {
    if args.engine == Some(EngineName::OnnxRuntime) {
        return Ok(None);
    }
    let device = device(args.engine, args.device.device)?;
    devices::open(device, &args.cpu, Purpose::Training, args.precision).map(Some)
}

/// The engine that judges, as bindings to other languages are asked for it: `device` and `precision` as the
/// options of those names have them.
///
/// # Errors
/// When a name is none, or the engine can't be had.
pub fn named(
    device: Option<&str>,
    precision: Option<&str>,
    threads: Option<usize>,
) -> Result<Arc<dyn TrainingEngine>> {
    let invalid = |option: &'static str| move |reason| anyhow!("--{option} {reason}");
    let device = device.map(parse_device).transpose().map_err(invalid("device:"))?;
    let precision = precision.map(parse_precision).transpose().map_err(invalid("precision:"))?;
    let instruction_set = match std::env::var(INSTRUCTION_SET) {
        Ok(name) => Some(name.parse().map_err(anyhow::Error::msg).context(INSTRUCTION_SET)?),
        Err(_) => None,
    };
    let threads = threads.map(|threads| u16::try_from(threads.max(1)).unwrap_or(u16::MAX));
    let cpu = CpuArgs { threads, instruction_set };
    devices::open(device.unwrap_or(DeviceName::Cpu), &cpu, Purpose::Inspection, precision)
}

/// The device that is meant, of the program's own engines.
fn device(engine: Option<EngineName>, device: Option<DeviceName>) -> Result<DeviceName> {
    match (engine, device) {
        (Some(EngineName::Cpu), Some(DeviceName::Gpu(_) | DeviceName::Auto)) => {
            bail!("--engine cpu and --device contradict each other: leave out --engine")
        }
        (_, device) => Ok(device.unwrap_or(DeviceName::Cpu)),
    }
}

#[cfg(feature = "onnxruntime")]
fn onnxruntime(args: &EngineArgs) -> Result<Arc<dyn InspectionEngine>> {
    use efficientad_engine_onnx::{OnnxRuntimeEngine, Options};
    let device = match args.device.device {
        None | Some(DeviceName::Gpu(None)) => None,
        Some(DeviceName::Gpu(number)) => number,
        Some(DeviceName::Cpu | DeviceName::Auto) => bail!(
            "with --engine onnxruntime what computes is chosen by --provider, and --device is the \
             number of a GPU: gpu:0"
        ),
    };
    Ok(Arc::new(OnnxRuntimeEngine::new(&Options {
        device,
        precision: args.precision,
        ..options(&args.onnxruntime, &args.cpu)
    })?))
}

#[cfg(feature = "onnxruntime")]
fn options(given: &OnnxRuntimeArgs, cpu: &CpuArgs) -> efficientad_engine_onnx::Options {
    efficientad_engine_onnx::Options {
        library: given.library.clone(),
        provider: given.provider.unwrap_or_default(),
        device: None,
        precision: None,
        threads: crate::machine::threads(cpu),
        cache: given.tensorrt_cache.clone(),
    }
}

/// What runs the backbone of a pretraining.
///
/// # Errors
/// When it can't be had, or an option belongs to another runtime than the one asked for.
pub fn of_backbone(args: &PretrainArgs) -> Result<Box<dyn BackboneRuntime>> {
    #[cfg(feature = "onnxruntime")]
    {
        let given = &args.backbone_runtime;
        if given.backbone_runtime == BackboneRuntimeName::OnnxRuntime {
            use efficientad_engine_onnx::{OnnxRuntimeEngine, Options};
            let options = Options {
                precision: given.backbone_precision,
                ..options(&given.onnxruntime, &args.engine.cpu)
            };
            let engine = OnnxRuntimeEngine::new(&options)?;
            return Ok(Box::new(efficientad_backbone::OnnxRuntime(engine)));
        }
        let remedy = "--backbone-runtime onnxruntime";
        refuse_onnxruntime_options(&given.onnxruntime, remedy)?;
        if given.backbone_precision.is_some() {
            bail!("--backbone-precision belongs to ONNX Runtime: add {remedy}");
        }
    }
    #[cfg(not(feature = "onnxruntime"))]
    let _ = args;
    Ok(Box::new(Rten))
}

#[cfg(not(feature = "onnxruntime"))]
fn onnxruntime(_: &EngineArgs) -> Result<Arc<dyn InspectionEngine>> {
    bail!("this program was built without ONNX Runtime: build it with the feature onnxruntime")
}

/// An option that would have no effect is a mistake.
#[cfg(feature = "onnxruntime")]
fn refuse_options_of_others(args: &EngineArgs) -> Result<()> {
    refuse_onnxruntime_options(&args.onnxruntime, "--engine onnxruntime")
}

#[cfg(feature = "onnxruntime")]
fn refuse_onnxruntime_options(given: &OnnxRuntimeArgs, remedy: &str) -> Result<()> {
    for (option, is_given) in [
        ("--provider", given.provider.is_some()),
        ("--onnxruntime", given.library.is_some()),
        ("--tensorrt-cache", given.tensorrt_cache.is_some()),
    ] {
        if is_given {
            bail!("{option} belongs to ONNX Runtime: add {remedy}");
        }
    }
    Ok(())
}

#[cfg(not(feature = "onnxruntime"))]
fn refuse_options_of_others(_: &EngineArgs) -> Result<()> {
    Ok(())
}
