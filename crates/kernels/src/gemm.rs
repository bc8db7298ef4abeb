//! The matrix product inside the convolutions.
//!
//! Right-hand matrices and results are kept in panels of [`PANEL`] columns, each panel row-major:
//! `[columns / PANEL][rows][PANEL]`. The left-hand matrix may lie in panels or in plain rows.

use crate::simd::{Kernel, LINE, Simd};

/// Columns of a panel.
pub(crate) const PANEL: usize = 32;

/// How the left-hand matrix lies in memory: element (row, k) is at
/// `row · row_stride + (k / chunk) · chunk_stride + (k % chunk) · k_stride`.
#[derive(Clone, Copy)]
pub(crate) struct LeftLayout {
    pub row_stride: usize,
    pub k_stride: usize,
    pub chunk: usize,
    pub chunk_stride: usize,
}

impl LeftLayout {
    /// Rows of `k` contiguous elements.
    pub(crate) fn rows(k: usize) -> Self {
        Self { row_stride: k, k_stride: 1, chunk: k, chunk_stride: 0 }
    }

    /// The transpose of `k` rows of `row_len` contiguous elements.
    pub(crate) fn transposed_rows(row_len: usize, k: usize) -> Self {
        Self { row_stride: 1, k_stride: row_len, chunk: k, chunk_stride: 0 }
    }

    /// Panels of `rows` rows of `width` elements, `k` running across the panels.
    pub(crate) fn panels(rows: usize, width: usize) -> Self {
        Self { row_stride: width, k_stride: 1, chunk: width, chunk_stride: rows * width }
    }

    /// The transpose of one panel of `k` rows.
    pub(crate) fn transposed_panel(k: usize) -> Self {
        Self::transposed_rows(PANEL, k)
    }

    /// One past the largest offset that `rows` × `k` elements reach.
    fn extent(self, rows: usize, k: usize) -> usize {
        let last = |k: usize| k / self.chunk * self.chunk_stride + k % self.chunk * self.k_stride;
        let chunk_end = last(k - 1).max(last((k - 1) / self.chunk * self.chunk));
        (rows - 1) * self.row_stride + chunk_end + 1
    }
}

/// One panel of a product: `result[rows][PANEL] (+)= left[rows][k] · right[k][PANEL]`.
pub(crate) struct PanelProduct<'a> {
    pub left: &'a [f32],
    pub layout: LeftLayout,
    pub rows: usize,
    pub k: usize,
    /// One panel: `[k][PANEL]`.
    pub right: &'a [f32],
    /// One panel: `[rows][PANEL]`.
    pub result: &'a mut [f32],
    /// Whether the product is added to the result or takes its place.
    pub accumulate: bool,
    pub prefetch: Prefetch,
}

/// What a product prefetches while it computes, as loads alone would wait for the outer caches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prefetch {
    /// Distance in floats from each element of the left-hand matrix to one of the next product's.
    pub next_left: Option<usize>,
    /// Distance in floats from the right-hand matrix to the next product's.
    pub next_right: Option<isize>,
    /// Whether to prefetch the result, because it is not in an inner cache.
    pub result: bool,
}

impl Kernel for PanelProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { left, layout, rows, k, right, result, accumulate, prefetch } = self;
        if rows == 0 || k == 0 {
            if !accumulate {
                result[..rows * PANEL].fill(0.0);
            }
            return;
        }
        assert!(k.is_multiple_of(layout.chunk), "{k} is not a multiple of {}", layout.chunk);
        assert!(left.len() >= layout.extent(rows, k));
        assert!(right.len() >= k * PANEL && result.len() >= rows * PANEL);
        let mut row = 0;
        while row < rows {
            // SAFETY: `row < rows`, and by the assertions above the slices cover all rows, all of `k`
            // and all columns of a panel; `result` is borrowed mutably, so nothing else writes it.
            unsafe {
                let block = Block {
                    left: left.as_ptr().add(row * layout.row_stride),
                    layout,
                    chunks: k / layout.chunk,
                    right: right.as_ptr(),
                    result: result.as_mut_ptr().add(row * PANEL),
                    accumulate,
                    prefetch,
                    rounds: row / S::ROWS * (PANEL / (2 * S::LANES)),
                };
                row += block.multiply(simd, rows - row);
            }
        }
    }
}

/// Rows of a panel product that fit the registers.
struct Block {
    left: *const f32,
    layout: LeftLayout,
    chunks: usize,
    right: *const f32,
    result: *mut f32,
    accumulate: bool,
    prefetch: Prefetch,
    /// How often the right-hand matrix was gone through before.
    rounds: usize,
}

impl Block {
    /// Multiplies as many rows as the registers take, at most `rows`; returns how many.
    ///
    /// # Safety
    /// `left` and `right` must be readable, `result` readable and writable, for `rows` ≥ 1 rows of
    /// the product.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, simd: S, rows: usize) -> usize {
        // SAFETY: the caller promises `rows` rows; no arm takes more.
        unsafe {
            match rows.min(S::ROWS) {
                12.. => self.multiply_rows::<S, 12>(simd),
                8.. => self.multiply_rows::<S, 8>(simd),
                6.. => self.multiply_rows::<S, 6>(simd),
                4.. => self.multiply_rows::<S, 4>(simd),
                2.. => self.multiply_rows::<S, 2>(simd),
                _ => self.multiply_rows::<S, 1>(simd),
            }
        }
    }

    /// # Safety
    /// As for [`Block::multiply`], with `ROWS` rows.
    #[inline(always)]
    unsafe fn multiply_rows<S: Simd, const ROWS: usize>(&self, simd: S) -> usize {
        for column in (0..PANEL).step_by(2 * S::LANES) {
            // SAFETY: the caller promises `ROWS` rows; `column + 2 · LANES <= PANEL`, as a panel is a
            // multiple of two vectors.
            unsafe { self.multiply_tile::<S, ROWS>(simd, column) }
        }
        ROWS
    }

    /// The first line of the next right-hand matrix to prefetch during a round, and the floats from
    /// one to the next: each round fetches a line for every row, until all have been.
    #[inline(always)]
    fn next_right(&self, round: usize) -> (*const f32, usize) {
        match self.prefetch.next_right {
            Some(next) if round < PANEL / LINE => {
                let k = self.chunks * self.layout.chunk;
                (self.right.wrapping_offset(next).wrapping_add(round * k * LINE), LINE)
            }
            _ => (self.right, 0),
        }
    }

    /// # Safety
    /// As for [`Block::multiply`], with `ROWS` rows, and `column + 2 · LANES <= PANEL`.
    #[inline(always)]
    unsafe fn multiply_tile<S: Simd, const ROWS: usize>(&self, simd: S, column: usize) {
        // SAFETY: loads and stores are in the rows, columns and `k` that the caller promises. What
        // the loop leaves in `left` and `right` may be out of bounds and is not read.
        unsafe {
            let zero = simd.splat(0.0);
            let mut sums = [[zero; 2]; ROWS];
            let mut right = self.right.add(column);
            let (mut next_right, line) = self.next_right(self.rounds + column / (2 * S::LANES));
            if self.prefetch.result {
                for row in 0..ROWS {
                    for lane in (0..2 * S::LANES).step_by(LINE) {
                        simd.prefetch(self.result.wrapping_add(row * PANEL + column + lane));
                    }
                }
            }
            for chunk in 0..self.chunks {
                let mut left = self.left.add(chunk * self.layout.chunk_stride);
                if let Some(next) = self.prefetch.next_left
                    && column == 0
                {
                    for row in 0..ROWS {
                        let next = left.wrapping_add(next + row * self.layout.row_stride);
                        simd.prefetch_to_second_level(next);
                        simd.prefetch_to_second_level(next.wrapping_add(LINE));
                    }
                }
                for _ in 0..self.layout.chunk {
                    simd.prefetch_to_second_level(next_right);
                    next_right = next_right.wrapping_add(line);
                    let r0 = simd.load(right);
                    let r1 = simd.load(right.add(S::LANES));
                    for (row, sum) in sums.iter_mut().enumerate() {
                        let l = simd.splat(*left.add(row * self.layout.row_stride));
                        sum[0] = simd.mul_add(l, r0, sum[0]);
                        sum[1] = simd.mul_add(l, r1, sum[1]);
                    }
                    left = left.wrapping_add(self.layout.k_stride);
                    right = right.wrapping_add(PANEL);
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                for (half, &value) in sum.iter().enumerate() {
                    let target = self.result.add(row * PANEL + column + half * S::LANES);
                    let value =
                        if self.accumulate { simd.add(value, simd.load(target)) } else { value };
                    simd.store(target, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{config, noise};
    use crate::simd::SimdToken;
    use proptest::prelude::*;

    /// What lies where in the left-hand matrix.
    #[derive(Clone, Copy, Debug)]
    enum Left {
        Rows,
        TransposedRows,
        Panels { width: usize },
        TransposedPanel,
    }

    impl Left {
        /// The layout of `rows` × `k` elements, and the place of element (row, k) in memory.
        fn layout(self, rows: usize, k: usize) -> (LeftLayout, Box<dyn Fn(usize, usize) -> usize>) {
            match self {
                Self::Rows => (LeftLayout::rows(k), Box::new(move |row, at| row * k + at)),
                Self::TransposedRows => {
                    (LeftLayout::transposed_rows(rows, k), Box::new(move |row, at| at * rows + row))
                }
                Self::Panels { width } => (
                    LeftLayout::panels(rows, width),
                    Box::new(move |row, at| (at / width * rows + row) * width + at % width),
                ),
                Self::TransposedPanel => {
                    (LeftLayout::transposed_panel(k), Box::new(|row, at| at * PANEL + row))
                }
            }
        }
    }

    /// A layout with rows and k that it can have.
    fn left() -> impl Strategy<Value = (Left, usize, usize)> {
        prop_oneof![
            (0..=50usize, 0..=70usize).prop_map(|(rows, k)| (Left::Rows, rows, k)),
            (0..=50usize, 0..=70usize).prop_map(|(rows, k)| (Left::TransposedRows, rows, k)),
            (0..=50usize, 1..=PANEL, 0..=4usize).prop_map(|(rows, width, panels)| {
                (Left::Panels { width }, rows, width * panels)
            }),
            (0..=PANEL, 0..=70usize).prop_map(|(rows, k)| (Left::TransposedPanel, rows, k)),
        ]
    }

    fn prefetch() -> impl Strategy<Value = Prefetch> {
        let next_left = prop::option::of(0..1000usize);
        let next_right = prop::option::of(-1000..1000isize);
        (next_left, next_right, any::<bool>())
            .prop_map(|(next_left, next_right, result)| Prefetch { next_left, next_right, result })
    }

    proptest! {
        #![proptest_config(config(400))]

        #[test]
        fn panel_products_agree_with_their_definition(
            (left, rows, k) in left(),
            accumulate in any::<bool>(),
            prefetch in prefetch().no_shrink(),
        ) {
            let (layout, place) = left.layout(rows, k);
            let elements = (0..rows).flat_map(|row| (0..k).map(move |at| (row, at)));
            let len = elements.map(|(row, at)| place(row, at) + 1).max().unwrap_or(0);
            // No float more than the product needs.
            let (left, right) = (noise(len, 1), noise(k * PANEL, 2));
            let before = noise((rows + 2) * PANEL, 3);
            for token in SimdToken::available() {
                let mut result = before.clone();
                let product = PanelProduct {
                    left: &left,
                    layout,
                    rows,
                    k,
                    right: &right,
                    result: &mut result,
                    accumulate,
                    prefetch,
                };
                token.run(product);
                for (i, (&got, &before)) in result.iter().zip(&before).enumerate() {
                    let (row, column) = (i / PANEL, i % PANEL);
                    if row >= rows {
                        prop_assert_eq!(got, before, "row {} is beyond the product", row);
                        continue;
                    }
                    let term = |at| {
                        f64::from(left[place(row, at)]) * f64::from(right[at * PANEL + column])
                    };
                    let sum: f64 = (0..k).map(term).sum();
                    let expected = sum + if accumulate { f64::from(before) } else { 0.0 };
                    let error = (f64::from(got) - expected).abs();
                    let set = token.instruction_set();
                    prop_assert!(error < 1e-5, "({row}, {column}) on {set} is off by {error:.1e}");
                }
            }
        }
    }
}
