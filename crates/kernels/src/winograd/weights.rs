//! Weights into the products' domain, and their gradient back.
//!
//! Plain weights lie as kernel row × kernel column × input channel × output channel. Transformed,
//! each point has a matrix of input by output channels in panels.

use super::tile::{TileMaps, kernels_of_tiles, nth};
use crate::cpu::{Cpu, Disjoint};
use crate::gemm::PANEL;
use crate::simd::{Kernel, Simd};
use std::marker::PhantomData;

/// Channels of a convolution, those of the output a multiple of [`PANEL`].
#[derive(Clone, Copy)]
pub(super) struct Channels {
    pub input: usize,
    pub output: usize,
}

impl Channels {
    fn points_len(self, points: usize) -> usize {
        points * self.input * self.output
    }

    /// Offset in `[point][output / PANEL][input][PANEL]`.
    #[inline(always)]
    fn forward(self, point: usize, input: usize, output: usize) -> usize {
        point * self.input * self.output
            + output / PANEL * self.input * PANEL
            + input * PANEL
            + output % PANEL
    }
}

/// `U = G g Gᵀ` for one input channel.
pub(super) struct Transform<'a, T> {
    weights: &'a [f32],
    channels: Channels,
    input: usize,
    /// `[point][output / PANEL][input][PANEL]`.
    transformed: &'a Disjoint<'a, f32>,
    maps: PhantomData<T>,
}

impl<T> Transform<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let Self { weights, channels, input, .. } = self;
        assert_eq!(weights.len(), R * R * channels.input * channels.output);
        let target = self.transformed.pointer(0, channels.points_len(N * N));
        let tap = channels.input * channels.output;
        for output in (0..channels.output).step_by(S::LANES) {
            let source = input * channels.output + output;
            let mut columns = [[simd.splat(0.0); N]; R];
            for (x, column) in columns.iter_mut().enumerate() {
                let mut taps = [simd.splat(0.0); R];
                for (y, value) in taps.iter_mut().enumerate() {
                    let weights = &weights[(y * R + x) * tap + source..][..S::LANES];
                    // SAFETY: the slice has LANES floats.
                    *value = unsafe { simd.load(weights.as_ptr()) };
                }
                *column = T::kernel_to_products(simd, taps);
            }
            for y in 0..N {
                let row = T::kernel_to_products(simd, nth(simd, &columns, y));
                for (x, value) in row.into_iter().enumerate() {
                    let offset = channels.forward(y * N + x, input, output);
                    // SAFETY: inside the buffer; only this task writes this input channel.
                    unsafe { simd.store(target.add(offset), value) }
                }
            }
        }
    }
}

/// `dg = Gᵀ dU G` for one input channel.
pub(super) struct Adjoint<'a, T> {
    /// `[point][output / PANEL][input][PANEL]`.
    transformed: &'a [f32],
    channels: Channels,
    input: usize,
    gradient: &'a Disjoint<'a, f32>,
    maps: PhantomData<T>,
}

impl<T> Adjoint<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let Self { transformed, channels, input, .. } = self;
        let tap = channels.input * channels.output;
        let gradient = self.gradient.pointer(0, R * R * tap);
        for output in (0..channels.output).step_by(S::LANES) {
            let mut rows = [[simd.splat(0.0); R]; N];
            for (y, row) in rows.iter_mut().enumerate() {
                let mut points = [simd.splat(0.0); N];
                for (x, value) in points.iter_mut().enumerate() {
                    let offset = channels.forward(y * N + x, input, output);
                    let values = &transformed[offset..offset + S::LANES];
                    // SAFETY: the slice has LANES floats.
                    *value = unsafe { simd.load(values.as_ptr()) };
                }
                *row = T::kernel_to_products_adjoint(simd, points);
            }
            for x in 0..R {
                let values = T::kernel_to_products_adjoint(simd, nth(simd, &rows, x));
                for (y, value) in values.into_iter().enumerate() {
                    let offset = (y * R + x) * tap + input * channels.output + output;
                    // SAFETY: inside the buffer; only this task writes this input channel.
                    unsafe { simd.store(gradient.add(offset), value) }
                }
            }
        }
    }
}

kernels_of_tiles!(Transform, Adjoint);

/// Transforms all `weights` to `[point][output / PANEL][input][PANEL]`.
pub(super) fn transform<T>(cpu: &Cpu, weights: &[f32], channels: Channels, transformed: &mut [f32])
where
    T: Send + Sync,
    for<'a> Transform<'a, T>: Kernel<Output = ()>,
{
    let transformed = Disjoint::new(transformed);
    cpu.for_each(channels.input, |input| {
        cpu.instruction_set().run(Transform::<T> {
            weights,
            channels,
            input,
            transformed: &transformed,
            maps: PhantomData,
        });
    });
}

/// The gradient of the plain weights from that of the transformed ones.
pub(super) fn adjoint<T>(cpu: &Cpu, transformed: &[f32], channels: Channels, gradient: &mut [f32])
where
    T: Send + Sync,
    for<'a> Adjoint<'a, T>: Kernel<Output = ()>,
{
    let gradient = Disjoint::new(gradient);
    cpu.for_each(channels.input, |input| {
        cpu.instruction_set().run(Adjoint::<T> {
            transformed,
            channels,
            input,
            gradient: &gradient,
            maps: PhantomData,
        });
    });
}

/// Swaps the roles of input and output channels: `[point][output / PANEL][input][PANEL]` to
/// `[point][input / PANEL][output][PANEL]`.
pub(super) fn transpose(
    cpu: &Cpu,
    points: usize,
    channels: Channels,
    from: &[f32],
    to: &mut [f32],
) {
    let plane = channels.input * channels.output;
    assert_eq!((from.len(), to.len()), (points * plane, points * plane));
    cpu.for_each_chunk(to, channels.output * PANEL, |panel, to| {
        let (point, input_panel) =
            (panel / (channels.input / PANEL), panel % (channels.input / PANEL));
        let from = &from[point * plane..][..plane];
        for output_panel in 0..channels.output / PANEL {
            let block = &from[(output_panel * channels.input + input_panel * PANEL) * PANEL..]
                [..PANEL * PANEL];
            let target = &mut to[output_panel * PANEL * PANEL..][..PANEL * PANEL];
            for (output, row) in target.chunks_exact_mut(PANEL).enumerate() {
                for (input, value) in row.iter_mut().enumerate() {
                    *value = block[input * PANEL + output];
                }
            }
        }
    });
}
