use std::fmt;

/// Why a metric has no value, or why its input was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricError {
    /// There is no good image (or no good pixel) to compare with.
    NoGood,
    /// There is no anomalous image (or no defect pixel) to find.
    NoAnomalous,
    /// A score is not a number; the payload is its index.
    NanScore(usize),
    /// Two slices that describe the same items differ in length.
    LengthMismatch {
        /// Length the other slice or the stated size calls for.
        expected: usize,
        /// Length that was passed.
        found: usize,
    },
    /// A region's saturation area is zero pixels, so its overlap has no meaning; the payload is the region's index.
    ZeroSaturation(usize),
    /// The false-positive-rate limit is not in (0, 1].
    FprLimit,
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGood => {
                write!(f, "no good samples: the metric needs both good and anomalous ones")
            }
            Self::NoAnomalous => {
                write!(f, "no anomalous samples: the metric needs both good and anomalous ones")
            }
            Self::NanScore(index) => write!(f, "score {index} is not a number"),
            Self::LengthMismatch { expected, found } => {
                write!(f, "expected {expected} values, found {found}")
            }
            Self::ZeroSaturation(index) => {
                write!(f, "region {index} has a saturation area of 0 pixels; it must be at least 1")
            }
            Self::FprLimit => write!(f, "the false-positive-rate limit must lie in (0, 1]"),
        }
    }
}

impl std::error::Error for MetricError {}

/// Refuses slices of the wrong length.
pub(crate) fn same_length(expected: usize, found: usize) -> Result<(), MetricError> {
    if expected == found { Ok(()) } else { Err(MetricError::LengthMismatch { expected, found }) }
}
