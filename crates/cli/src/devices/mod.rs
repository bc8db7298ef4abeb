//! What networks can run on, and `efficientad devices`, which lists it.

#[cfg(feature = "gpu")]
mod fastest;
#[cfg_attr(not(feature = "gpu"), path = "without_gpus.rs")]
mod gpu;

use std::sync::Arc;

use anyhow::{Result, bail};
use efficientad::{CpuEngine, InspectionEngine, Precision, TrainingEngine};
use serde::Serialize;

use crate::args::{CpuArgs, DeviceName, DevicesArgs};
use crate::output::{self, Status};
use crate::{machine, table};

/// What an engine is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To judge photos.
    Inspection,
    /// To train, or to distil a teacher.
    Training,
}

/// The engine of a device, which serves its purpose in a precision, or in single precision.
///
/// # Errors
/// When there is no such device, or it can't be used: another one never takes its place.
pub fn open(
    device: DeviceName,
    cpu: &CpuArgs,
    purpose: Purpose,
    precision: Option<Precision>,
) -> Result<Arc<dyn TrainingEngine>> {
    match device {
        DeviceName::Cpu => Ok(on_cpu(cpu, precision)?),
        DeviceName::Gpu(number) => gpu::on_gpu(number, cpu, purpose, precision),
        DeviceName::Auto => gpu::fastest(cpu, purpose, precision),
    }
}

fn on_cpu(cpu: &CpuArgs, precision: Option<Precision>) -> Result<Arc<CpuEngine>> {
    if let Some(precision) = precision.filter(|&precision| precision != Precision::F32) {
        bail!("the CPU does not compute in {precision} here; it does in f32");
    }
    machine::cpu(cpu)
}

/// A device, as it is listed.
#[derive(Serialize)]
struct Listed {
    /// What `--device` calls it.
    device: String,
    name: String,
    kind: String,
    /// Numbers that it can compute in.
    precisions: Vec<Precision>,
    /// Bytes of the largest piece of memory that it gives at once; none for the CPU and by CUDA.
    largest_buffer: Option<u64>,
    /// Interface and driver; none for the CPU.
    driver: Option<String>,
}

/// Lists the devices.
pub fn run(args: &DevicesArgs) -> Result<Status> {
    let cpu = machine::cpu(&args.cpu)?;
    let mut all = vec![Listed {
        device: "cpu".to_owned(),
        name: format!("{}, {} threads", cpu.instruction_set(), cpu.threads().count()),
        kind: "CPU".to_owned(),
        precisions: vec![Precision::F32],
        largest_buffer: None,
        driver: None,
    }];
    all.extend(gpu::listed());
    if args.json {
        output::print_json(&all)?;
    } else {
        print(&all)?;
    }
    Ok(Status::Done)
}

fn print(all: &[Listed]) -> Result<()> {
    let heading = ["--device", "name", "kind", "precisions", "largest buffer", "driver"];
    let row = |device: &Listed| {
        let precisions: Vec<String> = device.precisions.iter().map(ToString::to_string).collect();
        let buffer = device.largest_buffer.map(|bytes| format!("{} MiB", bytes >> 20));
        vec![
            device.device.clone(),
            device.name.clone(),
            device.kind.clone(),
            precisions.join(" "),
            buffer.unwrap_or_default(),
            device.driver.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(heading.map(str::to_owned).to_vec()).chain(all.iter().map(row)).collect();
    for line in table::align(&rows) {
        output::print(format_args!("{line}"))?;
    }
    gpu::REMARK.map_or(Ok(()), output::print)
}
