//! The device that tests run on.

use efficientad_engine_conformance::Extent;
use efficientad_engine_gpu::{GpuEngine, GpuKind, Precisions, devices};
use efficientad_testing::skipped;

/// The first device, if there is any, and how much to ask of it: software takes many seconds for an image.
pub fn engine(precisions: Precisions) -> Option<(GpuEngine, Extent)> {
    let Some(device) = devices().first() else {
        skipped("no device was found: install Mesa's driver for Vulkan, mesa-vulkan-drivers");
        return None;
    };
    let extent = match device.kind {
        GpuKind::Software => Extent::Brief,
        _ => Extent::Whole,
    };
    println!("{device} ({}), {extent:?}", device.kind);
    Some((GpuEngine::new(device, 2, precisions).unwrap(), extent))
}
