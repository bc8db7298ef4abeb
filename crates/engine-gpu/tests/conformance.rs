//! The suite that every engine passes.
#![cfg(feature = "wgpu")]

mod device;

use efficientad_engine::Precision;
use efficientad_engine_conformance as conformance;
use efficientad_engine_gpu::Precisions;

#[test]
fn inspection_is_pytorchs() {
    let Some((engine, extent)) = device::engine(Precisions::default()) else { return };
    conformance::inspection(&engine, extent);
}

#[test]
fn training_is_pytorchs() {
    let Some((engine, extent)) = device::engine(Precisions::default()) else { return };
    conformance::training(&engine, extent);
}

#[test]
fn distillation_is_what_its_losses_say() {
    let Some((engine, extent)) = device::engine(Precisions::default()) else { return };
    conformance::distillation(&engine, extent);
}

#[test]
fn training_in_half_precision_is_pytorchs() {
    let precisions = Precisions { training: Precision::F16, ..Precisions::default() };
    let Some((engine, extent)) = device::engine(precisions) else { return };
    conformance::training(&engine, extent);
}
