//! Stride-1 convolutions with 3×3 and 4×4 kernels by the Winograd (Toom-Cook) method, forward and
//! exactly backward.
//!
//! A block of tiles at a time: transform the input tiles to N² products' left sides, multiply by
//! the transformed weights (one matrix product per point), transform back. Source: A. Lavin and
//! S. Gray, *Fast Algorithms for Convolutional Neural Networks*, CVPR 2016. The backward pass is the
//! adjoint of the same three steps.
//!
//! The products are small and the weights large, so that memory traffic decides the speed: each
//! product prefetches what the next one needs, a row of points is transformed back while its products
//! are in an inner cache, and a task multiplies its left sides by several panels of weights.

mod maps;
mod tile;
mod transforms;
mod weights;

use crate::activation::Activation;
use crate::conv2d::{BackwardPass, ConvSpec, ForwardPass};
use crate::cpu::{Cpu, Disjoint};
use crate::gemm::{LeftLayout, PANEL, PanelProduct, Prefetch};
use crate::tensor::{Buffer, Shape};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;
use tile::{Grid, POINT_ONE, Tile};
use transforms::{
    InputAdjoint, InputTransform, OutputAdjoint, OutputMaps, OutputTransform, Planes, RowTransform,
};
use weights::Channels;

/// Floats of products (left sides, and results if they are kept) that a block of tiles may take:
/// they should stay in the third-level cache.
const BLOCK_FLOATS: usize = 6 << 20;
/// Floats of one panel's products with a part of a block.
const PANEL_PRODUCTS_FLOATS: usize = 1 << 18;
/// Panels of weights at most that a task multiplies by the same left sides while these are in an
/// inner cache.
const PANELS_PER_TASK: usize = 4;
/// Tiles that the matrix product handles best come in multiples of this.
const ROWS_MULTIPLE: usize = 12;
/// Tiles that one task transforms.
const TILES_PER_TASK: usize = 8;
/// Floats that one task clears.
const ZEROS_PER_TASK: usize = 1 << 16;

thread_local! {
    static TASK_MEMORY: RefCell<TaskMemory> = RefCell::default();
}

/// What a forward task holds of its part of a block.
#[derive(Default)]
struct TaskMemory {
    /// Products of one row of points with one panel of the weights.
    products: Buffer,
    /// For each panel, all rows of products, transformed back along the row.
    rows: Buffer,
}

/// Memory that is used again by every convolution.
#[derive(Default)]
pub(crate) struct Scratch {
    left: Buffer,
    result: Buffer,
}

/// A kind of tile and all that can be done with it.
#[derive(Clone, Copy)]
enum TileKind {
    F6x4,
    F7x3,
    F7x4,
}

impl TileKind {
    /// Outputs along an axis.
    fn outputs(self) -> usize {
        match self {
            Self::F6x4 => 6,
            Self::F7x3 | Self::F7x4 => 7,
        }
    }
}

/// Calls `$body` with `$T` standing for the maps of a tile kind.
macro_rules! with_maps {
    ($kind:expr, $T:ident, $body:expr) => {
        match $kind {
            TileKind::F6x4 => {
                type $T = maps::F6x4;
                $body
            }
            TileKind::F7x3 => {
                type $T = maps::F7x3;
                $body
            }
            TileKind::F7x4 => {
                type $T = maps::F7x4;
                $body
            }
        }
    };
}

/// Which tiles and channels a convolution has.
#[derive(Clone, Copy)]
pub(crate) struct Winograd {
    kind: TileKind,
    channels: Channels,
    padding: usize,
    kernel: usize,
    activation: Activation,
}

impl Winograd {
    /// The method for `spec`, where there is one.
    pub(crate) fn for_spec(spec: &ConvSpec, activation: Activation) -> Option<Self> {
        let kind = match (spec.kernel, activation) {
            (3, Activation::Linear | Activation::Relu) => TileKind::F7x3,
            (4, Activation::Linear | Activation::Relu) => TileKind::F7x4,
            (4, Activation::ReluAvgPool) => TileKind::F6x4,
            _ => return None,
        };
        let fits = spec.stride == 1
            && (spec.in_channels.is_multiple_of(PANEL) || spec.in_channels < PANEL);
        let channels = Channels { input: spec.in_channels, output: spec.out_channels };
        fits.then_some(Self {
            kind,
            channels,
            padding: spec.padding,
            kernel: spec.kernel,
            activation,
        })
    }

    /// Points of a tile along an axis.
    fn axis_points(&self) -> usize {
        self.kind.outputs() + self.kernel - 1
    }

    /// Points of a tile.
    fn points(&self) -> usize {
        self.axis_points() * self.axis_points()
    }

    /// Floats of the transformed weights.
    pub(crate) fn transformed_len(&self) -> usize {
        self.points() * self.channels.input * self.channels.output
    }

    /// Transforms plain weights (kernel row × column × input × output channel).
    pub(crate) fn transform_weights(&self, cpu: &Cpu, weights: &[f32], transformed: &mut Buffer) {
        with_maps!(self.kind, T, {
            weights::transform::<T>(cpu, weights, self.channels, transformed);
        });
    }

    /// Transforms plain weights with the roles of input and output channels swapped, for the
    /// backward pass. `room` is for as many floats as there are weights.
    pub(crate) fn transform_transposed(
        &self,
        cpu: &Cpu,
        weights: &[f32],
        room: &mut [f32],
        transformed: &mut Buffer,
    ) {
        let Channels { input, output } = self.channels;
        weights::transpose(cpu, weights, self.channels, room);
        let swapped = Channels { input: output, output: input };
        with_maps!(self.kind, T, {
            weights::transform::<T>(cpu, room, swapped, transformed);
        });
    }

    /// The gradient of the plain weights from that of the transformed ones.
    pub(crate) fn weight_gradient(&self, cpu: &Cpu, transformed: &[f32], gradient: &mut [f32]) {
        with_maps!(self.kind, T, {
            weights::adjoint::<T>(cpu, transformed, self.channels, gradient);
        });
    }

    fn grid(&self, input: Shape) -> Grid {
        let out = |size: usize| (size + 2 * self.padding + 1).saturating_sub(self.kernel);
        Grid {
            input,
            out_height: out(input.height),
            out_width: out(input.width),
            padding: self.padding,
            tile: self.kind.outputs(),
            pooled: self.activation == Activation::ReluAvgPool,
        }
    }

    /// Panels of transformed weights (or of their gradient) of one point.
    fn panels(&self, point: usize, channels: &Range<usize>) -> Range<usize> {
        let start = point * self.channels.input * self.channels.output;
        start + channels.start * self.channels.input..start + channels.end * self.channels.input
    }

    /// Runs the convolution for some output channels.
    pub(crate) fn forward(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        transformed: &[f32],
        bias: &[f32],
        pass: ForwardPass<'_>,
    ) {
        let grid = self.grid(pass.input.shape);
        let tiles = grid.tiles();
        let output_shape = pass.output.shape;
        let out_channels = pass.channels.len();
        let output = Disjoint::new(pass.output.data);
        let signs = pass.signs.map(|signs| Disjoint::new(signs.bytes_mut()));
        let output_maps = output_maps(output_shape, self.activation);
        for block in self.blocks(&tiles, self.channels.input) {
            let left_planes = Planes { tiles: block.len(), channels: self.channels.input };
            scratch.left.grow(left_planes.len(self.points()));
            self.transform_input(cpu, pass.input.data, &grid, block, &mut scratch.left);
            let parts = self.parts(block.len());
            let groups = panel_groups(out_channels / PANEL, parts.len(), cpu.threads());
            cpu.for_each(groups.len() * parts.len(), |task| {
                // Neighbouring tasks, which are mostly of one thread, share a part: the left sides
                // that this thread has made, where there are several parts.
                let part = parts[task / groups.len()].clone();
                let group = groups[task % groups.len()].clone();
                let planes = Planes { tiles: part.len(), channels: PANEL };
                let products = PartProducts {
                    winograd: self,
                    left: &scratch.left[left_planes.offset(part.start, 0)..],
                    left_planes,
                    planes,
                    right: &transformed[self.panels(0, &pass.channels).start..],
                };
                TASK_MEMORY.with_borrow_mut(|memory| {
                    products.rows(cpu, group.clone(), memory);
                    let rows = memory.rows.chunks_exact(products.rows_len());
                    for (panel, rows) in group.zip(rows) {
                        with_maps!(self.kind, T, {
                            cpu.simd().run(OutputTransform::<T> {
                                rows,
                                bias: &bias[pass.channels.clone()],
                                grid: &grid,
                                tiles: &block[part.clone()],
                                planes,
                                first_channel: panel * PANEL,
                                output_maps,
                                output: &output,
                                signs: signs.as_ref(),
                                maps: PhantomData,
                            });
                        });
                    }
                });
            });
        }
    }

    /// Cuts a block of tiles into parts whose products with one panel stay in the inner caches.
    fn parts(&self, tiles: usize) -> Vec<Range<usize>> {
        let most = PANEL_PRODUCTS_FLOATS / (self.points() * PANEL);
        let parts = tiles.div_ceil(most / ROWS_MULTIPLE * ROWS_MULTIPLE);
        let size = tiles.div_ceil(parts).next_multiple_of(ROWS_MULTIPLE);
        ranges(tiles, size)
    }

    /// Cuts tiles into blocks whose products of `channels` channels fit the caches.
    fn blocks<'a>(
        &self,
        tiles: &'a [Tile],
        channels: usize,
    ) -> impl Iterator<Item = &'a [Tile]> + use<'a> {
        let most = (BLOCK_FLOATS / (self.points() * channels)).max(TILES_PER_TASK);
        let blocks = tiles.len().div_ceil(most).max(1);
        let size = tiles.len().div_ceil(blocks).next_multiple_of(ROWS_MULTIPLE).max(1);
        tiles.chunks(size)
    }

    fn transform_input(
        &self,
        cpu: &Cpu,
        input: &[f32],
        grid: &Grid,
        tiles: &[Tile],
        products: &mut [f32],
    ) {
        let planes = Planes { tiles: tiles.len(), channels: self.channels.input };
        let products = Disjoint::new(products);
        with_maps!(self.kind, T, {
            for_each_range(cpu, tiles.len(), |range| {
                cpu.simd().run(InputTransform::<T> {
                    input,
                    grid,
                    tiles,
                    range,
                    planes,
                    products: &products,
                    maps: PhantomData,
                });
            });
        });
    }

    /// Backpropagates the gradient of some output channels: to the transformed weights and the bias
    /// (whose parts for these channels are overwritten), and to the input where
    /// `pass.input_gradient` is given (overwritten).
    ///
    /// Tiles whose output gradient is zero are left out: they add nothing.
    pub(crate) fn backward(
        &self,
        cpu: &Cpu,
        scratch: &mut Scratch,
        transposed: &[f32],
        pass: BackwardPass<'_>,
        gradient: WeightGradient<'_>,
    ) {
        let grid = self.grid(pass.input.shape);
        let mut tiles = grid.tiles();
        tiles.retain(|&tile| has_gradient(self.activation, &grid, tile, &pass));
        let channels = pass.channels.clone();
        let mut input_gradient = pass.input_gradient.map(|gradient| {
            cpu.for_each_chunk(gradient.data, ZEROS_PER_TASK, |_, part| part.fill(0.0));
            gradient.data
        });
        if tiles.is_empty() {
            for point in 0..self.points() {
                gradient.transformed[self.panels(point, &channels)].fill(0.0);
            }
            gradient.bias[channels].fill(0.0);
            return;
        }
        let output_maps = output_maps(pass.output_gradient.shape, self.activation);
        for (index, block) in self.blocks(&tiles, self.channels.input + channels.len()).enumerate()
        {
            let left_planes = Planes { tiles: block.len(), channels: self.channels.input };
            let result_planes = Planes { tiles: block.len(), channels: channels.len() };
            scratch.left.grow(left_planes.len(self.points()));
            scratch.result.grow(result_planes.len(self.points()));
            self.transform_input(cpu, pass.input.data, &grid, block, &mut scratch.left);
            let products = Disjoint::new(&mut scratch.result);
            with_maps!(self.kind, T, {
                for_each_range(cpu, block.len(), |range| {
                    cpu.simd().run(OutputAdjoint::<T> {
                        output_gradient: pass.output_gradient.data,
                        signs: pass.signs.map(|signs| signs.bytes()),
                        grid: &grid,
                        tiles: block,
                        range,
                        planes: result_planes,
                        output_maps,
                        products: &products,
                        maps: PhantomData,
                    });
                });
            });
            let products = BlockProducts {
                winograd: self,
                cpu,
                channels: &channels,
                tiles: block.len(),
                accumulate: index > 0,
            };
            products.weights(&scratch.left, &scratch.result, gradient.transformed);
            products.bias(&scratch.result, &mut gradient.bias[channels.clone()]);
            if let Some(input_gradient) = &mut input_gradient {
                products.input(&scratch.result, transposed, &mut scratch.left);
                self.add_input_gradient(cpu, &scratch.left, &grid, block, input_gradient);
            }
        }
    }

    /// Adds the gradient of a block's windows to that of the input: even rows of tiles first, then
    /// odd ones, as the windows of neighbouring rows overlap.
    fn add_input_gradient(
        &self,
        cpu: &Cpu,
        products: &[f32],
        grid: &Grid,
        tiles: &[Tile],
        input_gradient: &mut [f32],
    ) {
        let planes = Planes { tiles: tiles.len(), channels: self.channels.input };
        let input_gradient = Disjoint::new(input_gradient);
        let rows = tile::runs_of_rows(tiles);
        for parity in 0..2 {
            let rows: Vec<_> =
                rows.iter().filter(|row| tiles[row.start].row % 2 == parity).cloned().collect();
            with_maps!(self.kind, T, {
                cpu.for_each(rows.len(), |row| {
                    cpu.simd().run(InputAdjoint::<T> {
                        products,
                        grid,
                        tiles,
                        range: rows[row].clone(),
                        planes,
                        input_gradient: &input_gradient,
                        maps: PhantomData,
                    });
                });
            });
        }
    }
}

/// The matrix products of a forward pass for a part of a block.
struct PartProducts<'a> {
    winograd: &'a Winograd,
    /// Left sides, from the part's first tile on.
    left: &'a [f32],
    left_planes: Planes,
    planes: Planes,
    /// Transformed weights, from the first panel on.
    right: &'a [f32],
}

impl PartProducts<'_> {
    /// Floats of all rows of a panel's products, transformed back along the row.
    fn rows_len(&self) -> usize {
        self.planes.len(self.winograd.axis_points() * self.winograd.kind.outputs())
    }

    /// Multiplies by a group of panels and transforms each row of points back along the row, while
    /// its products are in an inner cache.
    fn rows(&self, cpu: &Cpu, group: Range<usize>, memory: &mut TaskMemory) {
        let axis = self.winograd.axis_points();
        let TaskMemory { products, rows } = memory;
        products.grow(self.planes.len(axis));
        rows.grow(group.len() * self.rows_len());
        for row in 0..axis {
            for (panel, rows) in group.clone().zip(rows.chunks_exact_mut(self.rows_len())) {
                for column in 0..axis {
                    self.multiply(cpu, &group, panel, [row, column], products);
                }
                with_maps!(self.winograd.kind, T, {
                    cpu.simd().run(RowTransform::<T> {
                        products,
                        planes: self.planes,
                        row,
                        rows,
                        maps: PhantomData,
                    });
                });
            }
        }
    }

    /// The products of one point with one panel of a group.
    fn multiply(
        &self,
        cpu: &Cpu,
        group: &Range<usize>,
        panel: usize,
        [row, column]: [usize; 2],
        products: &mut [f32],
    ) {
        let Channels { input, output } = self.winograd.channels;
        let axis = self.winograd.axis_points();
        let point = row * axis + column;
        let right = |point: usize, panel: usize| point * input * output + panel * input * PANEL;
        let next_right = if column + 1 < axis {
            right(point + 1, panel)
        } else if panel + 1 < group.end {
            right(row * axis, panel + 1)
        } else {
            right(point + 1, group.start)
        };
        cpu.simd().run(PanelProduct {
            left: &self.left[point * self.left_planes.stride()..],
            layout: self.left_planes.layout(),
            rows: self.planes.tiles,
            k: input,
            right: &self.right[right(point, panel)..],
            result: &mut products[column * self.planes.stride()..],
            accumulate: false,
            prefetch: Prefetch {
                next_left: (panel == group.start).then_some(self.left_planes.stride()),
                next_right: Some(next_right as isize - right(point, panel) as isize),
                result: false,
            },
        });
    }
}

/// Where a backward pass leaves the gradient of the weights.
pub(crate) struct WeightGradient<'a> {
    /// Of the transformed weights: `[point][output / PANEL][input][PANEL]`.
    pub transformed: &'a mut [f32],
    /// Of the bias.
    pub bias: &'a mut [f32],
}

/// The matrix products of a backward pass over one block of tiles.
struct BlockProducts<'a> {
    winograd: &'a Winograd,
    cpu: &'a Cpu,
    channels: &'a Range<usize>,
    tiles: usize,
    accumulate: bool,
}

impl BlockProducts<'_> {
    fn left_planes(&self) -> Planes {
        Planes { tiles: self.tiles, channels: self.winograd.channels.input }
    }

    fn result_planes(&self) -> Planes {
        Planes { tiles: self.tiles, channels: self.channels.len() }
    }

    /// `dU (+)= Vᵀ dM` for every point.
    fn weights(&self, left: &[f32], products: &[f32], gradient: &mut [f32]) {
        let inputs = self.winograd.channels.input;
        let points = self.winograd.points();
        let (left_stride, stride) = (self.left_planes().stride(), self.result_planes().stride());
        let gradient = Disjoint::new(gradient);
        for_each_product(self.cpu, points, self.channels.len() / PANEL, |point, panels| {
            let start = self.winograd.panels(point, self.channels).start;
            for panel in panels {
                let right = &products[point * stride + panel * self.tiles * PANEL..];
                for input_panel in 0..inputs / PANEL {
                    let offset = start + (panel * inputs + input_panel * PANEL) * PANEL;
                    let left = &left[point * left_stride + input_panel * self.tiles * PANEL..];
                    self.cpu.simd().run(PanelProduct {
                        left,
                        layout: LeftLayout::transposed_panel(self.tiles),
                        rows: PANEL,
                        k: self.tiles,
                        right,
                        // SAFETY: one task has this point and panel, and the matrices of different
                        // points, panels and input panels do not overlap.
                        result: unsafe { gradient.slice(offset, PANEL * PANEL) },
                        accumulate: self.accumulate,
                        prefetch: Prefetch {
                            next_left: None,
                            next_right: (input_panel == 0).then_some((self.tiles * PANEL) as isize),
                            result: true,
                        },
                    });
                }
            }
        });
    }

    /// The bias' gradient is the sum of `dy` over each tile: `dM` at the point (1, 1).
    fn bias(&self, products: &[f32], gradient: &mut [f32]) {
        if !self.accumulate {
            gradient.fill(0.0);
        }
        let plane = &products
            [POINT_ONE * (self.winograd.axis_points() + 1) * self.result_planes().stride()..];
        let panels = plane.chunks_exact(self.tiles * PANEL);
        for (gradient, panel) in gradient.chunks_exact_mut(PANEL).zip(panels) {
            for tile in panel.chunks_exact(PANEL) {
                for (sum, value) in gradient.iter_mut().zip(tile) {
                    *sum += value;
                }
            }
        }
    }

    /// `dV = dM Uᵀ` for every point.
    fn input(&self, products: &[f32], transposed: &[f32], left: &mut [f32]) {
        let Channels { input: inputs, output: outputs } = self.winograd.channels;
        let (left_stride, stride) = (self.left_planes().stride(), self.result_planes().stride());
        let left = Disjoint::new(left);
        for_each_product(self.cpu, self.winograd.points(), inputs / PANEL, |point, panels| {
            let products = &products[point * stride..][..stride];
            for panel in panels {
                let rows = point * inputs * outputs + panel * outputs * PANEL;
                let len = self.tiles * PANEL;
                self.cpu.simd().run(PanelProduct {
                    left: products,
                    layout: self.result_planes().layout(),
                    rows: self.tiles,
                    k: self.channels.len(),
                    right: &transposed[rows + self.channels.start * PANEL..],
                    // SAFETY: one task has this point and panel, and the panels do not overlap.
                    result: unsafe { left.slice(point * left_stride + panel * len, len) },
                    accumulate: false,
                    prefetch: Prefetch {
                        next_left: (panel == 0).then_some(stride),
                        next_right: Some((outputs * PANEL) as isize),
                        result: true,
                    },
                });
            }
        });
    }
}

/// Runs `task(point, panels)` so that every panel of every point is done once; panels are split
/// where there are more threads than points would keep busy.
fn for_each_product(
    cpu: &Cpu,
    points: usize,
    panels: usize,
    task: impl Fn(usize, Range<usize>) + Sync + Send,
) {
    let parts = (2 * cpu.threads()).div_ceil(points).min(panels).max(1);
    let per_part = panels.div_ceil(parts);
    let parts = panels.div_ceil(per_part);
    cpu.for_each(points * parts, |i| {
        let start = i % parts * per_part;
        task(i / parts, start..panels.min(start + per_part));
    });
}

/// Cuts panels of weights into groups, one for each task of each of `parts`: large ones, as long as
/// every thread has something to do.
fn panel_groups(panels: usize, parts: usize, threads: usize) -> Vec<Range<usize>> {
    let most = (panels * parts / (2 * threads)).clamp(1, PANELS_PER_TASK);
    ranges(panels, panels.div_ceil(panels.div_ceil(most)))
}

/// Cuts `0..len` into ranges of `size`, the last one perhaps shorter.
fn ranges(len: usize, size: usize) -> Vec<Range<usize>> {
    (0..len).step_by(size).map(|start| start..len.min(start + size)).collect()
}

/// Runs `task` for ranges of tiles that cover `0..tiles`.
fn for_each_range(cpu: &Cpu, tiles: usize, task: impl Fn(Range<usize>) + Sync + Send) {
    cpu.for_each(tiles.div_ceil(TILES_PER_TASK), |i| {
        task(i * TILES_PER_TASK..tiles.min((i + 1) * TILES_PER_TASK));
    });
}

fn output_maps(shape: Shape, activation: Activation) -> OutputMaps {
    OutputMaps { height: shape.height, width: shape.width, channels: shape.channels, activation }
}

/// Whether any output of a tile has a gradient other than zero.
fn has_gradient(activation: Activation, grid: &Grid, tile: Tile, pass: &BackwardPass<'_>) -> bool {
    let shape = pass.output_gradient.shape;
    let (row, column) = (tile.row * grid.tile, tile.column * grid.tile);
    let (top, left) = activation.output_size(row, column);
    let (bottom, right) = activation.output_size(row + grid.tile, column + grid.tile);
    let (right, bottom) = (right.min(shape.width), bottom.min(shape.height));
    (top..bottom).any(|y| {
        let line = (tile.image * shape.height + y) * shape.width;
        let start = (line + left.min(right)) * shape.channels;
        pass.output_gradient.data[start..(line + right) * shape.channels]
            .iter()
            .any(|&value| value != 0.0)
    })
}

#[cfg(test)]
mod tests;
