//! The parsers.

mod containers;
mod datasets;
mod foreign;
mod images;
mod onnx;
mod regions;
mod samples;
mod station;
mod stream;

use crate::Target;

/// One MiB.
const MIB: usize = 1 << 20;

/// All parsers, those that are quick first.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    [
        images::TARGETS,
        regions::TARGETS,
        containers::TARGETS,
        foreign::TARGETS,
        onnx::TARGETS,
        stream::TARGETS,
        station::TARGETS,
        datasets::TARGETS,
        samples::TARGETS,
    ]
    .into_iter()
    .flatten()
}

/// The parser of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    targets().find(|target| target.name == name)
}
