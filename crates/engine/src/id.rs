//! Names of engines: what a number depends on beside the weights and the image.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which arithmetic computed something: two engines with equal names give equal bits for the same
/// weights and the same image.
///
/// A threshold is a promise for the arithmetic that its calibration scores were computed with
/// (`docs/decisions.md`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EngineId {
    /// The program that computes: `cpu`, or `onnxruntime 1.32.0`.
    pub name: String,
    /// What it computes on: an instruction set, as `avx512`, or an accelerator, as `cuda 0`.
    pub device: String,
    /// The least precise numbers on the way from an image to its map.
    pub precision: Precision,
}

/// Numbers that a network is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// IEEE single precision: 24 significant bits.
    F32,
    /// NVIDIA's TensorFloat-32: 11 significant bits, the exponents of single precision.
    Tf32,
    /// IEEE half precision: 11 significant bits, a narrower range.
    F16,
    /// bfloat16: 8 significant bits, the exponents of single precision.
    Bf16,
    /// 8-bit integers with scales.
    Int8,
}

impl Precision {
    /// Whether numbers of this kind are coarser than those of `other`.
    pub fn is_lower_than(self, other: Self) -> bool {
        self.rank() < other.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::F32 => 4,
            Self::Tf32 => 3,
            Self::F16 => 2,
            Self::Bf16 => 1,
            Self::Int8 => 0,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.device, self.precision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_have_an_order() {
        let falling =
            [Precision::F32, Precision::Tf32, Precision::F16, Precision::Bf16, Precision::Int8];
        for (i, higher) in falling.iter().enumerate() {
            for (j, lower) in falling.iter().enumerate() {
                assert_eq!(lower.is_lower_than(*higher), j > i);
            }
        }
    }
}
