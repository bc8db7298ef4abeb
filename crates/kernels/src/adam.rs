//! Adam with L2 weight decay added to the gradient, as PyTorch's `Adam(weight_decay=…)`.

use crate::cpu::{Cpu, Disjoint};
use crate::simd::{Kernel, Simd};

/// Parameters that one task updates.
const CHUNK: usize = 1 << 14;

/// Weights nearer to zero are as good as zero, as others are of the order 0.01. What nothing but
/// weight decay acts on would fade into subnormal numbers, which many CPUs multiply a hundred times
/// slower.
pub const NEGLIGIBLE_WEIGHT: f32 = 1e-12;

/// Means of gradients nearer to zero are as good as zero.
pub const NEGLIGIBLE_MEAN: f32 = 1e-20;

/// The constants of one update.
///
/// Source: D. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the mean of squares.
    pub epsilon: f32,
    /// This share of each parameter is added to its gradient.
    pub weight_decay: f32,
    /// Number of this update, from 1: for the correction of the means' bias.
    pub step: u64,
}

/// The running means of a parameter array's gradients.
#[derive(Clone, Default)]
pub struct Moments {
    /// Mean of the gradients.
    pub first: Vec<f32>,
    /// Mean of the squared gradients.
    pub second: Vec<f32>,
}

impl Moments {
    /// Moments of `len` parameters before the first update.
    pub fn zeros(len: usize) -> Self {
        Self { first: vec![0.0; len], second: vec![0.0; len] }
    }
}

impl Adam {
    /// Below these, a parameter, the mean of its gradients and that of their squares become zero. The
    /// mean of squares counts beside the square of epsilon, 1e-16.
    pub const NEGLIGIBLE: [f32; 3] = [NEGLIGIBLE_WEIGHT, NEGLIGIBLE_MEAN, 1e-30];

    /// The usual decays and epsilon: 0.9, 0.999 and 1e-8.
    pub fn usual(learning_rate: f32, weight_decay: f32, step: u64) -> Self {
        Self { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, step }
    }

    /// Updates `parameters` and `moments` by `gradient`.
    ///
    /// # Panics
    /// When lengths differ.
    pub fn update(
        &self,
        cpu: &Cpu,
        parameters: &mut [f32],
        gradient: &[f32],
        moments: &mut Moments,
    ) {
        let len = parameters.len();
        assert_eq!((gradient.len(), moments.first.len(), moments.second.len()), (len, len, len));
        let first = Disjoint::new(&mut moments.first);
        let second = Disjoint::new(&mut moments.second);
        cpu.for_each_chunk(parameters, CHUNK, |chunk, parameters| {
            let (start, len) = (chunk * CHUNK, parameters.len());
            cpu.simd().run(Update {
                adam: *self,
                parameters,
                gradient: &gradient[start..start + len],
                // SAFETY: chunks do not overlap, and one task has each.
                first: unsafe { first.slice(start, len) },
                // SAFETY: chunks do not overlap, and one task has each.
                second: unsafe { second.slice(start, len) },
            });
        });
    }

    /// `learning_rate / (1 − β₁ᵗ)` and `1 / √(1 − β₂ᵗ)`.
    pub fn corrections(&self) -> (f32, f32) {
        let remaining = |beta: f32| 1.0 - f64::from(beta).powf(self.step as f64);
        let rate = f64::from(self.learning_rate) / remaining(self.beta1);
        (rate as f32, (1.0 / remaining(self.beta2).sqrt()) as f32)
    }
}

struct Update<'a> {
    adam: Adam,
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { adam, parameters, gradient, first, second } = self;
        let (rate, root_scale) = adam.corrections();
        let vectors = parameters.len() / S::LANES * S::LANES;
        for i in (0..vectors).step_by(S::LANES) {
            let at = i..i + S::LANES;
            let (p, m, v) =
                (&mut parameters[at.clone()], &mut first[at.clone()], &mut second[at.clone()]);
            let g = &gradient[at];
            // SAFETY: all four slices have `LANES` floats.
            unsafe {
                let old = simd.load(p.as_ptr());
                let g = simd.mul_add(simd.splat(adam.weight_decay), old, simd.load(g.as_ptr()));
                let mean = simd.mul(simd.splat(adam.beta1), simd.load(m.as_ptr()));
                let mean = simd.mul_add(simd.splat(1.0 - adam.beta1), g, mean);
                let square = simd.mul(simd.splat(adam.beta2), simd.load(v.as_ptr()));
                let square = simd.mul_add(simd.splat(1.0 - adam.beta2), simd.mul(g, g), square);
                let root = simd.mul(simd.sqrt(square), simd.splat(root_scale));
                let step = simd.div(mean, simd.add(root, simd.splat(adam.epsilon)));
                let new = [simd.mul_add(simd.splat(-rate), step, old), mean, square];
                for ((target, value), limit) in [p, m, v].into_iter().zip(new).zip(Adam::NEGLIGIBLE)
                {
                    simd.store(target.as_mut_ptr(), drop_below(simd, limit, value));
                }
            }
        }
        for i in vectors..parameters.len() {
            let g = gradient[i] + adam.weight_decay * parameters[i];
            first[i] = adam.beta1 * first[i] + (1.0 - adam.beta1) * g;
            second[i] = adam.beta2 * second[i] + (1.0 - adam.beta2) * g * g;
            let root = second[i].sqrt() * root_scale;
            parameters[i] -= rate * first[i] / (root + adam.epsilon);
            let places = [&mut parameters[i], &mut first[i], &mut second[i]];
            for (value, limit) in places.into_iter().zip(Adam::NEGLIGIBLE) {
                if value.abs() < limit {
                    *value = 0.0;
                }
            }
        }
    }
}

/// `value` where its magnitude is not below `limit` (NaN is not), zero elsewhere.
#[inline(always)]
fn drop_below<S: Simd>(simd: S, limit: f32, value: S::Vector) -> S::Vector {
    let negative = simd.sub(simd.splat(0.0), value);
    let magnitude = simd.add(simd.relu(value), simd.relu(negative));
    simd.keep_lanes(!simd.positive_lanes(simd.sub(simd.splat(limit), magnitude)), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::InstructionSet;

    #[test]
    fn what_fades_becomes_zero_and_nan_stays() {
        for set in InstructionSet::available() {
            let cpu = Cpu::new(1, set).expect("an available instruction set");
            let mut parameters = vec![1e-4, -1e-7, 0.9, f32::NAN, 1e-11, -2e-12, 1e-30, 0.0];
            parameters.extend(parameters.clone());
            parameters.extend([1e-4, f32::NAN, -0.5]);
            let faded: Vec<bool> = parameters.iter().map(|value| value.abs() < 1e-3).collect();
            let gradient = vec![0.0; parameters.len()];
            let mut moments = Moments::zeros(parameters.len());
            for step in 1..=3000 {
                let adam = Adam::usual(1e-4, 1e-5, step);
                adam.update(&cpu, &mut parameters, &gradient, &mut moments);
            }
            for (i, &faded) in faded.iter().enumerate() {
                let values = [parameters[i], moments.first[i], moments.second[i]];
                assert!(values.iter().all(|value| !value.is_subnormal()), "{set}: {values:?}");
                assert_eq!(parameters[i] == 0.0, faded, "{set}: {values:?}");
            }
            assert!(parameters[3].is_nan() && parameters[17].is_nan(), "{set}");
        }
    }
}
