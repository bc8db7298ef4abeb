//! Stored numbers, little-endian, turned into `f32`.

use half::{bf16, f16};
use safetensors::Dtype;

/// The number types that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementType {
    F16,
    BF16,
    F32,
    F64,
    I64,
}

impl ElementType {
    /// The type that safetensors calls so.
    pub(crate) fn from_dtype(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::BF16),
            Dtype::F32 => Some(Self::F32),
            Dtype::F64 => Some(Self::F64),
            Dtype::I64 => Some(Self::I64),
            _ => None,
        }
    }

    /// Bytes per number.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    /// The numbers in `bytes`, rounded to the nearest `f32` (beyond its range: infinity).
    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| convert(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_converted() {
        assert_eq!(ElementType::F16.decode(&[0x00, 0x3e]), [1.5]);
        assert_eq!(ElementType::BF16.decode(&[0xc0, 0xbf]), [-1.5]);
        assert_eq!(ElementType::F32.decode(&0.1_f32.to_le_bytes()), [0.1]);
        assert_eq!(ElementType::F64.decode(&0.1_f64.to_le_bytes()), [0.1]);
        assert_eq!(ElementType::I64.decode(&(-7_i64).to_le_bytes()), [-7.0]);
        assert_eq!(ElementType::F64.decode(&1e300_f64.to_le_bytes()), [f32::INFINITY]);
    }
}
