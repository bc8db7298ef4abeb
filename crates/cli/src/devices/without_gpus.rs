//! What a program says that was built without GPUs.

use std::iter;
use std::sync::Arc;

use anyhow::{Result, bail};
use efficientad::{Precision, TrainingEngine};

use super::{Listed, Purpose};
use crate::args::CpuArgs;

/// What is said below the list of devices.
pub(super) const REMARK: Option<&str> =
    Some("GPUs are not looked for: this program was built without the feature gpu (docs/gpu.md)");

const REFUSAL: &str = "this program was built without GPUs: build it with the feature gpu \
                       (docs/gpu.md), or take --engine onnxruntime with a provider for yours";

pub(super) fn on_gpu(
    _: Option<u16>,
    _: &CpuArgs,
    _: Purpose,
    _: Option<Precision>,
) -> Result<Arc<dyn TrainingEngine>> {
    bail!(REFUSAL)
}

pub(super) fn fastest(
    _: &CpuArgs,
    _: Purpose,
    _: Option<Precision>,
) -> Result<Arc<dyn TrainingEngine>> {
    bail!(REFUSAL)
}

pub(super) fn listed() -> impl Iterator<Item = Listed> {
    iter::empty()
}
