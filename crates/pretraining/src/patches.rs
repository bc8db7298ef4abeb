//! The backbone's maps as patch features of 384 numbers (paper, appendix).
//!
//! By definition each location's 3×3 neighbourhood is unfolded (zeros outside) into channels × 9
//! numbers, channel by channel, and these are adaptively averaged to 1024; the coarser layer's are
//! resized to the finer grid; both are concatenated and adaptively averaged to 384. All of that is
//! linear. As 384 halves evenly, each output belongs to one layer, and is a sum over some neighbouring
//! channels' taps with fixed weights: it is computed so, on the layer's own grid, and resized after
//! that.

use std::collections::BTreeMap;
use std::ops::Range;

use efficientad::{TARGET_SIDE, TEACHER_CHANNELS};
use efficientad_kernels::bilinear_taps;

/// Rows and columns of the finer layer: stride 8 of 512 pixels.
pub(crate) const FINE_SIDE: usize = 64;
/// Rows and columns of the coarser layer: stride 16 of 512 pixels.
pub(crate) const COARSE_SIDE: usize = 32;
/// Numbers that each layer's patches are averaged to first.
const PATCH: usize = 1024;
/// Outputs that come from each layer.
const OUTPUTS: usize = TEACHER_CHANNELS / 2;
/// Rows, and columns, between the finer layer's border and the target.
const MARGIN: usize = (FINE_SIDE - TARGET_SIDE) / 2;

/// Makes targets of a backbone's two layers.
#[derive(Clone, Debug)]
pub struct PatchFeatures {
    fine: Layer,
    coarse: Layer,
}

impl PatchFeatures {
    /// For layers with so many channels.
    pub fn new(fine_channels: usize, coarse_channels: usize) -> Self {
        Self {
            fine: Layer::new(fine_channels, FINE_SIDE),
            coarse: Layer::new(coarse_channels, COARSE_SIDE),
        }
    }

    /// The target of a photo: 56 × 56 locations × 384 channels, not normalised. `fine` is
    /// channels × 64 × 64, `coarse` channels × 32 × 32.
    ///
    /// # Panics
    /// When lengths don't fit.
    pub fn target(&self, fine: &[f32], coarse: &[f32]) -> Vec<f32> {
        let mut target = vec![0.0; TARGET_SIDE * TARGET_SIDE * TEACHER_CHANNELS];
        let mut map = vec![0.0; FINE_SIDE * FINE_SIDE];
        for output in 0..OUTPUTS {
            self.fine.write_output(output, fine, &mut map);
            for (place, row) in target.chunks_exact_mut(TARGET_SIDE * TEACHER_CHANNELS).enumerate()
            {
                let source = &map[(MARGIN + place) * FINE_SIDE + MARGIN..][..TARGET_SIDE];
                scatter(row, output, source.iter().copied());
            }
        }
        let taps = &bilinear_taps(COARSE_SIDE, FINE_SIDE)[MARGIN..MARGIN + TARGET_SIDE];
        let map = &mut map[..COARSE_SIDE * COARSE_SIDE];
        let mut mixed = [0.0; COARSE_SIDE];
        for output in 0..OUTPUTS {
            self.coarse.write_output(output, coarse, map);
            for (tap, row) in
                taps.iter().zip(target.chunks_exact_mut(TARGET_SIDE * TEACHER_CHANNELS))
            {
                let line = |y: usize| &map[y * COARSE_SIDE..][..COARSE_SIDE];
                for ((mixed, low), high) in mixed.iter_mut().zip(line(tap.low)).zip(line(tap.high))
                {
                    *mixed = (1.0 - tap.fraction) * low + tap.fraction * high;
                }
                let resized = taps
                    .iter()
                    .map(|x| (1.0 - x.fraction) * mixed[x.low] + x.fraction * mixed[x.high]);
                scatter(row, OUTPUTS + output, resized);
            }
        }
        target
    }
}

/// Writes a channel of a row of locations.
fn scatter(row: &mut [f32], channel: usize, values: impl Iterator<Item = f32>) {
    for (location, value) in row.chunks_exact_mut(TEACHER_CHANNELS).zip(values) {
        location[channel] = value;
    }
}

/// A neighbour's part in an output.
#[derive(Clone, Copy, Debug)]
struct Tap {
    channel: usize,
    /// Rows and columns from the location to the neighbour, plus 1.
    row: usize,
    column: usize,
    weight: f32,
}

/// A layer's outputs as weighted sums.
#[derive(Clone, Debug)]
struct Layer {
    channels: usize,
    side: usize,
    outputs: Vec<Vec<Tap>>,
}

impl Layer {
    fn new(channels: usize, side: usize) -> Self {
        let numbers = adaptive_bins(9 * channels, PATCH);
        let outputs = adaptive_bins(PATCH, OUTPUTS).into_iter().map(|averaged| {
            let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
            let outer = 1.0 / averaged.len() as f64;
            for bin in &numbers[averaged] {
                let weight = outer / bin.len() as f64;
                bin.clone().for_each(|number| *weights.entry(number).or_default() += weight);
            }
            let tap = |(number, weight): (usize, f64)| Tap {
                channel: number / 9,
                row: number % 9 / 3,
                column: number % 3,
                weight: weight as f32,
            };
            weights.into_iter().map(tap).collect()
        });
        Self { channels, side, outputs: outputs.collect() }
    }

    /// Writes one output's map, side × side.
    fn write_output(&self, output: usize, maps: &[f32], target: &mut [f32]) {
        let side = self.side;
        assert_eq!((maps.len(), target.len()), (self.channels * side * side, side * side));
        target.fill(0.0);
        for tap in &self.outputs[output] {
            let map = &maps[tap.channel * side * side..][..side * side];
            let (to, from) = overlap(side, tap.column);
            let (rows_to, rows_from) = overlap(side, tap.row);
            for (y, source) in rows_to.zip(rows_from) {
                let target = &mut target[y * side..][to.clone()];
                let source = &map[source * side..][from.clone()];
                target.iter_mut().zip(source).for_each(|(sum, v)| *sum += tap.weight * v);
            }
        }
    }
}

/// The indices that have a neighbour `offset` − 1 further, and those neighbours.
fn overlap(side: usize, offset: usize) -> (Range<usize>, Range<usize>) {
    match offset {
        0 => (1..side, 0..side - 1),
        1 => (0..side, 0..side),
        _ => (0..side - 1, 1..side),
    }
}

/// What each of `to` averages is over, as PyTorch's `adaptive_avg_pool1d` cuts `from` numbers.
fn adaptive_bins(from: usize, to: usize) -> Vec<Range<usize>> {
    (0..to).map(|i| i * from / to..((i + 1) * from).div_ceil(to)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_cut_as_pytorch_does() {
        assert_eq!(adaptive_bins(10, 4), [0..3, 2..5, 5..8, 7..10]);
        assert_eq!(adaptive_bins(3, 5), [0..1, 0..2, 1..2, 1..3, 2..3]);
    }

    #[test]
    fn weights_of_every_output_sum_to_one() {
        for channels in [40, 112, 512, 1024] {
            let layer = Layer::new(channels, COARSE_SIDE);
            assert_eq!(layer.outputs.len(), OUTPUTS);
            for taps in &layer.outputs {
                let sum: f32 = taps.iter().map(|tap| tap.weight).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            }
        }
    }
}
