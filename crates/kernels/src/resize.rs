//! Bilinear resizing of feature maps with half-pixel centres, and its adjoint.
//!
//! The same as PyTorch's `interpolate(mode="bilinear", align_corners=False)`.

use crate::cpu::Cpu;
use crate::tensor::{TensorView, TensorViewMut};

/// One output index' two sources along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taps {
    /// The lower index.
    pub low: usize,
    /// The upper index; the same as `low` at the end.
    pub high: usize,
    /// Weight of `high`; that of `low` is the rest to 1.
    pub fraction: f32,
}

/// The sources of every output index when `from` samples become `to`.
pub fn bilinear_taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|i| {
            let at = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let low = (at as usize).min(from - 1);
            Taps { low, high: (low + 1).min(from - 1), fraction: at - low as f32 }
        })
        .collect()
}

/// Resizes maps to the rows and columns of `output`.
///
/// # Panics
/// When the numbers of images or channels differ, or a size is zero.
pub fn resize_bilinear(cpu: &Cpu, input: TensorView<'_>, output: TensorViewMut<'_>) {
    let (from, to) = (input.shape, output.shape);
    assert_eq!((from.images, from.channels), (to.images, to.channels));
    let rows = bilinear_taps(from.height, to.height);
    let columns = bilinear_taps(from.width, to.width);
    let channels = to.channels;
    cpu.for_each_chunk(output.data, to.width * channels, |row, output| {
        let (image, y) = (row / to.height, rows[row % to.height]);
        let line = |y: usize| {
            &input.data[(image * from.height + y) * from.width * channels..]
                [..from.width * channels]
        };
        let (upper, lower) = (line(y.low), line(y.high));
        for (target, x) in output.chunks_exact_mut(channels).zip(&columns) {
            let at = |line: &'_ [f32], x: usize, c: usize| line[x * channels + c];
            for (c, value) in target.iter_mut().enumerate() {
                let mix = |line| {
                    (1.0 - x.fraction) * at(line, x.low, c) + x.fraction * at(line, x.high, c)
                };
                *value = (1.0 - y.fraction) * mix(upper) + y.fraction * mix(lower);
            }
        }
    });
}

/// The adjoint of [`resize_bilinear`]: the gradient of the input from that of the output.
///
/// # Panics
/// When the numbers of images or channels differ, or a size is zero.
pub fn resize_bilinear_adjoint(
    cpu: &Cpu,
    output_gradient: TensorView<'_>,
    input_gradient: TensorViewMut<'_>,
) {
    let (to, from) = (input_gradient.shape, output_gradient.shape);
    assert_eq!((from.images, from.channels), (to.images, to.channels));
    let rows = users(to.height, from.height);
    let columns = users(to.width, from.width);
    let channels = to.channels;
    cpu.for_each_chunk(input_gradient.data, to.width * channels, |row, gradient| {
        gradient.fill(0.0);
        let image = row / to.height;
        for &(y, row_weight) in &rows[row % to.height] {
            let line = &output_gradient.data[(image * from.height + y) * from.width * channels..];
            for (target, columns) in gradient.chunks_exact_mut(channels).zip(&columns) {
                for &(x, column_weight) in columns {
                    let weight = row_weight * column_weight;
                    let source = &line[x * channels..][..channels];
                    target.iter_mut().zip(source).for_each(|(sum, v)| *sum += weight * v);
                }
            }
        }
    });
}

/// For every input index the output indices it has a part in, with its weight there.
fn users(inputs: usize, outputs: usize) -> Vec<Vec<(usize, f32)>> {
    let mut users = vec![Vec::new(); inputs];
    for (output, taps) in bilinear_taps(inputs, outputs).into_iter().enumerate() {
        users[taps.low].push((output, 1.0 - taps.fraction));
        users[taps.high].push((output, taps.fraction));
    }
    users
}
