//! Tiles: how an output map is cut up, and the small linear maps applied to each tile.

use crate::simd::Simd;
use crate::tensor::Shape;

/// The product of a constant matrix and a vector, written out without loops: zeros and ones cost
/// nothing, and everything stays in registers.
macro_rules! multiply {
    ($simd:expr, $x:expr, [$([$($weight:expr),*]),*]) => {
        [$({
            let sum = None;
            let mut index = 0;
            $(
                let sum = crate::winograd::tile::add_term($simd, sum, $weight, $x[index]);
                index += 1;
            )*
            debug_assert_eq!(index, $x.len());
            sum.unwrap_or($simd.splat(0.0))
        }),*]
    };
}
pub(super) use multiply;

/// Implements [`Kernel`](crate::simd::Kernel) for things to do with tiles, each kind of tile.
macro_rules! kernels_of_tiles {
    ($($work:ident),*) => {$(
        crate::winograd::tile::kernels_of_tiles!($work: F6x4 6 4 9, F7x3 7 3 9, F7x4 7 4 10);
    )*};
    ($work:ident: $($kind:ident $m:literal $r:literal $n:literal),*) => {$(
        impl Kernel for $work<'_, crate::winograd::maps::$kind> {
            type Output = ();
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) {
                self.tiles::<S, $m, $r, $n>(simd);
            }
        }
    )*};
}
pub(super) use kernels_of_tiles;

/// `sum + weight · x`.
#[inline(always)]
pub(super) fn add_term<S: Simd>(
    simd: S,
    sum: Option<S::Vector>,
    weight: f32,
    x: S::Vector,
) -> Option<S::Vector> {
    match sum {
        _ if weight == 0.0 => sum,
        None if weight == 1.0 => Some(x),
        None => Some(simd.mul(simd.splat(weight), x)),
        Some(sum) if weight == 1.0 => Some(simd.add(sum, x)),
        Some(sum) if weight == -1.0 => Some(simd.sub(sum, x)),
        Some(sum) => Some(simd.mul_add(simd.splat(weight), x, sum)),
    }
}

/// The linear maps of F(M×M, R×R), with N = M + R − 1 points, along one axis. With `B` the map of
/// the input, `G` of the kernel and `A` of the products, a correlation is `A[(G g) ⊙ (B d)]`; see
/// `tools/winograd_maps.py`. Each map comes with its adjoint (its transpose).
pub(crate) trait TileMaps<const M: usize, const R: usize, const N: usize>:
    Copy + Send + Sync + 'static
{
    fn input_to_products<S: Simd>(s: S, x: [S::Vector; N]) -> [S::Vector; N];
    fn input_to_products_adjoint<S: Simd>(s: S, x: [S::Vector; N]) -> [S::Vector; N];
    fn kernel_to_products<S: Simd>(s: S, x: [S::Vector; R]) -> [S::Vector; N];
    fn kernel_to_products_adjoint<S: Simd>(s: S, x: [S::Vector; N]) -> [S::Vector; R];
    fn products_to_output<S: Simd>(s: S, x: [S::Vector; N]) -> [S::Vector; M];
    fn products_to_output_adjoint<S: Simd>(s: S, x: [S::Vector; M]) -> [S::Vector; N];
}

/// The point at 1: there the adjoint of the products' map is the plain sum of a tile.
pub(crate) const POINT_ONE: usize = 0;

/// Element `index` of each array.
#[inline(always)]
pub(crate) fn nth<S: Simd, const OUTER: usize, const INNER: usize>(
    simd: S,
    arrays: &[[S::Vector; INNER]; OUTER],
    index: usize,
) -> [S::Vector; OUTER] {
    let mut values = [simd.splat(0.0); OUTER];
    for (value, array) in values.iter_mut().zip(arrays) {
        *value = array[index];
    }
    values
}

/// Where a tile lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub image: usize,
    /// Row of tiles.
    pub row: usize,
    /// Column of tiles.
    pub column: usize,
}

/// The maps of one convolution and the tiles that cover its output before pooling.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    /// Input maps.
    pub input: Shape,
    /// Output rows before pooling.
    pub out_height: usize,
    /// Output columns before pooling.
    pub out_width: usize,
    /// Zeros around the input.
    pub padding: usize,
    /// Outputs of a tile along each axis.
    pub tile: usize,
    /// Whether windows of 2×2 outputs are averaged.
    pub pooled: bool,
}

impl Grid {
    /// Rows of tiles in an image.
    pub(crate) fn rows(&self) -> usize {
        self.tiles_over(self.out_height)
    }

    /// Columns of tiles in an image.
    pub(crate) fn columns(&self) -> usize {
        self.tiles_over(self.out_width)
    }

    /// Tiles that cover `outputs`, less a last one that no pooling window reaches.
    fn tiles_over(&self, outputs: usize) -> usize {
        if self.pooled { outputs / 2 * 2 } else { outputs }.div_ceil(self.tile)
    }

    /// All tiles, image by image, row by row.
    pub(crate) fn tiles(&self) -> Vec<Tile> {
        let (rows, columns) = (self.rows(), self.columns());
        (0..self.input.images * rows * columns)
            .map(|i| Tile {
                image: i / (rows * columns),
                row: i / columns % rows,
                column: i % columns,
            })
            .collect()
    }
}

/// Cuts `tiles` where the image or the row of tiles changes.
pub(crate) fn runs_of_rows(tiles: &[Tile]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for end in 1..=tiles.len() {
        let row = |i: usize| (tiles[i].image, tiles[i].row);
        if end == tiles.len() || row(end) != row(start) {
            runs.push(start..end);
            start = end;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::maps::{F6x4, F7x3, F7x4};
    use super::*;
    use crate::simd::{Kernel, MAX_LANES, SimdToken};
    use std::array::from_fn;

    /// Compares the maps with a plain correlation, and each adjoint with its map.
    struct Correlates<T>(T);

    impl<T> Correlates<T> {
        fn check<S: Simd, const M: usize, const R: usize, const N: usize>(&self, simd: S)
        where
            T: TileMaps<M, R, N>,
        {
            let kernel: [f32; R] = from_fn(|i| [0.3, -1.7, 2.1, 0.9][i]);
            let input: [f32; N] =
                from_fn(|i| [1.0, -0.5, 3.0, 0.25, -2.0, 0.7, 1.1, 0.3, -1.2, 0.6][i]);
            let weights: [f32; M] = from_fn(|i| [0.4, 1.2, -0.6, 2.0, -1.5, 0.8, -0.1][i]);
            let g = T::kernel_to_products(simd, kernel.map(|v| simd.splat(v)));
            let d = T::input_to_products(simd, input.map(|v| simd.splat(v)));
            let products: [S::Vector; N] = from_fn(|i| simd.mul(g[i], d[i]));
            let outputs = T::products_to_output(simd, products).map(|v| lane(simd, v));
            for (i, output) in outputs.iter().enumerate() {
                let expected: f32 = (0..R).map(|k| input[i + k] * kernel[k]).sum();
                assert!((output - expected).abs() < 3e-5, "output {i}: {output}, not {expected}");
            }
            let a = T::products_to_output_adjoint(simd, weights.map(|v| simd.splat(v)));
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
            let [a, products, g, d] = [a, products, g, d].map(|x| x.map(|v| lane(simd, v)));
            let same = |x: f32, y: f32| (x - y).abs() < 1e-4 * (1.0 + x.abs());
            assert!(same(dot(&a, &products), dot(&weights, &outputs)));
            let kernel_adjoint = T::kernel_to_products_adjoint(simd, a.map(|v| simd.splat(v)));
            let kernel_adjoint = kernel_adjoint.map(|v| lane(simd, v));
            assert!(same(dot(&kernel_adjoint, &kernel), dot(&a, &g)));
            let input_adjoint = T::input_to_products_adjoint(simd, a.map(|v| simd.splat(v)));
            let input_adjoint = input_adjoint.map(|v| lane(simd, v));
            assert!(same(dot(&input_adjoint, &input), dot(&a, &d)));
        }
    }

    fn lane<S: Simd>(simd: S, vector: S::Vector) -> f32 {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: `lanes` is as long as the widest vector.
        unsafe { simd.store(lanes.as_mut_ptr(), vector) };
        lanes[S::LANES - 1]
    }

    macro_rules! correlates {
        ($($kind:ident $m:literal $r:literal $n:literal),*) => {
            $(impl Kernel for Correlates<$kind> {
                type Output = ();
                #[inline(always)]
                fn run<S: Simd>(self, simd: S) {
                    self.check::<S, $m, $r, $n>(simd);
                }
            })*
            #[test]
            fn tile_maps_correlate() {
                for token in SimdToken::available() {
                    $(token.run(Correlates($kind));)*
                }
            }
        };
    }
    correlates!(F6x4 6 4 9, F7x3 7 3 9, F7x4 7 4 10);

    #[test]
    fn runs_end_with_the_row_of_tiles() {
        let shape = Shape { images: 2, height: 8, width: 9, channels: 32 };
        let grid =
            Grid { input: shape, out_height: 5, out_width: 6, padding: 0, tile: 4, pooled: false };
        assert_eq!(runs_of_rows(&grid.tiles()), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(runs_of_rows(&grid.tiles()[1..3]), [0..1, 1..2]);
        assert!(runs_of_rows(&[]).is_empty());
    }
}
