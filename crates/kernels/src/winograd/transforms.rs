//! The transforms of tiles into products and back, and their adjoints.
//!
//! The products of a block of tiles lie in N² planes, one per point, each in panels of channels:
//! `[point][channels / PANEL][tile][PANEL]`.
//!
//! Values of a tile that do not fit the registers are kept in arrays outside the loops over tiles: to
//! clear them for every tile took 3 % of an inspection.

use super::tile::{Grid, Tile, TileMaps, kernels_of_tiles, nth};
use crate::activation::Activation;
use crate::cpu::Disjoint;
use crate::gemm::{LeftLayout, PANEL};
use crate::simd::{Kernel, LINE, MAX_LANES, Simd};
use crate::tensor::{keep_positive, store_signs};
use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

/// The planes of a block of tiles.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    /// Tiles that the planes have room for.
    pub tiles: usize,
    /// Channels: a multiple of [`PANEL`], or fewer.
    pub channels: usize,
}

impl Planes {
    /// How a plane is read as the left side of a product.
    pub(super) fn layout(self) -> LeftLayout {
        LeftLayout::panels(self.tiles, self.channels.min(PANEL))
    }

    /// Floats from one plane to the next: a panel's row more than the contents, so that the same
    /// place of different planes falls into different cache sets.
    pub(super) fn stride(self) -> usize {
        self.tiles * self.channels + PANEL
    }

    /// Floats of `points` planes.
    pub(super) fn len(self, points: usize) -> usize {
        points * self.stride()
    }

    /// What lies at `offset` of some planes.
    #[inline(always)]
    fn load<S: Simd, const COUNT: usize>(
        self,
        simd: S,
        products: &[f32],
        first_plane: usize,
        offset: usize,
    ) -> [S::Vector; COUNT] {
        let mut values = [simd.splat(0.0); COUNT];
        for (i, value) in values.iter_mut().enumerate() {
            let start = (first_plane + i) * self.stride() + offset;
            let products = &products[start..start + S::LANES];
            // SAFETY: the slice has `LANES` floats.
            *value = unsafe { simd.load(products.as_ptr()) };
            simd.prefetch(products.as_ptr().wrapping_add(2 * PANEL));
        }
        values
    }

    /// Offset of a channel of a tile in a plane.
    #[inline(always)]
    pub(super) fn offset(self, tile: usize, channel: usize) -> usize {
        let panel = PANEL.min(self.channels);
        (channel / panel * self.tiles + tile) * panel + channel % panel
    }
}

/// `V = B_T d B_Tᵀ` for the tiles `range` of a block.
pub(super) struct InputTransform<'a, T> {
    pub input: &'a [f32],
    pub grid: &'a Grid,
    pub tiles: &'a [Tile],
    pub range: Range<usize>,
    pub planes: Planes,
    pub products: &'a Disjoint<'a, f32>,
    pub maps: PhantomData<T>,
}

impl<T> InputTransform<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let shape = self.grid.input;
        let channels = shape.channels;
        assert_eq!((self.input.len(), channels), (shape.len(), self.planes.channels));
        assert_eq!(self.tiles.len(), self.planes.tiles);
        assert!(channels.is_multiple_of(PANEL) || channels < PANEL, "{channels} channels");
        let products = self.products.pointer(0, self.planes.len(N * N));
        let mut columns = [[simd.splat(0.0); N]; N];
        for panel in (0..channels).step_by(PANEL) {
            for index in self.range.clone() {
                let window = Window::<N>::new(self.grid, self.tiles[index]);
                for channel in (panel..channels.min(panel + PANEL)).step_by(S::LANES) {
                    for (x, column) in columns.iter_mut().enumerate() {
                        let ahead = if x + 1 >= R { M * channels } else { 0 };
                        let loaded = window.load_column(simd, self.input, x, channel, ahead);
                        *column = T::input_to_products(simd, loaded);
                    }
                    let offset = self.planes.offset(index, channel);
                    for y in 0..N {
                        let row = T::input_to_products(simd, nth(simd, &columns, y));
                        for (x, value) in row.into_iter().enumerate() {
                            // SAFETY: `pointer` has checked the length of all planes, which hold this
                            // tile and channel by the assertions above; only this task writes the tile.
                            unsafe {
                                let plane = products.add((y * N + x) * self.planes.stride());
                                store_up_to(simd, plane.add(offset), value, channels - channel);
                                simd.prefetch(plane.wrapping_add(offset + PANEL));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Loads a vector, or the `values` that are left of an array and zeros.
#[inline(always)]
fn load_up_to<S: Simd>(simd: S, values: &[f32]) -> S::Vector {
    let mut lanes = [0.0; MAX_LANES];
    let source = if values.len() < S::LANES {
        lanes[..values.len()].copy_from_slice(values);
        &lanes
    } else {
        values
    };
    // SAFETY: the source has at least `LANES` floats.
    unsafe { simd.load(source.as_ptr()) }
}

/// Stores a vector, or its first `count` lanes if there are no more.
///
/// # Safety
/// `target` must be writable for that many floats.
#[inline(always)]
unsafe fn store_up_to<S: Simd>(simd: S, target: *mut f32, value: S::Vector, count: usize) {
    // SAFETY: the caller promises `count` writable floats, or `LANES` if these are fewer; `lanes` is
    // as long as the widest vector.
    unsafe {
        if count < S::LANES {
            let mut lanes = [0.0; MAX_LANES];
            simd.store(lanes.as_mut_ptr(), value);
            target.copy_from_nonoverlapping(lanes.as_ptr(), count);
        } else {
            simd.store(target, value);
        }
    }
}

/// The part of the input under a tile, with the places outside the map marked.
struct Window<const N: usize> {
    rows: [Option<usize>; N],
    columns: [Option<usize>; N],
}

impl<const N: usize> Window<N> {
    #[inline(always)]
    fn new(grid: &Grid, tile: Tile) -> Self {
        let Grid { input, padding, tile: step, .. } = *grid;
        let inside = |at: usize, len: usize| at.checked_sub(padding).filter(|&at| at < len);
        let row_len = input.width * input.channels;
        Self {
            rows: from_fn(|y| {
                inside(tile.row * step + y, input.height)
                    .map(|y| tile.image * input.image_len() + y * row_len)
            }),
            columns: from_fn(|x| {
                inside(tile.column * step + x, input.width).map(|x| x * input.channels)
            }),
        }
    }

    /// Column `x` of the window at a channel; zeros where it is in the padding.
    #[inline(always)]
    fn load_column<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        x: usize,
        channel: usize,
        ahead: usize,
    ) -> [S::Vector; N] {
        let mut column = [simd.splat(0.0); N];
        for (y, value) in column.iter_mut().enumerate() {
            if let Some(offset) = self.offset(y, x) {
                let values = &input[offset + channel..];
                *value = load_up_to(simd, values);
                if ahead > 0 {
                    simd.prefetch(values.as_ptr().wrapping_add(ahead));
                }
            }
        }
        column
    }

    /// Offset in the input of place (y, x) of the window, unless it is in the padding.
    #[inline(always)]
    fn offset(&self, y: usize, x: usize) -> Option<usize> {
        Some(self.rows[y]? + self.columns[x]?)
    }
}

/// `dx += B_Tᵀ dV B_T` for the tiles `range` of a block.
///
/// Windows of neighbouring tiles overlap: tasks that run at once must be at least two rows of
/// tiles apart.
pub(super) struct InputAdjoint<'a, T> {
    pub products: &'a [f32],
    pub grid: &'a Grid,
    pub tiles: &'a [Tile],
    pub range: Range<usize>,
    pub planes: Planes,
    pub input_gradient: &'a Disjoint<'a, f32>,
    pub maps: PhantomData<T>,
}

impl<T> InputAdjoint<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let shape = self.grid.input;
        assert_eq!((shape.channels, shape.channels % PANEL), (self.planes.channels, 0));
        assert!(self.tiles[self.range.clone()].iter().all(|tile| tile.image < shape.images));
        assert!(self.products.len() >= self.planes.len(N * N));
        let gradient = self.input_gradient.pointer(0, shape.len());
        let mut rows = [[simd.splat(0.0); N]; N];
        for panel in (0..shape.channels).step_by(PANEL) {
            for index in self.range.clone() {
                let window = Window::<N>::new(self.grid, self.tiles[index]);
                for channel in (panel..panel + PANEL).step_by(S::LANES) {
                    let offset = self.planes.offset(index, channel);
                    for (y, row) in rows.iter_mut().enumerate() {
                        let loaded = self.planes.load(simd, self.products, y * N, offset);
                        *row = T::input_to_products_adjoint(simd, loaded);
                    }
                    for x in 0..N {
                        let values = T::input_to_products_adjoint(simd, nth(simd, &rows, x));
                        for (y, value) in values.into_iter().enumerate() {
                            if let Some(offset) = window.offset(y, x) {
                                // SAFETY: a place of the window in an image of the batch is inside
                                // the gradient, whose length `pointer` has checked; other tasks at
                                // work now are two rows of tiles away, further than a window reaches.
                                unsafe {
                                    let target = gradient.add(offset + channel);
                                    simd.store(target, simd.add(simd.load(target), value));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where the output of a tile goes, or its gradient comes from.
#[derive(Clone, Copy)]
pub(super) struct OutputMaps {
    /// Rows and columns after the activation.
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub activation: Activation,
}

impl OutputMaps {
    /// Offset of location (y, x) after the activation.
    #[inline(always)]
    fn offset(&self, image: usize, y: usize, x: usize) -> usize {
        ((image * self.height + y) * self.width + x) * self.channels
    }
}

/// One row of `M A_Tᵀ` for some tiles and one panel of channels.
pub(super) struct RowTransform<'a, T> {
    /// The products `M` of the row's points.
    pub products: &'a [f32],
    pub planes: Planes,
    /// Which of the rows of points.
    pub row: usize,
    /// Takes the row: planes by output column and row of points.
    pub rows: &'a mut [f32],
    pub maps: PhantomData<T>,
}

impl<T> RowTransform<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let Self { products, planes, row, rows, .. } = self;
        for index in 0..planes.tiles {
            for lane in (0..PANEL).step_by(S::LANES) {
                let offset = planes.offset(index, lane);
                let loaded = planes.load(simd, products, 0, offset);
                let values = T::products_to_output(simd, loaded);
                for (x, value) in values.into_iter().enumerate() {
                    let start = (x * N + row) * planes.stride() + offset;
                    let target = &mut rows[start..start + S::LANES];
                    // SAFETY: the slice has `LANES` floats.
                    unsafe { simd.store(target.as_mut_ptr(), value) };
                }
            }
        }
    }
}

/// `y = activation(A_T M A_Tᵀ + bias)` for some tiles and one panel of channels.
pub(super) struct OutputTransform<'a, T> {
    /// All rows of `M A_Tᵀ`, as [`RowTransform`] leaves them.
    pub rows: &'a [f32],
    pub bias: &'a [f32],
    pub grid: &'a Grid,
    pub tiles: &'a [Tile],
    pub planes: Planes,
    /// The panel's first channel.
    pub first_channel: usize,
    pub output_maps: OutputMaps,
    pub output: &'a Disjoint<'a, f32>,
    /// Takes the signs of the values before ReLU, one bit each.
    pub signs: Option<&'a Disjoint<'a, u8>>,
    pub maps: PhantomData<T>,
}

impl<T> OutputTransform<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let Self { planes, output_maps, grid, .. } = self;
        assert_eq!((planes.tiles, planes.channels), (self.tiles.len(), PANEL));
        assert!(self.first_channel + PANEL <= output_maps.channels);
        assert_eq!(output_maps.channels, self.bias.len());
        assert!(self.rows.len() >= planes.len(N * M));
        let pooled = output_maps.activation == Activation::ReluAvgPool;
        assert!(!pooled || M.is_multiple_of(2), "a tile must hold whole pooling windows");
        let mut outputs = [[simd.splat(0.0); M]; M];
        for (index, &tile) in self.tiles.iter().enumerate() {
            for lane in (0..PANEL).step_by(S::LANES) {
                let offset = planes.offset(index, lane);
                let channel = self.first_channel + lane;
                if lane == 0 {
                    self.prefetch_outputs(simd, tile, if pooled { M / 2 } else { M });
                }
                // SAFETY: `channel + LANES` is at most the number of channels, asserted above to be
                // the length of the bias.
                let bias = unsafe { simd.load(self.bias.as_ptr().add(channel)) };
                for x in 0..M {
                    let loaded = planes.load(simd, self.rows, x * N, offset);
                    let column = T::products_to_output(simd, loaded);
                    for (row, value) in outputs.iter_mut().zip(column) {
                        row[x] = simd.add(value, bias);
                    }
                }
                if let Some(signs) = self.signs {
                    write_signs(simd, signs, grid, tile, output_maps.channels, channel, &outputs);
                }
                if pooled {
                    self.write_pooled(simd, tile, channel, &outputs);
                } else {
                    self.write(simd, tile, channel, &outputs);
                }
            }
        }
    }

    /// Prefetches the places of a tile's `side` × `side` outputs.
    #[inline(always)]
    fn prefetch_outputs<S: Simd>(&self, simd: S, tile: Tile, side: usize) {
        let output = self.output.pointer(0, 0);
        for y in tile.row * side..self.output_maps.height.min((tile.row + 1) * side) {
            for x in tile.column * side..self.output_maps.width.min((tile.column + 1) * side) {
                let offset = self.output_maps.offset(tile.image, y, x) + self.first_channel;
                simd.prefetch(output.wrapping_add(offset));
                simd.prefetch(output.wrapping_add(offset + LINE));
            }
        }
    }

    #[inline(always)]
    fn write<S: Simd, const M: usize>(
        &self,
        simd: S,
        tile: Tile,
        channel: usize,
        outputs: &[[S::Vector; M]; M],
    ) {
        let relu = self.output_maps.activation != Activation::Linear;
        for (dy, row) in outputs.iter().enumerate() {
            for (dx, &value) in row.iter().enumerate() {
                let (y, x) = (tile.row * M + dy, tile.column * M + dx);
                if y < self.output_maps.height && x < self.output_maps.width {
                    let value = if relu { simd.relu(value) } else { value };
                    let offset = self.output_maps.offset(tile.image, y, x) + channel;
                    // SAFETY: `pointer` has checked that `LANES` floats lie there; only this task
                    // writes this tile.
                    unsafe { simd.store(self.output.pointer(offset, S::LANES), value) }
                }
            }
        }
    }

    #[inline(always)]
    fn write_pooled<S: Simd, const M: usize>(
        &self,
        simd: S,
        tile: Tile,
        channel: usize,
        outputs: &[[S::Vector; M]; M],
    ) {
        let quarter = simd.splat(0.25);
        for dy in 0..M / 2 {
            for dx in 0..M / 2 {
                let (y, x) = (tile.row * M / 2 + dy, tile.column * M / 2 + dx);
                if y < self.output_maps.height && x < self.output_maps.width {
                    let value = |y: usize, x: usize| simd.relu(outputs[2 * dy + y][2 * dx + x]);
                    let upper = simd.add(value(0, 0), value(0, 1));
                    let lower = simd.add(value(1, 0), value(1, 1));
                    let mean = simd.mul(simd.add(upper, lower), quarter);
                    let offset = self.output_maps.offset(tile.image, y, x) + channel;
                    // SAFETY: `pointer` has checked that `LANES` floats lie there; only this task
                    // writes this tile.
                    unsafe { simd.store(self.output.pointer(offset, S::LANES), mean) }
                }
            }
        }
    }
}

/// Number of a location's first value before pooling among all of the batch.
#[inline(always)]
fn value_number(grid: &Grid, tile: Tile, y: usize, x: usize, channels: usize) -> usize {
    ((tile.image * grid.out_height + y) * grid.out_width + x) * channels
}

#[inline(always)]
fn write_signs<S: Simd, const M: usize>(
    simd: S,
    signs: &Disjoint<'_, u8>,
    grid: &Grid,
    tile: Tile,
    channels: usize,
    channel: usize,
    outputs: &[[S::Vector; M]; M],
) {
    for (dy, row) in outputs.iter().enumerate() {
        for (dx, &value) in row.iter().enumerate() {
            let (y, x) = (tile.row * M + dy, tile.column * M + dx);
            if y < grid.out_height && x < grid.out_width {
                let number = value_number(grid, tile, y, x, channels) + channel;
                // SAFETY: only this task writes this tile, whose values these are.
                unsafe { store_signs(simd, signs, number, value) }
            }
        }
    }
}

/// `dM = A_Tᵀ dy A_T` for the tiles `range` of a block, with `dy` backpropagated through pool and
/// ReLU.
pub(super) struct OutputAdjoint<'a, T> {
    pub output_gradient: &'a [f32],
    /// Signs of the values before ReLU; needed unless the activation is linear.
    pub signs: Option<&'a [u8]>,
    pub grid: &'a Grid,
    pub tiles: &'a [Tile],
    pub range: Range<usize>,
    pub planes: Planes,
    pub output_maps: OutputMaps,
    pub products: &'a Disjoint<'a, f32>,
    pub maps: PhantomData<T>,
}

impl<T> OutputAdjoint<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const R: usize, const N: usize>(self, simd: S)
    where
        T: TileMaps<M, R, N>,
    {
        let Self { planes, output_maps, .. } = self;
        assert_eq!((output_maps.channels, output_maps.channels % PANEL), (planes.channels, 0));
        assert_eq!(self.tiles.len(), planes.tiles);
        let products = self.products.pointer(0, planes.len(N * N));
        let mut rows = [[simd.splat(0.0); N]; M];
        for panel in (0..output_maps.channels).step_by(PANEL) {
            for index in self.range.clone() {
                let tile = self.tiles[index];
                for channel in (panel..panel + PANEL).step_by(S::LANES) {
                    for (dy, row) in rows.iter_mut().enumerate() {
                        let mut loaded = [simd.splat(0.0); M];
                        for (dx, value) in loaded.iter_mut().enumerate() {
                            *value = self.gradient(simd, tile, [dy, dx], channel);
                        }
                        *row = T::products_to_output_adjoint(simd, loaded);
                    }
                    let offset = planes.offset(index, channel);
                    for x in 0..N {
                        let values = T::products_to_output_adjoint(simd, nth(simd, &rows, x));
                        for (y, value) in values.into_iter().enumerate() {
                            // SAFETY: `pointer` has checked the length of all planes, which hold this
                            // tile and channel by the assertions above; only this task writes the tile.
                            unsafe {
                                let plane = products.add((y * N + x) * planes.stride());
                                simd.store(plane.add(offset), value);
                                simd.prefetch(plane.wrapping_add(offset + PANEL));
                            }
                        }
                    }
                }
            }
        }
    }

    /// The gradient with respect to one value of a tile before ReLU and pool.
    #[inline(always)]
    fn gradient<S: Simd>(
        &self,
        simd: S,
        tile: Tile,
        [dy, dx]: [usize; 2],
        channel: usize,
    ) -> S::Vector {
        let (y, x) = (tile.row * self.grid.tile + dy, tile.column * self.grid.tile + dx);
        let pooled = self.output_maps.activation == Activation::ReluAvgPool;
        let (out_y, out_x) = if pooled { (y / 2, x / 2) } else { (y, x) };
        if out_y >= self.output_maps.height || out_x >= self.output_maps.width {
            return simd.splat(0.0);
        }
        let offset = self.output_maps.offset(tile.image, out_y, out_x) + channel;
        let values = &self.output_gradient[offset..offset + S::LANES];
        // SAFETY: the slice has `LANES` floats.
        let mut value = unsafe { simd.load(values.as_ptr()) };
        if let Some(signs) = self.signs {
            let first = value_number(self.grid, tile, y, x, self.output_maps.channels);
            value = keep_positive(simd, signs, first + channel, value);
        }
        if pooled { simd.mul(value, simd.splat(0.25)) } else { value }
    }
}

kernels_of_tiles!(InputTransform, InputAdjoint, RowTransform, OutputTransform, OutputAdjoint);
