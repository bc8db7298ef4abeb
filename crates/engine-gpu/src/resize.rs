//! Bilinear resizing as two products with matrices.

use crate::transfer::numbers;
use burn_tensor::{DType, Device, Tensor};
use efficientad_engine::bilinear_taps;

/// Resizes maps from one size to another, and back by the adjoint.
#[derive(Clone)]
pub(crate) struct Resize {
    /// Output rows × input rows.
    rows: Tensor<2>,
    /// Output columns × input columns.
    columns: Tensor<2>,
}

impl Resize {
    pub(crate) fn new(
        device: &Device,
        kind: DType,
        from: (usize, usize),
        to: (usize, usize),
    ) -> Self {
        let matrix = |from, to| matrix(device, from, to).cast(kind);
        Self { rows: matrix(from.0, to.0), columns: matrix(from.1, to.1) }
    }

    pub(crate) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        multiplied(maps, self.rows.clone(), self.columns.clone())
    }

    /// The gradient of what was resized from that of the result.
    pub(crate) fn backward(&self, gradient: Tensor<4>) -> Tensor<4> {
        multiplied(gradient, self.rows.clone().transpose(), self.columns.clone().transpose())
    }
}

/// Applies a matrix to the rows and another one to the columns of maps.
fn multiplied(maps: Tensor<4>, rows: Tensor<2>, columns: Tensor<2>) -> Tensor<4> {
    let [images, height, width, channels] = maps.dims();
    let (to_height, to_width) = (rows.dims()[0], columns.dims()[0]);
    let maps = maps.reshape([images, height, width * channels]);
    let maps = rows.unsqueeze::<3>().matmul(maps);
    let maps = maps.reshape([images * to_height, width, channels]);
    let maps = columns.unsqueeze::<3>().matmul(maps);
    maps.reshape([images, to_height, to_width, channels])
}

fn matrix(device: &Device, from: usize, to: usize) -> Tensor<2> {
    let mut matrix = vec![0.0; to * from];
    for (row, taps) in matrix.chunks_exact_mut(from).zip(bilinear_taps(from, to)) {
        row[taps.low] += 1.0 - taps.fraction;
        row[taps.high] += taps.fraction;
    }
    numbers(device, matrix).reshape([to, from])
}
