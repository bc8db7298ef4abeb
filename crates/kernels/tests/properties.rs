//! Bilinear resizing and Adam against their definitions.

mod reference;

use efficientad_kernels::*;
use proptest::prelude::*;
use reference::{config, noise, tensor};

/// A batch of maps and the size they become.
fn resizing() -> impl Strategy<Value = (Shape, Shape)> {
    let from = [1..=3usize, 1..=24, 1..=24, 1..=9];
    (from, 1..=70usize, 1..=70usize).prop_map(|([images, height, width, channels], to_h, to_w)| {
        let from = Shape { images, height, width, channels };
        (from, Shape { height: to_h, width: to_w, ..from })
    })
}

/// The two sources of an output index along an axis, each with its weight: half-pixel centres,
/// clamped at the ends.
fn sources(index: usize, from: usize, to: usize) -> [(usize, f64); 2] {
    let at = ((index as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
    let low = (at.floor() as usize).min(from - 1);
    let fraction = at - low as f64;
    [(low, 1.0 - fraction), ((low + 1).min(from - 1), fraction)]
}

fn plainly_resized(from: Shape, to: Shape, input: &[f32]) -> Vec<f64> {
    let value = |i: usize| {
        let (channel, place) = (i % to.channels, i / to.channels);
        let (x, y, image) =
            (place % to.width, place / to.width % to.height, place / (to.width * to.height));
        let mut sum = 0.0;
        for (source_y, weight_y) in sources(y, from.height, to.height) {
            for (source_x, weight_x) in sources(x, from.width, to.width) {
                let source = (image * from.height + source_y) * from.width + source_x;
                sum += weight_y * weight_x * f64::from(input[source * from.channels + channel]);
            }
        }
        sum
    };
    (0..to.len()).map(value).collect()
}

fn resized(cpu: &Cpu, from: Shape, to: Shape, input: &[f32]) -> Vec<f32> {
    let mut output = Tensor::zeros(to);
    resize_bilinear(cpu, tensor(from, input).view(), output.view_mut());
    output.data().to_vec()
}

fn dot(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

fn norm(x: &[f32]) -> f64 {
    dot(x, x).sqrt()
}

/// One parameter and its moments in `f64`, by Algorithm 1 of the paper, with L2 weight decay.
#[derive(Clone, Copy)]
struct Parameter {
    value: f64,
    first: f64,
    second: f64,
}

impl Parameter {
    fn update(&mut self, adam: &Adam, gradient: f64) {
        let [rate, beta1, beta2, epsilon, decay] =
            [adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon, adam.weight_decay]
                .map(f64::from);
        let gradient = gradient + decay * self.value;
        self.first = beta1 * self.first + (1.0 - beta1) * gradient;
        self.second = beta2 * self.second + (1.0 - beta2) * gradient * gradient;
        let first = self.first / (1.0 - beta1.powi(adam.step as i32));
        let second = self.second / (1.0 - beta2.powi(adam.step as i32));
        self.value -= rate * first / (second.sqrt() + epsilon);
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn resizing_agrees_with_its_definition((from, to) in resizing(), threads in 1..=2usize) {
        let cpu = Cpu::new(threads, InstructionSet::best()).unwrap();
        let input = noise(from.len(), 1);
        let expected = plainly_resized(from, to, &input);
        for (got, expected) in resized(&cpu, from, to, &input).iter().zip(&expected) {
            let error = (f64::from(*got) - expected).abs();
            prop_assert!(error < 5e-5, "{got}, not {expected}");
        }
        prop_assert_eq!(resized(&cpu, from, from, &input), input, "to the same size");
    }

    /// ⟨A x, y⟩ = ⟨x, Aᵀ y⟩.
    #[test]
    fn the_adjoint_of_resizing_is_its_transpose((from, to) in resizing(), threads in 1..=2usize) {
        let cpu = Cpu::new(threads, InstructionSet::best()).unwrap();
        let (x, y) = (noise(from.len(), 1), noise(to.len(), 2));
        let forward = resized(&cpu, from, to, &x);
        let mut adjoint = Tensor::zeros(from);
        // What was there is overwritten.
        adjoint.data_mut().fill(7.0);
        resize_bilinear_adjoint(&cpu, tensor(to, &y).view(), adjoint.view_mut());
        let (left, right) = (dot(&forward, &y), dot(&x, adjoint.data()));
        let size = norm(&forward) * norm(&y) + norm(&x) * norm(adjoint.data());
        prop_assert!((left - right).abs() <= 1e-6 * size, "{left} and {right}");
    }

    #[test]
    fn adam_agrees_with_its_definition(
        len in 1..=100usize,
        chunks in 0..=1usize,
        threads in 1..=2usize,
        steps in 1..=6u64,
        rate in 1e-5..1e-2f32,
        weight_decay in prop_oneof![Just(0.0), 1e-6..1e-2f32],
        scale in prop_oneof![Just(1e-3f32), Just(1.0), Just(30.0)],
    ) {
        // Longer than what one task updates, or not.
        let len = len + chunks * 40_000;
        let start = noise(len, 1);
        let mut expected: Vec<_> = start
            .iter()
            .map(|&value| Parameter { value: f64::from(value), first: 0.0, second: 0.0 })
            .collect();
        let gradient = |step: u64| -> Vec<f32> {
            noise(len, 1 + step).into_iter().map(|value| value * scale).collect()
        };
        for step in 1..=steps {
            let adam = Adam::usual(rate, weight_decay, step);
            let gradient = gradient(step);
            expected.iter_mut().zip(&gradient).for_each(|(p, &g)| p.update(&adam, f64::from(g)));
        }
        for set in InstructionSet::available() {
            let cpu = Cpu::new(threads, set).unwrap();
            let (mut parameters, mut moments) = (start.clone(), Moments::zeros(len));
            for step in 1..=steps {
                let adam = Adam::usual(rate, weight_decay, step);
                adam.update(&cpu, &mut parameters, &gradient(step), &mut moments);
            }
            let size = f64::from(scale.max(weight_decay));
            for (i, expected) in expected.iter().enumerate() {
                let errors = [
                    (parameters[i], expected.value, 1e-6 + 1e-3 * f64::from(rate)),
                    (moments.first[i], expected.first, 1e-6 * size),
                    (moments.second[i], expected.second, 1e-6 * size * size),
                ];
                for (got, expected, tolerance) in errors {
                    let error = (f64::from(got) - expected).abs();
                    prop_assert!(error <= tolerance, "{got}, not {expected}, on {set}");
                }
            }
        }
    }
}
