//! GPUs.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use efficientad::{Precision, TrainingEngine};
use efficientad_engine_gpu::{GpuDevice, GpuEngine, GpuKind, Precisions, devices};

pub(super) use super::fastest::fastest;
use super::{Listed, Purpose};
use crate::args::CpuArgs;
use crate::machine;

/// What is said below the list of devices.
pub(super) const REMARK: Option<&str> = None;

/// The engine of the GPU of a number, or of the first one that is no software.
pub(super) fn on_gpu(
    number: Option<u16>,
    cpu: &CpuArgs,
    purpose: Purpose,
    precision: Option<Precision>,
) -> Result<Arc<dyn TrainingEngine>> {
    let device = match number {
        Some(number) => of_number(usize::from(number))?,
        None => first().ok_or_else(none)?,
    };
    let single = Precisions::default();
    let precisions = match (precision, purpose) {
        (None, _) => single,
        (Some(inspection), Purpose::Inspection) => Precisions { inspection, ..single },
        (Some(training), Purpose::Training) => Precisions { training, ..single },
    };
    Ok(Arc::new(GpuEngine::new(device, machine::threads(cpu), precisions)?))
}

/// The first GPU that is one.
pub(super) fn first() -> Option<&'static GpuDevice> {
    devices().iter().find(|device| device.kind != GpuKind::Software)
}

fn of_number(number: usize) -> Result<&'static GpuDevice> {
    devices().get(number).ok_or_else(|| match devices().len() {
        0 => none(),
        count => anyhow!("there is no gpu:{number}, only gpu:0 to gpu:{}", count - 1),
    })
}

fn none() -> anyhow::Error {
    let software = devices().first().map_or(String::new(), |device| {
        format!(
            "; gpu:0, {}, is no GPU but software that computes on the CPU, for trying",
            device.name
        )
    });
    anyhow!(
        "no GPU was found: its driver for Vulkan, Metal or DirectX 12 must be installed{software}"
    )
}

pub(super) fn listed() -> impl Iterator<Item = Listed> {
    devices().iter().enumerate().map(|(number, device)| Listed {
        device: format!("gpu:{number}"),
        name: device.name.clone(),
        kind: device.kind.to_string(),
        precisions: device.precisions().to_vec(),
        largest_buffer: device.largest_buffer,
        driver: Some(format!("{} {}", device.interface, device.driver)),
    })
}
