//! Muon: an optimiser whose updates of a weight matrix have nearly orthonormal columns.

use crate::adam::NEGLIGIBLE_MEAN;
use crate::cpu::Cpu;
use crate::gemm::{LeftLayout, PANEL, PanelProduct, Prefetch};
use crate::simd::SimdToken;

/// The constants of one update.
///
/// Source, also of the polynomial: K. Jordan and others, *Muon: An optimizer for hidden layers in
/// neural networks*, 2024.
#[derive(Clone, Copy, Debug)]
pub struct Muon {
    /// Learning rate: about the singular values of an update.
    pub learning_rate: f32,
    /// Decay of the mean of gradients.
    pub momentum: f32,
}

impl Muon {
    /// The odd polynomial `a·x + b·x³ + c·x⁵` that, applied over and over, brings every singular
    /// value near 1, the faster the smaller it is.
    pub const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
    /// How often the polynomial is applied: singular values above a hundredth of the largest end up
    /// between 0.7 and 1.2.
    pub const ROUNDS: usize = 5;

    /// Updates a matrix of `columns` columns, which are not more than its rows, and the mean of its
    /// gradients by the newest gradient.
    ///
    /// # Panics
    /// When lengths differ, or `columns` is no multiple of 32.
    pub fn update(
        &self,
        cpu: &Cpu,
        columns: usize,
        parameters: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
    ) {
        assert_eq!((gradient.len(), mean.len()), (parameters.len(), parameters.len()));
        assert!(columns.is_multiple_of(PANEL) && parameters.len().is_multiple_of(columns));
        let towards = |from: f32, to: f32| from + (1.0 - self.momentum) * (to - from);
        for (mean, g) in mean.iter_mut().zip(gradient) {
            let now = towards(*mean, *g);
            *mean = if now.abs() < NEGLIGIBLE_MEAN { 0.0 } else { now };
        }
        // Nesterov's momentum: the mean as it would be if the same gradient came once more.
        let ahead: Vec<f32> = mean.iter().zip(gradient).map(|(m, g)| towards(*m, *g)).collect();
        let Some(direction) = orthogonalized(cpu.simd(), &ahead, columns) else {
            return;
        };
        for (panel, direction) in direction.chunks(parameters.len() / columns * PANEL).enumerate() {
            let rows = parameters.chunks_mut(columns).map(|row| &mut row[panel * PANEL..][..PANEL]);
            for (row, direction) in rows.zip(direction.chunks(PANEL)) {
                row.iter_mut().zip(direction).for_each(|(p, d)| *p -= self.learning_rate * d);
            }
        }
    }
}

/// A matrix with the singular vectors of `matrix`, whose singular values are near 1, in panels;
/// `None` if the squared norm of `matrix` is zero, subnormal, infinite or NaN.
///
/// The polynomial acts on the matrix X as X·P, where P is a polynomial of XᵀX: so it is enough to
/// compute with matrices of `columns` × `columns`, which are symmetric and commute.
fn orthogonalized(simd: SimdToken, matrix: &[f32], columns: usize) -> Option<Vec<f32>> {
    let rows = matrix.len() / columns;
    let square = |left: &[f32], right: &[f32]| {
        product(simd, left, LeftLayout::panels(columns, PANEL), [columns; 3], right)
    };
    let shape = [columns, rows, columns];
    let left = LeftLayout::transposed_rows(columns, rows);
    let mut gram = product(simd, matrix, left, shape, &in_panels(matrix, columns));
    let trace: f32 = (0..columns).map(|i| gram[diagonal(columns, i)]).sum();
    if !trace.is_normal() {
        return None;
    }
    gram.iter_mut().for_each(|value| *value /= trace);
    let [a, b, c] = Muon::COEFFICIENTS;
    let polynomial = |gram: &[f32]| {
        let squared = square(gram, gram);
        let mut values: Vec<f32> = gram.iter().zip(&squared).map(|(g, s)| b * g + c * s).collect();
        (0..columns).for_each(|i| values[diagonal(columns, i)] += a);
        values
    };
    let mut applied = polynomial(&gram);
    let mut factor = applied.clone();
    for _ in 1..Muon::ROUNDS {
        gram = square(&applied, &square(&gram, &applied));
        applied = polynomial(&gram);
        factor = square(&factor, &applied);
    }
    factor.iter_mut().for_each(|value| *value /= trace.sqrt());
    let shape = [rows, columns, columns];
    Some(product(simd, matrix, LeftLayout::rows(columns), shape, &factor))
}

/// Where the element (i, i) of a square matrix in panels lies.
fn diagonal(columns: usize, i: usize) -> usize {
    (i / PANEL * columns + i) * PANEL + i % PANEL
}

fn in_panels(matrix: &[f32], columns: usize) -> Vec<f32> {
    let panel = |start| matrix.chunks(columns).flat_map(move |row| &row[start..start + PANEL]);
    (0..columns).step_by(PANEL).flat_map(panel).copied().collect()
}

/// `rows` × `k` times `k` × `columns`; the right-hand matrix and the product are in panels.
fn product(
    simd: SimdToken,
    left: &[f32],
    layout: LeftLayout,
    [rows, k, columns]: [usize; 3],
    right: &[f32],
) -> Vec<f32> {
    let mut result = vec![0.0; rows * columns];
    for (right, result) in right.chunks(k * PANEL).zip(result.chunks_mut(rows * PANEL)) {
        let prefetch = Prefetch::default();
        simd.run(PanelProduct {
            left,
            layout,
            rows,
            k,
            right,
            result,
            accumulate: false,
            prefetch,
        });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::InstructionSet;

    /// Numbers of either sign, the columns of very different size and not independent.
    fn matrix(rows: usize, columns: usize, seed: usize) -> Vec<f32> {
        let noise = |i: usize| ((i + seed) as f32 * 12.9898).sin() * 43_758.547 % 1.0;
        let value = |i: usize| {
            let (row, column) = (i / columns, i % columns);
            noise(i) / (1 + column) as f32 + 0.2 * noise(row * 7919)
        };
        (0..rows * columns).map(value).collect()
    }

    /// The definition: X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X in f64, from X of norm 1.
    fn plainly_orthogonalized(matrix: &[f32], columns: usize) -> Vec<f64> {
        let rows = matrix.len() / columns;
        let norm = matrix.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let mut x: Vec<f64> = matrix.iter().map(|&v| f64::from(v) / norm).collect();
        let [a, b, c] = Muon::COEFFICIENTS.map(f64::from);
        let gram_times = |x: &[f64], y: &[f64]| -> Vec<f64> {
            let dot = |i: usize, j: usize| -> f64 {
                (0..columns).map(|k| x[i * columns + k] * x[j * columns + k]).sum()
            };
            let gram: Vec<f64> = (0..rows * rows).map(|at| dot(at / rows, at % rows)).collect();
            let entry = |i: usize, j: usize| -> f64 {
                (0..rows).map(|k| gram[i * rows + k] * y[k * columns + j]).sum()
            };
            (0..rows * columns).map(|at| entry(at / columns, at % columns)).collect()
        };
        for _ in 0..Muon::ROUNDS {
            let once = gram_times(&x, &x);
            let twice = gram_times(&x, &once);
            let sums = x.iter().zip(&once).zip(&twice);
            x = sums.map(|((x, once), twice)| a * x + b * once + c * twice).collect();
        }
        x
    }

    #[test]
    fn two_updates_are_those_of_the_definition() {
        for set in InstructionSet::available() {
            let cpu = Cpu::new(1, set).expect("an available instruction set");
            for (rows, columns) in [(48, 32), (100, 64)] {
                let [start, first, second] = [0, 100, 200].map(|seed| matrix(rows, columns, seed));
                let muon = Muon { learning_rate: 0.5, momentum: 0.9 };
                let (mut parameters, mut mean) = (start.clone(), vec![0.0; start.len()]);
                muon.update(&cpu, columns, &mut parameters, &first, &mut mean);
                muon.update(&cpu, columns, &mut parameters, &second, &mut mean);

                // Means 0.1·f and 0.09·f + 0.1·s, and a tenth further towards the newest.
                let ahead = |f: f32, s: f32| 0.9 * (0.09 * f + 0.1 * s) + 0.1 * s;
                let last: Vec<f32> =
                    first.iter().zip(&second).map(|(f, s)| ahead(*f, *s)).collect();
                let directions = [&first, &last].map(|m| plainly_orthogonalized(m, columns));
                for i in 0..start.len() {
                    let moved = f64::from(start[i]) - f64::from(parameters[i]);
                    let expected = 0.5 * (directions[0][i] + directions[1][i]);
                    let error = (moved - expected).abs();
                    assert!(error < 1e-4, "{set} {rows}×{columns}: {moved}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn all_directions_go_about_equally_far() {
        let best = SimdToken::available()[0];
        let matrix = matrix(200, 64, 0);
        let direction = orthogonalized(best, &matrix, 64).unwrap();
        let gram = product(
            best,
            &direction,
            LeftLayout::transposed_panel(200),
            [PANEL, 200, PANEL],
            &direction[..200 * PANEL],
        );
        for i in 0..PANEL {
            let square = gram[i * PANEL + i];
            assert!((0.4..1.5).contains(&square), "column {i} has norm² {square}");
        }
    }

    #[test]
    fn the_mean_of_gradients_that_ended_becomes_zero() {
        let cpu = Cpu::new(1, InstructionSet::best()).unwrap();
        let (mut parameters, mut mean) = (matrix(48, 32, 0), matrix(48, 32, 1));
        let muon = Muon { learning_rate: 0.0, momentum: 0.9 };
        for _ in 0..1000 {
            muon.update(&cpu, 32, &mut parameters, &[0.0; 48 * 32], &mut mean);
        }
        assert!(mean.iter().all(|&value| value == 0.0));
    }

    #[test]
    fn without_a_gradient_nothing_moves() {
        let cpu = Cpu::new(1, InstructionSet::best()).unwrap();
        let start = matrix(64, 32, 0);
        let (mut parameters, mut mean) = (start.clone(), vec![0.0; start.len()]);
        let muon = Muon { learning_rate: 0.1, momentum: 0.9 };
        muon.update(&cpu, 32, &mut parameters, &vec![0.0; start.len()], &mut mean);
        assert_eq!(parameters, start);
    }
}
