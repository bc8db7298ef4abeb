//! Sums whose order never changes.

use burn_tensor::Tensor;

/// The sum of all values. Burn's own lets the device's units add their parts as they end, where the
/// device can: in another order each time, and so to other last bits.
pub(crate) fn sum<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    (0..D).rev().fold(values, |values, axis| values.sum_dim(axis)).reshape([1])
}
