//! Weights into the products' domain, and their gradient back.
//!
//! Plain weights lie as kernel row × kernel column × input channel × output channel. Transformed,
//! each point has a matrix of input by output channels in panels.

use super::tile::{TileMaps, kernels_of_tiles, nth};
use crate::cpu::{Cpu, Disjoint};
use crate::gemm::PANEL;
use crate::simd::{Kernel, LINE, Simd};
use crate::tensor::Buffer;
use std::marker::PhantomData;
use std::ops::Range;

/// Floats of transformed weights up to which they may still be in a cache when they are next read;
/// more are stored past the caches.
const CACHED_WEIGHTS: usize = 2 << 20;

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

    /// Whether the transformed weights are too many to stay in a cache.
    pub(super) fn is_stored_past_caches(self, points: usize) -> bool {
        self.points_len(points) > CACHED_WEIGHTS
    }

    /// Offset in `[point][output / PANEL][input][PANEL]`.
    #[inline(always)]
    fn forward(self, point: usize, input: usize, output: usize) -> usize {
        point * self.input * self.output
            + output / PANEL * self.input * PANEL
            + input * PANEL
            + output % PANEL
    }

    /// How many blocks of at most [`PANEL`] input channels by a panel of output channels there are.
    fn blocks(self) -> usize {
        self.input.div_ceil(PANEL) * (self.output / PANEL)
    }

    fn block(self, index: usize) -> ChannelBlock {
        let rows = self.input.div_ceil(PANEL);
        let input = index % rows * PANEL;
        ChannelBlock {
            inputs: input..self.input.min(input + PANEL),
            first_output: index / rows * PANEL,
        }
    }
}

/// Channels that lie together in each point's matrix: a task's share.
struct ChannelBlock {
    inputs: Range<usize>,
    first_output: usize,
}

impl ChannelBlock {
    /// Each input channel with the first of each `lanes` output channels.
    fn vectors(self, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
        let outputs = (self.first_output..self.first_output + PANEL).step_by(lanes);
        self.inputs.flat_map(move |input| outputs.clone().map(move |output| (input, output)))
    }
}

/// `U = G g Gᵀ` for a block of channels.
pub(super) struct Transform<'a, T> {
    weights: &'a [f32],
    channels: Channels,
    block: ChannelBlock,
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
        let Self { weights, channels, block, .. } = self;
        assert_eq!(weights.len(), R * R * channels.input * channels.output);
        let target = self.transformed.pointer(0, channels.points_len(N * N));
        let tap = channels.input * channels.output;
        // Then every vector of `LANES` floats below starts at a multiple of its own size.
        assert!(target.addr().is_multiple_of(LINE * size_of::<f32>()), "weights not aligned");
        assert!(channels.output.is_multiple_of(PANEL), "{} output channels", channels.output);
        let nontemporal = channels.is_stored_past_caches(N * N);
        for (input, output) in block.vectors(S::LANES) {
            let source = input * channels.output + output;
            let mut columns = [[simd.splat(0.0); N]; R];
            for (x, column) in columns.iter_mut().enumerate() {
                let mut taps = [simd.splat(0.0); R];
                for (y, value) in taps.iter_mut().enumerate() {
                    let weights = &weights[(y * R + x) * tap + source..][..S::LANES];
                    // SAFETY: the slice has `LANES` floats.
                    *value = unsafe { simd.load(weights.as_ptr()) };
                }
                *column = T::kernel_to_products(simd, taps);
            }
            for y in 0..N {
                let row = T::kernel_to_products(simd, nth(simd, &columns, y));
                for (x, value) in row.into_iter().enumerate() {
                    let offset = channels.forward(y * N + x, input, output);
                    // SAFETY: `offset + LANES` is at most `points_len`, which `pointer` has checked;
                    // only this task writes its block. By the assertions above the address is a
                    // multiple of a vector's size, and the fence follows before the task ends.
                    unsafe {
                        if nontemporal {
                            simd.store_nontemporal(target.add(offset), value);
                        } else {
                            simd.store(target.add(offset), value);
                        }
                    }
                }
            }
        }
        simd.fence_nontemporal();
    }
}

/// `dg = Gᵀ dU G` for a block of channels.
pub(super) struct Adjoint<'a, T> {
    /// `[point][output / PANEL][input][PANEL]`.
    transformed: &'a [f32],
    channels: Channels,
    block: ChannelBlock,
    gradient: &'a Disjoint<'a, f32>,
    maps: PhantomData<T>,
}

impl<T> Adjoint<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let Self { transformed, channels, block, .. } = self;
        let tap = channels.input * channels.output;
        let gradient = self.gradient.pointer(0, R * R * tap);
        for (input, output) in block.vectors(S::LANES) {
            let mut rows = [[simd.splat(0.0); R]; N];
            for (y, row) in rows.iter_mut().enumerate() {
                let mut points = [simd.splat(0.0); N];
                for (x, value) in points.iter_mut().enumerate() {
                    let offset = channels.forward(y * N + x, input, output);
                    let values = &transformed[offset..offset + S::LANES];
                    // SAFETY: the slice has `LANES` floats.
                    *value = unsafe { simd.load(values.as_ptr()) };
                    simd.prefetch(values.as_ptr().wrapping_add(2 * PANEL));
                }
                *row = T::kernel_to_products_adjoint(simd, points);
            }
            for x in 0..R {
                let values = T::kernel_to_products_adjoint(simd, nth(simd, &rows, x));
                for (y, value) in values.into_iter().enumerate() {
                    let offset = (y * R + x) * tap + input * channels.output + output;
                    // SAFETY: `offset + LANES` is at most the length that `pointer` has checked; only
                    // this task writes its block.
                    unsafe { simd.store(gradient.add(offset), value) }
                }
            }
        }
    }
}

kernels_of_tiles!(Transform, Adjoint);

/// Transforms all `weights` to `[point][output / PANEL][input][PANEL]`.
pub(super) fn transform<T>(cpu: &Cpu, weights: &[f32], channels: Channels, transformed: &mut Buffer)
where
    T: Send + Sync,
    for<'a> Transform<'a, T>: Kernel<Output = ()>,
{
    let transformed = Disjoint::new(transformed);
    cpu.for_each(channels.blocks(), |block| {
        cpu.simd().run(Transform::<T> {
            weights,
            channels,
            block: channels.block(block),
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
    cpu.for_each(channels.blocks(), |block| {
        cpu.simd().run(Adjoint::<T> {
            transformed,
            channels,
            block: channels.block(block),
            gradient: &gradient,
            maps: PhantomData,
        });
    });
}

/// Swaps the roles of input and output channels of plain weights: kernel row × kernel column ×
/// output × input channel.
pub(super) fn transpose(cpu: &Cpu, weights: &[f32], channels: Channels, transposed: &mut [f32]) {
    let Channels { input: inputs, output: outputs } = channels;
    assert_eq!(weights.len(), transposed.len());
    cpu.for_each_chunk(transposed, PANEL * inputs, |chunk, transposed| {
        let (tap, first) = (chunk * PANEL / outputs, chunk * PANEL % outputs);
        let weights = &weights[tap * inputs * outputs..][..inputs * outputs];
        for (input, row) in weights.chunks_exact(outputs).enumerate() {
            for (output, value) in row[first..first + PANEL].iter().enumerate() {
                transposed[output * inputs + input] = *value;
            }
        }
    });
}
