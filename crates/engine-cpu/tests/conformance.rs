//! The suite that every engine passes, by every instruction set of this CPU.

use efficientad_engine_conformance::{self as conformance, Extent};
use efficientad_engine_cpu::{CpuEngine, InstructionSet};

fn engines() -> impl Iterator<Item = CpuEngine> {
    // Plain Rust takes minutes where the others take seconds; its kernels are tested on their own.
    let fast =
        InstructionSet::available().into_iter().filter(|&set| set != InstructionSet::Portable);
    fast.map(|set| CpuEngine::new(2, set).unwrap())
}

#[test]
fn inspection() {
    engines().for_each(|engine| conformance::inspection(&engine, Extent::Whole));
}

#[test]
fn training() {
    engines().for_each(|engine| conformance::training(&engine, Extent::Whole));
}

#[test]
fn distillation() {
    engines().for_each(|engine| conformance::distillation(&engine, Extent::Whole));
}
