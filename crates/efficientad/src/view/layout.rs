//! The windows on one size of photos.

use super::View;
use crate::anomaly_map::MAP_BORDER;
use crate::network::InputSize;
use crate::random::Random;
use efficientad_images::{RgbImage, crop_at, resize_bilinear};
use efficientad_kernels::Taps;
use std::borrow::Cow;

/// Pixels of the input that a cell of the maps stands for, along each axis. The patch description
/// networks see the same at every multiple of it.
const CELL: usize = 4;
/// ImageNet's mean colour, which the networks read as (almost) zero: it stands where a window
/// reaches beyond the photo, and in place of everything outside the region.
const FILL: [u8; 3] = [124, 116, 104];

/// Where the networks look at photos of one size, and how their maps become one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    photo: (u32, u32),
    canvas: (u32, u32),
    input: InputSize,
    rows: Axis,
    columns: Axis,
    /// Which cells have features and, if there is a region, bear on a pixel inside it.
    counted: Vec<bool>,
    /// Which pixels of the photo are inside the region, if there is one.
    inside: Option<Vec<bool>>,
}

/// What the networks see at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    row: Start,
    column: Start,
}

/// Where a window starts along an axis: a multiple of [`CELL`] pixels of the canvas, below 0 if it
/// is padded before the canvas.
type Start = i64;

/// One of the canvas' axes.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    /// Cells of the canvas.
    cells: usize,
    /// Pixels of a window.
    window: usize,
    strips: Vec<Strip>,
}

/// The windows' places along an axis.
#[derive(Clone, Debug, PartialEq)]
struct Strip {
    start: Start,
    /// Weight of each of the window's features in the canvas' map; over all strips they sum to 1 in
    /// every cell that has features.
    weights: Vec<f32>,
}

impl Layout {
    pub(super) fn new(
        input: InputSize,
        view: View,
        photo: (u32, u32),
        inside: Option<Vec<bool>>,
    ) -> Self {
        let canvas = canvas(input, view, photo);
        let overlap = match view {
            View::Stretch | View::Letterbox => 0,
            View::Tiles { size, overlap } => overlap as usize * input.width() / size as usize,
        };
        let mut layout = Self {
            photo,
            canvas,
            input,
            rows: Axis::new(canvas.1 as usize, input.height(), overlap),
            columns: Axis::new(canvas.0 as usize, input.width(), overlap),
            counted: Vec::new(),
            inside,
        };
        layout.counted = layout.count();
        layout
    }

    fn count(&self) -> Vec<bool> {
        let (rows, columns) = (self.rows.has_features(), self.columns.has_features());
        let mut counted: Vec<bool> =
            rows.iter().flat_map(|&row| columns.iter().map(move |&column| row && column)).collect();
        if let Some(inside) = &self.inside {
            let bears = self.cells_of(inside);
            counted.iter_mut().zip(bears).for_each(|(counted, bears)| *counted &= bears);
        }
        counted
    }

    /// The cells that the map's value at any of some pixels is made of.
    fn cells_of(&self, inside: &[bool]) -> Vec<bool> {
        let [rows, columns] = self.taps();
        let width = self.columns.cells;
        let mut cells = vec![false; self.rows.cells * width];
        let mut line = vec![false; width];
        for (row, inside) in rows.iter().zip(inside.chunks_exact(columns.len())) {
            line.fill(false);
            for (column, _) in columns.iter().zip(inside).filter(|&(_, &inside)| inside) {
                line[column.low] = true;
                line[column.high] = true;
            }
            for row in [row.low, row.high] {
                let cells = &mut cells[row * width..][..width];
                cells.iter_mut().zip(&line).for_each(|(cell, &is)| *cell |= is);
            }
        }
        cells
    }

    /// Width and height of the photo, in pixels.
    pub(crate) fn photo(&self) -> (u32, u32) {
        self.photo
    }

    /// Rows and columns of the canvas' grid of cells.
    pub(crate) fn grid(&self) -> (usize, usize) {
        (self.rows.cells, self.columns.cells)
    }

    /// Which cells of the grid count.
    pub(crate) fn counted(&self) -> &[bool] {
        &self.counted
    }

    /// Which pixels of the photo are inside the region, if there is one.
    pub(crate) fn inside(&self) -> Option<&[bool]> {
        self.inside.as_deref()
    }

    /// The cells that each row and each column of the photo's map is made of.
    pub(crate) fn taps(&self) -> [Vec<Taps>; 2] {
        [
            self.rows.taps(self.canvas.1, self.photo.1),
            self.columns.taps(self.canvas.0, self.photo.0),
        ]
    }

    /// The windows that together see every cell that counts.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let window = |row: &Strip| {
            let row = row.start;
            self.columns.strips.iter().map(move |column| Window { row, column: column.start })
        };
        let all = self.rows.strips.iter().flat_map(window);
        all.filter(|&window| self.counted_in(window).contains(&true)).collect()
    }

    /// A window around a cell that counts, all of them equally likely, moved to fit the canvas.
    pub(crate) fn random_window(&self, mut random: Random) -> Window {
        let count = self.counted.iter().filter(|&&counted| counted).count();
        let chosen = random.below(count);
        let mut places = (0..self.counted.len()).filter(|&cell| self.counted[cell]);
        let cell = places.nth(chosen).unwrap_or_default();
        Window {
            row: self.rows.around(cell / self.columns.cells),
            column: self.columns.around(cell % self.columns.cells),
        }
    }

    /// The window that shows the whole canvas, if there is one.
    pub(crate) fn only_window(&self) -> Option<Window> {
        let ([row], [column]) = (&self.rows.strips[..], &self.columns.strips[..]) else {
            return None;
        };
        Some(Window { row: row.start, column: column.start })
    }

    /// Which of a window's features count.
    pub(crate) fn counted_in(&self, window: Window) -> Vec<bool> {
        let (height, width) = self.input.feature_size();
        let mut counted = vec![false; height * width];
        for (row, canvas_row) in self.rows.cells_in(window.row) {
            for (column, canvas_column) in self.columns.cells_in(window.column) {
                counted[row * width + column] =
                    self.counted[canvas_row * self.columns.cells + canvas_column];
            }
        }
        counted
    }

    /// Adds a map of a window's features to a map of the grid, by the window's weights. The windows
    /// of [`Layout::windows`] make up a whole map, if it begins as zeros.
    pub(crate) fn blend(&self, window: Window, features: &[f32], map: &mut [f32]) {
        let width = self.input.feature_size().1;
        let (rows, columns) = (self.rows.weights(window.row), self.columns.weights(window.column));
        for (row, canvas_row) in self.rows.cells_in(window.row) {
            for (column, canvas_column) in self.columns.cells_in(window.column) {
                map[canvas_row * self.columns.cells + canvas_column] +=
                    rows[row] * columns[column] * features[row * width + column];
            }
        }
    }

    /// The photo with everything outside the region replaced.
    pub(crate) fn masked<'a>(&self, photo: &'a RgbImage) -> Cow<'a, RgbImage> {
        let Some(inside) = &self.inside else {
            return Cow::Borrowed(photo);
        };
        let mut masked = photo.clone();
        for (pixel, _) in masked.pixels_mut().zip(inside).filter(|&(_, &inside)| !inside) {
            pixel.0 = FILL;
        }
        Cow::Owned(masked)
    }

    /// The photo, scaled to the canvas.
    pub(crate) fn canvas<'a>(&self, photo: &'a RgbImage) -> Cow<'a, RgbImage> {
        if self.canvas == self.photo {
            return Cow::Borrowed(photo);
        }
        Cow::Owned(resize_bilinear(photo, self.canvas.0, self.canvas.1))
    }

    /// What a window shows of the canvas, without padding.
    pub(crate) fn cut(&self, canvas: &RgbImage, window: Window) -> RgbImage {
        let start = [window.column, window.row].map(|start| start.max(0) as u32);
        let size = (self.input.width() as u32, self.input.height() as u32);
        crop_at(canvas, start.into(), size)
    }

    /// What a window shows, padded to the input.
    pub(crate) fn padded(&self, part: RgbImage, window: Window) -> RgbImage {
        let (width, height) = (self.input.width() as u32, self.input.height() as u32);
        if part.dimensions() == (width, height) {
            return part;
        }
        let mut input = RgbImage::from_pixel(width, height, FILL.into());
        let [left, top] = [window.column, window.row].map(|start| (-start).max(0) as usize);
        let rows = part.chunks_exact(3 * part.width() as usize);
        for (target, row) in input.chunks_exact_mut(3 * width as usize).skip(top).zip(rows) {
            target[3 * left..][..row.len()].copy_from_slice(row);
        }
        input
    }
}

/// Width and height that a photo is scaled to.
fn canvas(input: InputSize, view: View, (width, height): (u32, u32)) -> (u32, u32) {
    let (input_width, input_height) = (input.width() as u32, input.height() as u32);
    let scale = match view {
        View::Stretch => return (input_width, input_height),
        View::Letterbox => {
            let [across, down] = [(input_width, width), (input_height, height)]
                .map(|(input, photo)| f64::from(input) / f64::from(photo));
            across.min(down)
        }
        View::Tiles { size, .. } => f64::from(input_width) / f64::from(size),
    };
    let side = |side: u32| (f64::from(side) * scale).round().max(1.0) as u32;
    (side(width), side(height))
}

impl Axis {
    /// Windows on `extent` pixels of the canvas: one in the middle of it if they fit, otherwise
    /// some that overlap by at least `overlap` pixels, the last one moved to fit.
    fn new(extent: usize, window: usize, overlap: usize) -> Self {
        let starts: Vec<Start> = match extent.checked_sub(window + 1) {
            None => vec![-((window - extent) as Start / 2 / CELL as Start * CELL as Start)],
            Some(_) => {
                let last = (extent - window) / CELL * CELL;
                let step = (window - overlap) / CELL * CELL;
                (0..last).step_by(step).chain([last]).map(|start| start as Start).collect()
            }
        };
        let mut axis = Self { cells: (extent / CELL).max(1), window, strips: Vec::new() };
        let ramp = (overlap / CELL).saturating_sub(2 * MAP_BORDER).max(1);
        let last = starts.len() - 1;
        let mut weights: Vec<Vec<f32>> =
            (0..starts.len()).map(|i| ramps(axis.features(), ramp, [i > 0, i < last])).collect();
        let mut sums = vec![0.0; axis.cells];
        for (&start, weights) in starts.iter().zip(&weights) {
            axis.cells_in(start).for_each(|(feature, cell)| sums[cell] += weights[feature]);
        }
        for (&start, weights) in starts.iter().zip(&mut weights) {
            axis.cells_in(start).for_each(|(feature, cell)| weights[feature] /= sums[cell]);
        }
        let strips = starts.into_iter().zip(weights);
        axis.strips = strips.map(|(start, weights)| Strip { start, weights }).collect();
        axis
    }

    /// Features of a window along this axis.
    fn features(&self) -> usize {
        self.window / CELL - 2 * MAP_BORDER
    }

    /// A window's features with the cells of the canvas where they stand.
    fn cells_in(&self, start: Start) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (cells, first) = (self.cells as i64, start / CELL as i64 + MAP_BORDER as i64);
        let cell = move |feature: usize| feature as i64 + first;
        (0..self.features())
            .filter(move |&feature| (0..cells).contains(&cell(feature)))
            .map(move |feature| (feature, cell(feature) as usize))
    }

    fn has_features(&self) -> Vec<bool> {
        let mut has = vec![false; self.cells];
        for strip in &self.strips {
            self.cells_in(strip.start).for_each(|(_, cell)| has[cell] = true);
        }
        has
    }

    fn weights(&self, start: Start) -> &[f32] {
        let strip = self.strips.iter().find(|strip| strip.start == start);
        strip.map_or(&[], |strip| &strip.weights)
    }

    /// Where a window around a cell starts, moved to fit the canvas.
    fn around(&self, cell: usize) -> Start {
        let start = (cell * CELL) as Start - (self.window / 2 / CELL * CELL) as Start;
        let [first, last] = [0, self.strips.len() - 1].map(|i| self.strips[i].start);
        start.clamp(first, last)
    }

    /// The cells that each of `photo` pixels takes its value from, bilinearly.
    fn taps(&self, canvas: u32, photo: u32) -> Vec<Taps> {
        let scale = canvas as f32 / CELL as f32 / photo as f32;
        let end = self.cells - 1;
        (0..photo)
            .map(|i| {
                let at = ((i as f32 + 0.5) * scale - 0.5).clamp(0.0, end as f32);
                let low = at as usize;
                Taps { low, high: (low + 1).min(end), fraction: at - low as f32 }
            })
            .collect()
    }
}

/// Weights that rise smoothly over the first and fall over the last `ramp` features where another
/// window goes on, as the half of a cosine's wave would.
fn ramps(features: usize, ramp: usize, [rises, falls]: [bool; 2]) -> Vec<f32> {
    let smooth = |distance: usize| {
        let t = ((distance as f32 + 0.5) / ramp as f32).min(1.0);
        t * t * (3.0 - 2.0 * t)
    };
    let rise = |i: usize| if rises { smooth(i) } else { 1.0 };
    let fall = |i: usize| if falls { smooth(features - 1 - i) } else { 1.0 };
    (0..features).map(|i| rise(i) * fall(i)).collect()
}
