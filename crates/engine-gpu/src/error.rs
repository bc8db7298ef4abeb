//! What can go wrong when an engine is made.

use efficientad_engine::{EngineError, Precision, ThreadsError};
use thiserror::Error;

/// Why there is no engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// The driver, or the device, refuses.
    #[error("{device}: cannot be used ({reason}); is its driver installed and up to date?")]
    NotOpened {
        /// The device.
        device: String,
        /// What the driver says.
        reason: String,
    },
    /// The device does not compute in these numbers.
    #[error("{device}: does not compute in {precision} here; it does in {has}")]
    NoSuchPrecision {
        /// The device.
        device: String,
        /// What was asked for.
        precision: Precision,
        /// What it has.
        has: String,
    },
    /// What the device computes is not what it should.
    #[error(
        "{device}: computes wrongly ({what} is off by {error:.1e}); update its driver, or use the CPU"
    )]
    ComputesWrongly {
        /// The device.
        device: String,
        /// What was compared.
        what: &'static str,
        /// The largest difference, relative to the largest value.
        error: f64,
    },
    /// The device failed while it was tried.
    #[error(transparent)]
    Failed(#[from] EngineError),
    /// Threads can't be started.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}
