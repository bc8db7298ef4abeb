//! From feature differences to one anomaly map and an image score (paper, section 3.4).

use crate::calibration::Quantiles;
use crate::network::TEACHER_CHANNELS;
use efficientad_kernels::{Cpu, bilinear_taps};

/// Cells that the networks lose at each border: the map of locations is padded by as many zeros on
/// every side, to a quarter of the input, before it is resized (paper, section 3.4).
pub const MAP_BORDER: usize = 4;

/// Squared differences of features, averaged over channels: one number per location.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DifferenceMaps {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Teacher against the student's first half: unusual patches.
    pub student_teacher: Vec<f32>,
    /// Autoencoder against the student's second half: unusual wholes.
    pub student_autoencoder: Vec<f32>,
}

impl DifferenceMaps {
    /// Compares the features of one image: teacher and autoencoder have 384 channels a location,
    /// the student twice as many.
    pub(crate) fn compare(
        cpu: &Cpu,
        (height, width): (usize, usize),
        teacher: &[f32],
        student: &[f32],
        autoencoder: &[f32],
    ) -> Self {
        let against = |features: &[f32], half: usize| {
            let mut map = vec![0.0; height * width];
            cpu.for_each_chunk(&mut map, width, |row, map| {
                for (x, value) in map.iter_mut().enumerate() {
                    let location = row * width + x;
                    let features = &features[location * TEACHER_CHANNELS..][..TEACHER_CHANNELS];
                    let student =
                        &student[(2 * location + half) * TEACHER_CHANNELS..][..TEACHER_CHANNELS];
                    *value = mean_square_difference(features, student);
                }
            });
            map
        };
        Self {
            height,
            width,
            student_teacher: against(teacher, 0),
            student_autoencoder: against(autoencoder, 1),
        }
    }

    /// Normalises both maps by the quantiles and averages them.
    pub(crate) fn combine(&self, quantiles: &Quantiles) -> Vec<f32> {
        let maps = self.student_teacher.iter().zip(&self.student_autoencoder);
        maps.map(|(&st, &ae)| {
            0.5 * quantiles.student_teacher.normalize(st)
                + 0.5 * quantiles.student_autoencoder.normalize(ae)
        })
        .collect()
    }
}

/// Mean of (a − b)² over channels, summed in lanes so that it vectorises.
fn mean_square_difference(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum::<f32>() / a.len() as f32
}

/// The anomaly map of one image, at the image's own size.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Anomaly values, row by row: around 0 on what is usual in good images, 0.1 at the 0.995
    /// quantile of the validation images; no upper bound.
    pub values: Vec<f32>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Map {
    /// Pads a map of locations by zeros and resizes it to the image's size, bilinearly.
    pub(crate) fn from_locations(
        cpu: &Cpu,
        locations: &[f32],
        columns: usize,
        (width, height): (u32, u32),
    ) -> Self {
        let padded = pad(locations, columns);
        let (padded_width, padded_height) =
            (columns + 2 * MAP_BORDER, locations.len() / columns + 2 * MAP_BORDER);
        let across = bilinear_taps(padded_width, width as usize);
        let down = bilinear_taps(padded_height, height as usize);
        let mut stretched = vec![0.0; padded_height * width as usize];
        cpu.for_each_chunk(&mut stretched, width as usize, |row, target| {
            let source = &padded[row * padded_width..][..padded_width];
            for (value, tap) in target.iter_mut().zip(&across) {
                *value = mix(source[tap.low], source[tap.high], tap.fraction);
            }
        });
        let mut values = vec![0.0; height as usize * width as usize];
        cpu.for_each_chunk(&mut values, width as usize, |row, target| {
            let line = |row: usize| &stretched[row * width as usize..][..width as usize];
            let (low, high) = (line(down[row].low), line(down[row].high));
            for ((value, &low), &high) in target.iter_mut().zip(low).zip(high) {
                *value = mix(low, high, down[row].fraction);
            }
        });
        Self { values, width, height }
    }

    /// The largest anomaly value: the image score.
    pub fn max(&self) -> f32 {
        self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

fn mix(low: f32, high: f32, fraction: f32) -> f32 {
    (1.0 - fraction) * low + fraction * high
}

fn pad(locations: &[f32], columns: usize) -> Vec<f32> {
    let width = columns + 2 * MAP_BORDER;
    let mut padded = vec![0.0; MAP_BORDER * width];
    for row in locations.chunks_exact(columns) {
        padded.extend([0.0; MAP_BORDER]);
        padded.extend_from_slice(row);
        padded.extend([0.0; MAP_BORDER]);
    }
    padded.resize(padded.len() + MAP_BORDER * width, 0.0);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_kernels::InstructionSet;

    fn cpu() -> Cpu {
        Cpu::new(2, InstructionSet::best()).unwrap()
    }

    #[test]
    fn the_map_stands_where_the_input_was() {
        let mut locations = vec![0.0; 56 * 56];
        locations[10 * 56 + 20] = 1.0;
        let map = Map::from_locations(&cpu(), &locations, 56, (512, 256));
        let largest =
            (0..map.values.len()).max_by(|&a, &b| map.values[a].total_cmp(&map.values[b]));
        let (x, y) = (largest.unwrap() % 512, largest.unwrap() / 512);
        // Cell 20 + 4 of 64 covers columns 192 to 199 of 512; row 10 + 4 covers 56 to 59 of 256.
        assert!((192..200).contains(&x) && (56..60).contains(&y), "{x}, {y}");
        assert!(map.max() > 0.7 && map.max() <= 1.0);
    }

    #[test]
    fn borders_are_zero_and_a_constant_stays() {
        let map = Map::from_locations(&cpu(), &[3.0; 56 * 72], 72, (80, 64));
        assert_eq!((map.width, map.height), (80, 64));
        assert_eq!(map.values[0], 0.0);
        assert_eq!(map.values[32 * 80 + 40], 3.0);
    }

    #[test]
    fn an_image_smaller_than_the_map_works() {
        let map = Map::from_locations(&cpu(), &[1.0; 56 * 56], 56, (1, 1));
        assert_eq!(map.values, [1.0]);
    }
}
