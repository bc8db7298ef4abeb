//! Adam with L2 weight decay added to the gradient, as PyTorch's `Adam(weight_decay=…)`.

use crate::cpu::{Cpu, Disjoint};
use crate::simd::{Kernel, Simd};

/// Parameters that one task updates.
const CHUNK: usize = 1 << 14;

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
            cpu.instruction_set().run(Update {
                adam: *self,
                parameters,
                gradient: &gradient[start..start + len],
                // SAFETY: chunks do not overlap.
                first: unsafe { first.slice(start, len) },
                // SAFETY: chunks do not overlap.
                second: unsafe { second.slice(start, len) },
            });
        });
    }

    /// `learning_rate / (1 − β₁ᵗ)` and `1 / √(1 − β₂ᵗ)`.
    fn corrections(&self) -> (f32, f32) {
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
            // SAFETY: all four slices have LANES floats.
            unsafe {
                let old = simd.load(p.as_ptr());
                let g = simd.mul_add(simd.splat(adam.weight_decay), old, simd.load(g.as_ptr()));
                let mean = simd.mul(simd.splat(adam.beta1), simd.load(m.as_ptr()));
                let mean = simd.mul_add(simd.splat(1.0 - adam.beta1), g, mean);
                let square = simd.mul(simd.splat(adam.beta2), simd.load(v.as_ptr()));
                let square = simd.mul_add(simd.splat(1.0 - adam.beta2), simd.mul(g, g), square);
                let root = simd.mul(simd.sqrt(square), simd.splat(root_scale));
                let step = simd.div(mean, simd.add(root, simd.splat(adam.epsilon)));
                simd.store(m.as_mut_ptr(), mean);
                simd.store(v.as_mut_ptr(), square);
                simd.store(p.as_mut_ptr(), simd.mul_add(simd.splat(-rate), step, old));
            }
        }
        for i in vectors..parameters.len() {
            let g = gradient[i] + adam.weight_decay * parameters[i];
            first[i] = adam.beta1 * first[i] + (1.0 - adam.beta1) * g;
            second[i] = adam.beta2 * second[i] + (1.0 - adam.beta2) * g * g;
            let root = second[i].sqrt() * root_scale;
            parameters[i] -= rate * first[i] / (root + adam.epsilon);
        }
    }
}
