//! From feature differences to one anomaly map and an image score (paper, section 3.4).

use crate::calibration::Quantiles;
use crate::smoothing::smooth;
use crate::view::{Layout, Window};
use efficientad_engine::{DifferenceMaps, Taps, Threads};
use std::sync::Arc;

/// Rows of a map that a thread makes at once.
const BAND: usize = 32;

/// The difference maps of a whole photo, put together on its layout's grid of cells.
#[derive(Clone, Debug)]
pub(crate) struct PhotoMaps {
    layout: Arc<Layout>,
    student_teacher: Vec<f32>,
    student_autoencoder: Vec<f32>,
    /// The student–autoencoder map smoothed, if that is to be shown instead.
    smoothed: Option<Vec<f32>>,
}

impl PhotoMaps {
    /// To be filled window by window.
    pub(crate) fn new(layout: Arc<Layout>, smooths_autoencoder: bool) -> Self {
        let zeros = vec![0.0; layout.counted().len()];
        Self {
            student_teacher: zeros.clone(),
            smoothed: smooths_autoencoder.then(|| zeros.clone()),
            student_autoencoder: zeros,
            layout,
        }
    }

    /// Of given values, one for each cell.
    #[cfg(test)]
    pub(crate) fn of_cells(
        layout: Arc<Layout>,
        student_teacher: Vec<f32>,
        student_autoencoder: Vec<f32>,
    ) -> Self {
        assert_eq!([student_teacher.len(), student_autoencoder.len()], [layout.counted().len(); 2]);
        Self { layout, student_teacher, student_autoencoder, smoothed: None }
    }

    /// Adds what one window shows.
    pub(crate) fn add(&mut self, window: Window, maps: &DifferenceMaps) {
        self.layout.blend(window, &maps.student_teacher, &mut self.student_teacher);
        self.layout.blend(window, &maps.student_autoencoder, &mut self.student_autoencoder);
        if let Some(smoothed) = &mut self.smoothed {
            let mut of_window = maps.student_autoencoder.clone();
            smooth(&mut of_window, maps.width);
            self.layout.blend(window, &of_window, smoothed);
        }
    }

    /// The values that count of the student–teacher and of the student–autoencoder map, which is not smoothed: its
    /// quantiles are those of single cells.
    pub(crate) fn counted(&self) -> [impl Iterator<Item = f32>; 2] {
        [&self.student_teacher, &self.student_autoencoder].map(|map| {
            let cells = map.iter().zip(self.layout.counted());
            cells.filter(|&(_, &counted)| counted).map(|(&value, _)| value)
        })
    }

    /// Normalises both maps by the quantiles and averages them; zero where no value counts.
    pub(crate) fn combine(&self, quantiles: &Quantiles) -> Vec<f32> {
        let student_autoencoder = self.smoothed.as_ref().unwrap_or(&self.student_autoencoder);
        let maps = self.student_teacher.iter().zip(student_autoencoder);
        maps.zip(self.layout.counted())
            .map(|((&st, &ae), &counted)| {
                let value = 0.5 * quantiles.student_teacher.normalize(st)
                    + 0.5 * quantiles.student_autoencoder.normalize(ae);
                if counted { value } else { 0.0 }
            })
            .collect()
    }

    /// The combined map, resized to the photo.
    pub(crate) fn anomaly_map(&self, threads: &Threads, quantiles: &Quantiles) -> AnomalyMap {
        let mut cells = self.combine(quantiles);
        self.layout.fill_border(&mut cells);
        AnomalyMap::from_cells(threads, &cells, &self.layout)
    }
}

/// The anomaly map of one image, at the image's own size.
#[derive(Clone, Debug, PartialEq)]
pub struct AnomalyMap {
    /// Anomaly values, row by row: around 0 on what is usual in good images, 0.1 at the 0.995
    /// quantile of the validation images; no upper bound.
    pub values: Vec<f32>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl AnomalyMap {
    /// Resizes a map of a layout's cells to the photo, bilinearly, and clears what lies outside the
    /// region.
    pub(crate) fn from_cells(threads: &Threads, cells: &[f32], layout: &Layout) -> Self {
        let (width, height) = layout.photo();
        let [down, across] = layout.taps();
        let line_length = width as usize;
        let mut values = vec![0.0; height as usize * line_length];
        threads.for_each_chunk(&mut values, BAND * line_length, |band, target| {
            let mut stretched = StretchedRows::new(cells, layout.grid().1, &across);
            let lines = target.chunks_exact_mut(line_length);
            for (line, tap) in lines.zip(&down[band * BAND..]) {
                let (low, high) = stretched.pair(tap.low, tap.high);
                for ((value, &low), &high) in line.iter_mut().zip(low).zip(high) {
                    *value = mix(low, high, tap.fraction);
                }
            }
        });
        if let Some(inside) = layout.inside() {
            let pixels = values.iter_mut().zip(inside);
            pixels.filter(|&(_, &inside)| !inside).for_each(|(value, _)| *value = 0.0);
        }
        Self { values, width, height }
    }

    /// The largest anomaly value: the image score.
    pub fn max(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Rows of the grid, stretched to the photo's width: the two that a row of the map is mixed of. All
/// of them at once would be a multiple of a long and low photo.
struct StretchedRows<'a> {
    cells: &'a [f32],
    columns: usize,
    across: &'a [Taps],
    /// The last two, with their numbers.
    rows: [(usize, Vec<f32>); 2],
}

impl<'a> StretchedRows<'a> {
    fn new(cells: &'a [f32], columns: usize, across: &'a [Taps]) -> Self {
        let none = || (usize::MAX, vec![0.0; across.len()]);
        Self { cells, columns, across, rows: [none(), none()] }
    }

    fn pair(&mut self, low: usize, high: usize) -> (&[f32], &[f32]) {
        if self.rows[1].0 == low {
            self.rows.swap(0, 1);
        }
        for ((number, row), wanted) in self.rows.iter_mut().zip([low, high]) {
            if *number != wanted {
                *number = wanted;
                let source = &self.cells[wanted * self.columns..][..self.columns];
                for (value, tap) in row.iter_mut().zip(self.across) {
                    *value = mix(source[tap.low], source[tap.high], tap.fraction);
                }
            }
        }
        (&self.rows[0].1, &self.rows[1].1)
    }
}

fn mix(low: f32, high: f32, fraction: f32) -> f32 {
    (1.0 - fraction) * low + fraction * high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::MapQuantiles;
    use crate::smoothing::{SMOOTHING_REACH, smoothing_weights};
    use crate::view::Framing;
    use efficientad_engine::InputSize;

    fn layout(photo: (u32, u32)) -> Layout {
        Framing::stretched(InputSize::default()).layout(photo).unwrap()
    }

    /// The map of a stretched photo whose features differ so.
    fn map(features: impl Fn(usize, usize) -> f32, photo: (u32, u32)) -> AnomalyMap {
        let layout = layout(photo);
        let features: Vec<f32> = (0..56 * 56).map(|i| features(i / 56, i % 56)).collect();
        let mut cells = vec![0.0; 64 * 64];
        layout.blend(layout.windows()[0], &features, &mut cells);
        AnomalyMap::from_cells(&Threads::new(2).unwrap(), &cells, &layout)
    }

    #[test]
    fn the_map_stands_where_the_input_was() {
        let map = map(|row, column| f32::from(row == 10 && column == 20), (512, 256));
        let largest =
            (0..map.values.len()).max_by(|&a, &b| map.values[a].total_cmp(&map.values[b]));
        let (x, y) = (largest.unwrap() % 512, largest.unwrap() / 512);
        // Cell 20 + 4 of 64 covers columns 192 to 199 of 512; row 10 + 4 covers 56 to 59 of 256.
        assert!((192..200).contains(&x) && (56..60).contains(&y), "{x}, {y}");
        assert!(map.max() > 0.7 && map.max() <= 1.0);
    }

    #[test]
    fn the_autoencoders_half_is_smoothed_and_its_quantiles_are_not() {
        let layout = Arc::new(layout((256, 256)));
        let mut student_autoencoder = vec![0.0; 56 * 56];
        student_autoencoder[30 * 56 + 30] = 1.0;
        let differences = DifferenceMaps {
            height: 56,
            width: 56,
            student_teacher: vec![0.0; 56 * 56],
            student_autoencoder,
        };
        let as_it_is = MapQuantiles { lower: 0.0, upper: 0.1 };
        let quantiles = Quantiles { student_teacher: as_it_is, student_autoencoder: as_it_is };
        let [plain, smoothed] = [false, true].map(|smooths| {
            let mut maps = PhotoMaps::new(Arc::clone(&layout), smooths);
            maps.add(layout.windows()[0], &differences);
            let counted: Vec<f32> = maps.counted().into_iter().flatten().collect();
            (maps.combine(&quantiles)[34 * 64 + 34], counted)
        });
        let middle = smoothing_weights()[SMOOTHING_REACH];
        assert!((plain.0 - 0.5).abs() < 1e-6, "{}", plain.0);
        assert!((smoothed.0 - 0.5 * middle * middle).abs() < 1e-6, "{}", smoothed.0);
        assert_eq!(plain.1, smoothed.1);
    }

    #[test]
    fn borders_are_zero_and_a_constant_stays() {
        let map = map(|_, _| 3.0, (80, 64));
        assert_eq!((map.width, map.height), (80, 64));
        assert_eq!(map.values[0], 0.0);
        assert_eq!(map.values[32 * 80 + 40], 3.0);
    }

    #[test]
    fn an_image_smaller_than_the_map_works() {
        assert_eq!(map(|_, _| 1.0, (1, 1)).values, [1.0]);
    }

    /// The whole grid stretched in one piece.
    fn in_one_piece(cells: &[f32], layout: &Layout) -> Vec<f32> {
        let (columns, [down, across]) = (layout.grid().1, layout.taps());
        let at = |row: usize, tap: &Taps| {
            let row = &cells[row * columns..][..columns];
            mix(row[tap.low], row[tap.high], tap.fraction)
        };
        let pixels = down.iter().flat_map(|row| across.iter().map(move |column| (row, column)));
        pixels.map(|(row, tap)| mix(at(row.low, tap), at(row.high, tap), row.fraction)).collect()
    }

    #[test]
    fn bands_and_threads_change_no_bit_of_a_map() {
        let cells: Vec<f32> = (0..64 * 64).map(|i| ((i * 7919) % 101) as f32 / 10.0).collect();
        for photo in [(65_535, 1), (1, 65_535), (80, 31), (300, 200), (40, 33), (3, 64)] {
            let layout = layout(photo);
            let expected = in_one_piece(&cells, &layout);
            for threads in [1, 2] {
                let map = AnomalyMap::from_cells(&Threads::new(threads).unwrap(), &cells, &layout);
                assert!(map.values == expected, "{photo:?}, {threads} threads");
            }
        }
    }
}
