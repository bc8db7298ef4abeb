//! How the student–autoencoder map is smoothed.
//!
//! The autoencoder passes a photo through 64 numbers and can't draw what is small: a glint of a few pixels, on
//! good parts too, differs between it and the student as much as a defect does. What is small is the
//! student–teacher map's to show; the autoencoder is for what is large, and of that a little smoothing takes
//! nothing away.

/// Cells on either side that a value is made of.
pub const SMOOTHING_REACH: usize = 4;

/// Weights of the cells around a value along an axis: a Gaussian with a standard deviation of one cell, of sum 1.
pub fn smoothing_weights() -> [f32; 2 * SMOOTHING_REACH + 1] {
    let gaussian = |at: usize| (-0.5 * (at as f64 - SMOOTHING_REACH as f64).powi(2)).exp();
    let values: [f64; 2 * SMOOTHING_REACH + 1] = std::array::from_fn(gaussian);
    let sum: f64 = values.iter().sum();
    values.map(|value| (value / sum) as f32)
}

/// Smooths a map of so many columns; beyond its edges it goes on as it is there.
pub(crate) fn smooth(map: &mut [f32], columns: usize) {
    let weights = smoothing_weights();
    let mean = |length: usize, at: usize, value: &dyn Fn(usize) -> f32| -> f32 {
        let cell = |tap: usize| (at + tap).saturating_sub(SMOOTHING_REACH).min(length - 1);
        weights.iter().enumerate().map(|(tap, weight)| weight * value(cell(tap))).sum()
    };
    let rows = map.len() / columns;
    let across: Vec<f32> = (0..map.len())
        .map(|cell| {
            let row = &map[cell / columns * columns..][..columns];
            mean(columns, cell % columns, &|column| row[column])
        })
        .collect();
    for (cell, value) in map.iter_mut().enumerate() {
        *value = mean(rows, cell / columns, &|row| across[row * columns + cell % columns]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy.ndimage.gaussian_filter(map, 1, mode="nearest") 1.16.
    #[test]
    fn maps_are_smoothed_as_by_scipy() {
        let mut map = vec![0.0; 12 * 11];
        (map[5 * 11 + 4], map[0], map[11 * 11 + 7]) = (1.0, 1.0, 2.0);
        smooth(&mut map, 11);
        for (row, column, expected) in [
            (5, 4, 0.1591559),
            (5, 5, 0.0965329),
            (4, 5, 0.0585502),
            (0, 0, 0.4892607),
            (1, 0, 0.210_211),
            (11, 7, 0.5580994),
            (10, 8, 0.1454385),
            (11, 10, 0.0061999),
            (8, 4, 0.0018085),
        ] {
            let value: f32 = map[row * 11 + column];
            assert!((value - expected).abs() < 1e-6, "{row}, {column}: {value}, not {expected}");
        }
    }

    #[test]
    fn a_constant_stays() {
        let mut map = vec![3.0; 7 * 3];
        smooth(&mut map, 3);
        assert!(map.iter().all(|value| (value - 3.0_f32).abs() < 1e-6), "{map:?}");
    }
}
