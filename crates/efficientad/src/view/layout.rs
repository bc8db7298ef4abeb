//! The windows on one size of photos.

use super::{MAP_BORDER, MapBorder, View};
use efficientad_engine::{InputSize, Random, Taps};
use efficientad_images::{RgbImage, crop_at, resize_bilinear};
use std::borrow::Cow;

/// Pixels of the input that a cell of the maps stands for, along each axis. The patch description
/// networks see the same at every multiple of it.
pub(super) const CELL: usize = 4;
/// ImageNet's mean colour, which the networks read as (almost) zero: it stands where a window
/// reaches beyond the photo, and in place of everything outside the region.
const FILL: [u8; 3] = [124, 116, 104];

/// Where the networks look at photos of one size, and how their maps become one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    photo: (u32, u32),
    canvas: (u32, u32),
    input: InputSize,
    border: MapBorder,
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
        border: MapBorder,
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
            border,
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

    /// The cells whose features the map's value at any of some pixels is made of.
    fn cells_of(&self, inside: &[bool]) -> Vec<bool> {
        let [rows, columns] = self.taps();
        let [row_of, column_of] = self.shown();
        let width = self.columns.cells;
        let mut cells = vec![false; self.rows.cells * width];
        let mut line = vec![false; width];
        for (row, inside) in rows.iter().zip(inside.chunks_exact(columns.len())) {
            line.fill(false);
            for (column, _) in columns.iter().zip(inside).filter(|&(_, &inside)| inside) {
                line[column_of[column.low]] = true;
                line[column_of[column.high]] = true;
            }
            for row in [row.low, row.high].map(|row| row_of[row]) {
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

    /// The row and the column whose features each row and each column of the grid shows something of.
    fn shown(&self) -> [Vec<usize>; 2] {
        [&self.rows, &self.columns].map(|axis| match self.border {
            MapBorder::Zero => (0..axis.cells).collect(),
            MapBorder::Halfway => axis.nearest_with_features(),
        })
    }

    /// Fills the cells of a map that have no features.
    pub(crate) fn fill_border(&self, map: &mut [f32]) {
        let [row_of, column_of] = self.shown();
        let width = self.columns.cells;
        for (row, &nearest_row) in row_of.iter().enumerate() {
            for (column, &nearest_column) in column_of.iter().enumerate() {
                if (row, column) != (nearest_row, nearest_column) {
                    let nearest = map[nearest_row * width + nearest_column];
                    map[row * width + column] = self.border.beyond(nearest);
                }
            }
        }
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

    /// The photo as windows look at it: masked, and scaled to the canvas.
    pub(crate) fn canvas_of<'a>(&self, photo: &'a RgbImage) -> Cow<'a, RgbImage> {
        match self.masked(photo) {
            Cow::Borrowed(photo) => self.canvas(photo),
            Cow::Owned(masked) => Cow::Owned(self.canvas(&masked).into_owned()),
        }
    }

    /// What a window shows of the canvas, of the networks' input size.
    pub(crate) fn input(&self, canvas: &RgbImage, window: Window) -> RgbImage {
        self.padded(self.cut(canvas, window), window)
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
pub(super) fn canvas(input: InputSize, view: View, (width, height): (u32, u32)) -> (u32, u32) {
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
        let last = self.cells - 1;
        (0..photo)
            .map(|i| {
                let at = ((i as f32 + 0.5) * scale - 0.5).clamp(0.0, last as f32);
                let low = at as usize;
                Taps { low, high: (low + 1).min(last), fraction: at - low as f32 }
            })
            .collect()
    }

    /// The nearest cell that has features, of each cell.
    fn nearest_with_features(&self) -> Vec<usize> {
        let has = self.has_features();
        let first = has.iter().position(|&has| has).unwrap_or(0);
        let last = has.iter().rposition(|&has| has).unwrap_or(first);
        (0..self.cells).map(|cell| cell.clamp(first, last)).collect()
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
    use crate::view::Framing;
    use efficientad_engine::Purpose;
    use efficientad_images::RegionOfInterest;

    fn layout(view: View, photo: (u32, u32)) -> Layout {
        Layout::new(InputSize::default(), view, MapBorder::Zero, photo, None)
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
        let layout = tiles((601, 256));
        assert_eq!(starts(&layout.columns), [0, 192, 344]);
        assert_eq!(starts(&layout.rows), [0]);
        assert_eq!(layout.grid(), (64, 150));
        for (map, counted) in blended_ones(&layout).iter().zip(layout.counted()) {
            assert!((map - f32::from(*counted)).abs() < 1e-6, "weights sum to 1: {map}");
        }
        let lost = layout.counted().iter().filter(|&&counted| !counted).count();
        assert_eq!(lost, 64 * 150 - 56 * 142, "four cells at each border have no features");
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
            assert!(canvas - (starts.last().unwrap() + 256) < 4, "{starts:?} of {canvas}");
            let overlap = i64::from(overlap) * 256 / i64::from(size);
            assert!(starts.windows(2).all(|pair| pair[0] + 256 - pair[1] >= overlap));
            assert!(
                blended_ones(&layout).iter().all(|&sum| sum == 0.0 || (sum - 1.0).abs() < 1e-5)
            );
        }
    }

    #[test]
    fn weights_change_smoothly_from_tile_to_tile() {
        let layout = tiles((1024, 256));
        let mut map = vec![0.0; layout.counted.len()];
        for (i, window) in layout.windows().into_iter().enumerate() {
            layout.blend(window, &[i as f32; 56 * 56], &mut map);
        }
        let row = &map[30 * 256 + 4..31 * 256 - 4];
        assert_eq!((row[0], *row.last().unwrap()), (0.0, 4.0));
        assert!(row.windows(2).all(|pair| (0.0..0.25).contains(&(pair[1] - pair[0]))), "{row:?}");
    }

    #[test]
    fn a_photo_smaller_than_a_tile_is_padded_around() {
        let layout = tiles((200, 100));
        let window = layout.only_window().unwrap();
        assert_eq!((window.column, window.row), (-28, -76));
        let photo = RgbImage::from_pixel(200, 100, [9; 3].into());
        let input = layout.padded(layout.cut(&layout.canvas(&photo), window), window);
        assert_eq!(input.dimensions(), (256, 256));
        for (x, y, pixel) in input.enumerate_pixels() {
            let shows = (28..228).contains(&x) && (76..176).contains(&y);
            assert_eq!(pixel.0, if shows { [9; 3] } else { FILL }, "{x}, {y}");
        }
        assert!(layout.counted().iter().all(|&counted| counted), "all of the photo has features");
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
        let (y, x) = peak(&tiled, Window { row: 144, column: 192 }, 20, 10);
        assert!((240..244).contains(&y) && (248..252).contains(&x), "{y}, {x}");
    }

    #[test]
    fn random_windows_look_everywhere_and_never_beyond() {
        let layout = tiles((601, 256));
        let starts: Vec<Start> = (0..300)
            .map(|step| layout.random_window(Random::new(0, Purpose::Window, step)).column)
            .collect();
        assert!(starts.iter().all(|start| start % 4 == 0 && (0..=344).contains(start)));
        // Around a third of the cells the window has to be moved, to either end.
        for end in [0, 344] {
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
        assert_eq!(layout.windows(), [Window { row: 0, column: 768 }], "others are left out");
        for step in 0..50 {
            let window = layout.random_window(Random::new(0, Purpose::Window, step));
            assert!(layout.counted_in(window).contains(&true), "{window:?}");
        }
    }

    #[test]
    fn cells_count_that_values_inside_the_region_are_made_of() {
        let counted = |border: MapBorder, (x, y): (usize, usize)| {
            let mut inside = vec![false; 256 * 256];
            inside[y * 256 + x] = true;
            let (input, photo) = (InputSize::default(), (256, 256));
            let layout = Layout::new(input, View::Stretch, border, photo, Some(inside));
            (0..64 * 64).filter(|&cell| layout.counted[cell]).collect::<Vec<_>>()
        };
        for border in [MapBorder::Zero, MapBorder::Halfway] {
            // Pixel (70, 101) lies between the middles of columns 17 and 18, rows 24 and 25.
            let expected = [24 * 64 + 17, 24 * 64 + 18, 25 * 64 + 17, 25 * 64 + 18];
            assert_eq!(counted(border, (70, 101)), expected);
        }
        // At the left edge there are none; the nearest are those of column 4.
        assert!(counted(MapBorder::Zero, (2, 101)).is_empty());
        assert_eq!(counted(MapBorder::Halfway, (2, 101)), [24 * 64 + 4, 25 * 64 + 4]);
    }
}
