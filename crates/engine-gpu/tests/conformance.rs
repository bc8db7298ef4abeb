//! The suite that every engine passes.
#![cfg(feature = "wgpu")]

mod device;

use efficientad_engine_conformance as conformance;

#[test]
fn inspection_is_pytorchs() {
    let Some((engine, extent)) = device::engine() else { return };
    conformance::inspection(&engine, extent);
}

#[test]
fn training_is_pytorchs() {
    let Some((engine, extent)) = device::engine() else { return };
    conformance::training(&engine, extent);
}

#[test]
fn distillation_is_what_its_losses_say() {
    let Some((engine, extent)) = device::engine() else { return };
    conformance::distillation(&engine, extent);
}
