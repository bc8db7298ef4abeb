//! The windows on one size of photos.

use super::View;
use crate::anomaly_map::MAP_BORDER;
use crate::network::InputSize;
use crate::random::Random;
use efficientad_images::{RgbImage, resize_bilinear};
use efficientad_kernels::Taps;
use std::borrow::Cow;

/// Pixels of the input that a cell of the maps stands for, along each axis. The patch description
/// networks see the same at every multiple of it.
const CELL: usize = 4;
/// ImageNet's mean colour, which the networks read as (almost) zero: it stands around letterboxed
/// photos, and in place of everything outside the region.
const FILL: [u8; 3] = [124, 116, 104];

/// Where the networks look at photos of one size, and how their maps become one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    photo: (u32, u32),
    canvas: (u32, u32),
    beyond: Beyond,
    input: InputSize,
    rows: Axis,
    columns: Axis,
    /// Which cells have features and, if there is a region, bear on a pixel inside it.
    counted: Vec<bool>,
    /// Which pixels of the photo are inside the region, if there is one.
    inside: Option<Vec<bool>>,
}

/// What windows show beyond the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beyond {
    Fill,
    Mirror,
}

/// What the networks see at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    row: Start,
    column: Start,
}

/// Where a window starts along an axis: a multiple of [`CELL`] pixels of the canvas, below 0 if it
/// begins before the canvas.
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
        let (beyond, overlap) = match view {
            View::Stretch | View::Letterbox => (Beyond::Fill, 0),
            View::Tiles { size, overlap } => {
                (Beyond::Mirror, overlap as usize * input.width() / size as usize)
            }
        };
        let mut layout = Self {
            photo,
            canvas,
            beyond,
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

    /// What a window shows: the canvas, and what stands beyond it.
    pub(crate) fn show(&self, canvas: &RgbImage, window: Window) -> RgbImage {
        let [columns, rows] = [(window.column, canvas.width()), (window.row, canvas.height())];
        let (width, height) = (self.input.width() as u32, self.input.height() as u32);
        let columns: Vec<Option<u32>> = self.pixels(columns, width).collect();
        let mut input = RgbImage::from_pixel(width, height, FILL.into());
        for (row, y) in input.rows_mut().zip(self.pixels(rows, height)) {
            for (pixel, x) in row.zip(&columns) {
                if let (Some(x), Some(y)) = (*x, y) {
                    *pixel = *canvas.get_pixel(x, y);
                }
            }
        }
        input
    }

    /// The canvas' pixels that `count` pixels of a window show along an axis.
    fn pixels(
        &self,
        (start, extent): (Start, u32),
        count: u32,
    ) -> impl Iterator<Item = Option<u32>> + use<> {
        let (extent, beyond) = (i64::from(extent), self.beyond);
        (start..start + i64::from(count)).map(move |at| match beyond {
            _ if (0..extent).contains(&at) => Some(at as u32),
            Beyond::Fill => None,
            Beyond::Mirror => {
                let at = at.rem_euclid(2 * extent);
                Some(at.min(2 * extent - 1 - at) as u32)
            }
        })
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
    /// Windows on `extent` pixels of the canvas that reach half of `overlap` beyond it, as far as a
    /// window counts among its neighbours: one in the middle of it if they fit, otherwise some that
    /// overlap by at least `overlap` pixels, the last one moved to fit.
    fn new(extent: usize, window: usize, overlap: usize) -> Self {
        let before = overlap / 2 / CELL * CELL;
        let starts: Vec<Start> = match (extent + 2 * before).checked_sub(window + 1) {
            None => vec![-((window - extent) as Start / 2 / CELL as Start * CELL as Start)],
            Some(_) => {
                let last = (extent + 2 * before - window) / CELL * CELL;
                let step = (window - overlap) / CELL * CELL;
                let starts = (0..last).step_by(step).chain([last]);
                starts.map(|start| start as Start - before as Start).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;
    use crate::view::Framing;
    use efficientad_images::RegionOfInterest;

    fn layout(view: View, photo: (u32, u32)) -> Layout {
        Layout::new(InputSize::default(), view, photo, None)
    }

    fn tiles(photo: (u32, u32)) -> Layout {
        layout(View::Tiles { size: 256, overlap: 64 }, photo)
    }

    fn starts(axis: &Axis) -> Vec<Start> {
        axis.strips.iter().map(|strip| strip.start).collect()
    }

    /// The sum over all windows of maps that are 1 in all features.
    fn blended_ones(layout: &Layout) -> Vec<f32> {
        let mut map = vec![0.0; layout.counted.len()];
        for window in layout.windows() {
            layout.blend(window, &[1.0; 56 * 56], &mut map);
        }
        map
    }

    #[test]
    fn tiles_cover_the_photo_and_the_last_is_moved_to_fit() {
        let layout = tiles((601, 190));
        assert_eq!(starts(&layout.columns), [-32, 160, 352, 376]);
        assert_eq!(starts(&layout.rows), [-32]);
        assert_eq!(layout.grid(), (47, 150));
        assert!(layout.counted().iter().all(|&counted| counted), "up to the photo's edges");
        assert!(blended_ones(&layout).iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    }

    #[test]
    fn an_edge_lies_as_deep_in_a_tile_as_where_two_tiles_count_alike() {
        let layout = tiles((601, 601));
        let (first, second) = (&layout.columns.strips[0], &layout.columns.strips[1]);
        let edge = (-first.start) as usize / CELL - MAP_BORDER;
        let half = second.weights[edge - 1] + second.weights[edge];
        assert!((half - 1.0).abs() < 1e-6, "{half}");
        assert_eq!(first.weights[edge], 1.0);
    }

    #[test]
    fn many_tiles_start_where_the_networks_see_the_same() {
        for (side, size, overlap) in
            [(2048, 512, 80), (1000, 300, 61), (513, 512, 200), (4001, 256, 41)]
        {
            let view = View::Tiles { size, overlap };
            let layout = layout(view, (side, side));
            let canvas = i64::from(layout.canvas.0);
            let starts = starts(&layout.rows);
            assert!(starts.iter().all(|start| start % 4 == 0), "{starts:?}");
            let overlap = i64::from(overlap) * 256 / i64::from(size);
            let beyond = starts.last().unwrap() + 256 - canvas;
            assert!(-starts[0] > overlap / 2 - 4, "{starts:?}");
            assert!(beyond > overlap / 2 - 8, "{starts:?} of {canvas}");
            assert!(starts.windows(2).all(|pair| pair[0] + 256 - pair[1] >= overlap));
            assert!(
                blended_ones(&layout).iter().all(|&sum| sum == 0.0 || (sum - 1.0).abs() < 1e-5)
            );
        }
    }

    #[test]
    fn weights_change_smoothly_from_tile_to_tile() {
        let layout = tiles((1024, 190));
        let mut map = vec![0.0; layout.counted.len()];
        for (i, window) in layout.windows().into_iter().enumerate() {
            layout.blend(window, &[i as f32; 56 * 56], &mut map);
        }
        let row = &map[30 * 256..31 * 256];
        assert_eq!((row[0], *row.last().unwrap()), (0.0, 5.0));
        assert!(row.windows(2).all(|pair| (0.0..0.25).contains(&(pair[1] - pair[0]))), "{row:?}");
    }

    #[test]
    fn a_photo_smaller_than_a_tile_is_mirrored_around() {
        let layout = tiles((100, 50));
        let window = layout.only_window().unwrap();
        assert_eq!((window.column, window.row), (-76, -100));
        let photo = RgbImage::from_fn(100, 50, |x, y| [x as u8, y as u8, 0].into());
        let input = layout.show(&layout.canvas(&photo), window);
        assert_eq!(input.dimensions(), (256, 256));
        let shown = |x: u32, y: u32| [input.get_pixel(x, y)[0], input.get_pixel(x, y)[1]];
        assert_eq!([shown(76, 100), shown(175, 149)], [[0, 0], [99, 49]]);
        assert_eq!([shown(75, 99), shown(176, 150)], [[0, 0], [99, 49]], "the edge comes twice");
        assert_eq!([shown(0, 51), shown(255, 199)], [[75, 48], [20, 0]]);
        assert_eq!([shown(76, 49), shown(76, 0)], [[0, 49], [0, 0]], "and over again");
        assert!(layout.counted().iter().all(|&counted| counted), "all of the photo has features");
    }

    #[test]
    fn a_letterboxed_photo_is_padded_around() {
        let layout = layout(View::Letterbox, (200, 100));
        let window = layout.only_window().unwrap();
        assert_eq!((window.column, window.row), (0, -64));
        let photo = RgbImage::from_pixel(200, 100, [9; 3].into());
        let input = layout.show(&layout.canvas(&photo), window);
        for (x, y, pixel) in input.enumerate_pixels() {
            let shows = (64..192).contains(&y);
            assert_eq!(pixel.0, if shows { [9; 3] } else { FILL }, "{x}, {y}");
        }
    }

    #[test]
    fn the_longer_side_of_a_letterbox_fills_the_input() {
        for (photo, canvas, grid) in [
            ((640, 480), (256, 192), (48, 64)),
            ((480, 640), (192, 256), (64, 48)),
            ((1000, 3), (256, 1), (1, 64)),
            ((100, 90), (256, 230), (57, 64)),
        ] {
            let layout = layout(View::Letterbox, photo);
            assert_eq!((layout.canvas, layout.grid()), (canvas, grid), "{photo:?}");
            assert!(layout.only_window().is_some());
        }
    }

    /// The photo's pixel with the largest value, when one feature of one window is 1.
    fn peak(layout: &Layout, window: Window, row: usize, column: usize) -> (usize, usize) {
        let mut features = vec![0.0; 56 * 56];
        features[row * 56 + column] = 1.0;
        let mut cells = vec![0.0; layout.counted.len()];
        layout.blend(window, &features, &mut cells);
        let [down, across] = layout.taps();
        let largest = |taps: &[Taps], cell: usize| {
            let weight = |tap: &Taps| {
                if tap.low == cell {
                    1.0 - tap.fraction
                } else if tap.high == cell {
                    tap.fraction
                } else {
                    0.0
                }
            };
            (0..taps.len()).max_by(|&a, &b| weight(&taps[a]).total_cmp(&weight(&taps[b]))).unwrap()
        };
        let cell = cells.iter().position(|&value| value > 0.0).unwrap();
        (largest(&down, cell / layout.grid().1), largest(&across, cell % layout.grid().1))
    }

    #[test]
    fn maps_stand_where_windows_look() {
        // A feature stands for the 4 pixels of the input at 16 and four times its number.
        let padded = layout(View::Letterbox, (640, 480));
        let (y, x) = peak(&padded, padded.only_window().unwrap(), 20, 10);
        // Rows 96 to 99 of the input are 64 to 67 of the canvas, which is 2.5 times smaller.
        assert!((160..170).contains(&y) && (140..150).contains(&x), "{y}, {x}");
        let tiled = tiles((601, 400));
        let (y, x) = peak(&tiled, Window { row: 160, column: 160 }, 20, 10);
        assert!((256..260).contains(&y) && (216..220).contains(&x), "{y}, {x}");
    }

    #[test]
    fn random_windows_look_everywhere_that_tiles_do() {
        let layout = tiles((601, 190));
        let starts: Vec<Start> = (0..300)
            .map(|step| layout.random_window(Random::new(0, Purpose::Window, step)).column)
            .collect();
        assert!(starts.iter().all(|start| start % 4 == 0 && (-32..=376).contains(start)));
        // Around a sixth of the cells at either end the window has to be moved.
        for end in [-32, 376] {
            let count = starts.iter().filter(|&&start| start == end).count();
            assert!((30..90).contains(&count), "{count} of 300 start at {end}");
        }
    }

    #[test]
    fn random_windows_look_at_the_region() {
        let inside: Vec<bool> = (0..1024 * 512).map(|i| i % 1024 > 900 && i < 1024 * 100).collect();
        let region = RegionOfInterest::new(1024, 512, inside).unwrap();
        let view = View::Tiles { size: 256, overlap: 64 };
        let framing = Framing::new(InputSize::default(), view, Some(region)).unwrap();
        let layout = framing.layout((1024, 512)).unwrap();
        let windows = [736, 800].map(|column| Window { row: -32, column });
        assert_eq!(layout.windows(), windows, "others are left out");
        for step in 0..50 {
            let window = layout.random_window(Random::new(0, Purpose::Window, step));
            assert!(layout.counted_in(window).contains(&true), "{window:?}");
        }
    }

    #[test]
    fn cells_count_that_values_inside_the_region_are_made_of() {
        let mut inside = vec![false; 256 * 256];
        inside[101 * 256 + 70] = true;
        let layout = Layout::new(InputSize::default(), View::Stretch, (256, 256), Some(inside));
        let counted: Vec<usize> = (0..64 * 64).filter(|&cell| layout.counted[cell]).collect();
        // Pixel (70, 101) lies between the middles of columns 17 and 18, rows 24 and 25.
        assert_eq!(counted, [24 * 64 + 17, 24 * 64 + 18, 25 * 64 + 17, 25 * 64 + 18]);
    }
}
