//! Pixel metrics over many anomaly maps.

mod collector;
mod exact;
mod histogram;
mod sorted;

pub use collector::{GroundTruth, PixelCollector, PixelScores, SaturatedRegion};
pub use sorted::{PixelMetrics, ProPoint, SortedPixels};

/// Limit of the false-positive rate up to which AU-PRO is integrated by convention (Bergmann et al., IJCV 2021).
pub const AUPRO_FPR_LIMIT: f64 = 0.3;

/// The stricter limit by which MVTec LOCO (Bergmann et al., IJCV 2022) and MVTec AD 2 are compared.
pub const AUPRO_05_FPR_LIMIT: f64 = 0.05;

/// Pixels kept one by one before a [`PixelCollector`] goes over to bucket counts: 2²⁷, that is 512 MiB of scores.
pub const DEFAULT_EXACT_LIMIT: u64 = 1 << 27;
