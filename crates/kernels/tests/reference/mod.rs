//! Convolutions and their gradients stated plainly in `f64`: what the kernels are tested against.

#![allow(dead_code, reason = "not every test that includes this module needs all of it")]

use efficientad_kernels::*;
use proptest::test_runner::{Config, RngSeed};
use std::ops::Range;
use std::sync::Arc;

/// Relative, in the 2-norm. Winograd's method with tiles of 10 points is off by about 2.5e-5, by
/// twice that on a single tile, and by 1.3e-4 in the gradient of the weights when few outputs have
/// a gradient.
pub const TOLERANCE: f64 = 2e-4;

/// A convolution and what it is applied to.
#[derive(Clone, Debug)]
pub struct Case {
    pub spec: ConvSpec,
    pub activation: Activation,
    pub input: Shape,
    /// Output channels that are computed.
    pub channels: Range<usize>,
}

/// All output channels of `spec`; `size` is images, height and width.
pub fn case(spec: ConvSpec, activation: Activation, size: [usize; 3]) -> Case {
    let [images, height, width] = size;
    let input = Shape { images, height, width, channels: spec.in_channels };
    Case { spec, activation, input, channels: 0..spec.out_channels }
}

/// Values in [-1, 1) that differ for every `seed`.
pub fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

pub fn tensor(shape: Shape, data: &[f32]) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    tensor.data_mut().copy_from_slice(data);
    tensor
}

/// A case with numbers.
#[derive(Clone)]
pub struct Problem {
    pub case: Case,
    /// Of the computed channels, before pooling.
    pub conv_shape: Shape,
    pub output_shape: Shape,
    pub input: Vec<f32>,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub output_gradient: Vec<f32>,
}

impl Problem {
    pub fn new(case: Case) -> Self {
        let (height, width) = case.spec.conv_size(case.input.height, case.input.width);
        let conv_shape =
            Shape { images: case.input.images, height, width, channels: case.channels.len() };
        let (height, width) = case.activation.output_size(height, width);
        let output_shape = Shape { height, width, ..conv_shape };
        let mut problem = Self {
            input: noise(case.input.len(), 1),
            weights: noise(case.spec.weight_len(), 2),
            bias: noise(case.spec.out_channels, 3),
            output_gradient: noise(output_shape.len(), 4),
            case,
            conv_shape,
            output_shape,
        };
        problem.keep_away_from_kinks();
        problem
    }

    /// What [`Problem::gradients`] gives the gradient `number` of.
    pub fn argument(&self, number: usize) -> &[f32] {
        [&self.input, &self.weights, &self.bias][number]
    }

    /// The same, to be changed.
    pub fn argument_mut(&mut self, number: usize) -> &mut [f32] {
        [&mut self.input, &mut self.weights, &mut self.bias][number]
    }

    /// The same with image `index` alone.
    pub fn image(&self, index: usize) -> Self {
        let part = |values: &[f32], len: usize| values[index * len..(index + 1) * len].to_vec();
        Self {
            input: part(&self.input, self.case.input.image_len()),
            weights: self.weights.clone(),
            bias: self.bias.clone(),
            output_gradient: part(&self.output_gradient, self.output_shape.image_len()),
            case: Case { input: Shape { images: 1, ..self.case.input }, ..self.case.clone() },
            conv_shape: Shape { images: 1, ..self.conv_shape },
            output_shape: Shape { images: 1, ..self.output_shape },
        }
    }

    /// Takes the gradient away where rounding could decide on which side of ReLU a value falls.
    pub fn keep_away_from_kinks(&mut self) {
        if self.case.activation == Activation::Linear {
            return;
        }
        let before = self.before_activation();
        let mean_square = before.iter().map(|v| v * v).sum::<f64>() / before.len() as f64;
        let limit = 1e-3 * mean_square.sqrt().max(1.0);
        for (from, to, _) in self.pool() {
            if before[from].abs() < limit {
                self.output_gradient[to] = 0.0;
            }
        }
    }

    /// Visits the products of the convolution, those of all computed channels at once: (first
    /// output, input, first weight) places; further channels follow the first.
    pub fn for_each_product(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let Case { spec, input, channels, .. } = &self.case;
        let conv = self.conv_shape;
        for place in 0..conv.locations() {
            let (image, y, x) = (
                place / (conv.height * conv.width),
                place / conv.width % conv.height,
                place % conv.width,
            );
            for tap in 0..spec.kernel * spec.kernel {
                let at = |o: usize, tap: usize, size: usize| {
                    (o * spec.stride + tap).checked_sub(spec.padding).filter(|&i| i < size)
                };
                let (Some(iy), Some(ix)) =
                    (at(y, tap / spec.kernel, input.height), at(x, tap % spec.kernel, input.width))
                else {
                    continue;
                };
                for i in 0..spec.in_channels {
                    let source =
                        ((image * input.height + iy) * input.width + ix) * input.channels + i;
                    let weight = (tap * spec.in_channels + i) * spec.out_channels + channels.start;
                    visit(place * conv.channels, source, weight);
                }
            }
        }
    }

    pub fn before_activation(&self) -> Vec<f64> {
        let channels = self.conv_shape.channels;
        let first = self.case.channels.start;
        let mut output: Vec<f64> = (0..self.conv_shape.len())
            .map(|i| f64::from(self.bias[first + i % channels]))
            .collect();
        self.for_each_product(|o, i, w| {
            let input = f64::from(self.input[i]);
            for (output, &weight) in output[o..][..channels].iter_mut().zip(&self.weights[w..]) {
                *output += input * f64::from(weight);
            }
        });
        output
    }

    /// (place before, place after, share) of the pool, or of nothing at all.
    pub fn pool(&self) -> Vec<(usize, usize, f64)> {
        let (conv, out) = (self.conv_shape, self.output_shape);
        if self.case.activation != Activation::ReluAvgPool {
            return (0..conv.len()).map(|i| (i, i, 1.0)).collect();
        }
        let mut shares = Vec::new();
        for (i, y, x) in (0..conv.images)
            .flat_map(|i| (0..out.height * 2).map(move |y| (i, y)))
            .flat_map(|(i, y)| (0..out.width * 2).map(move |x| (i, y, x)))
        {
            for c in 0..conv.channels {
                let before = ((i * conv.height + y) * conv.width + x) * conv.channels + c;
                let after = ((i * out.height + y / 2) * out.width + x / 2) * conv.channels + c;
                shares.push((before, after, 0.25));
            }
        }
        shares
    }

    pub fn expected_output(&self) -> Vec<f64> {
        self.output_of(&self.before_activation())
    }

    fn output_of(&self, before: &[f64]) -> Vec<f64> {
        let linear = self.case.activation == Activation::Linear;
        let mut output = vec![0.0; self.output_shape.len()];
        for (from, to, share) in self.pool() {
            output[to] += share * if linear { before[from] } else { before[from].max(0.0) };
        }
        output
    }

    /// Gradients of input, weights and bias.
    pub fn expected_gradients(&self) -> [Vec<f64>; 3] {
        self.gradients_of(&self.before_activation())
    }

    fn gradients_of(&self, before: &[f64]) -> [Vec<f64>; 3] {
        let linear = self.case.activation == Activation::Linear;
        let mut inner = vec![0.0; before.len()];
        for (from, to, share) in self.pool() {
            if linear || before[from] > 0.0 {
                inner[from] = share * f64::from(self.output_gradient[to]);
            }
        }
        let mut input = vec![0.0; self.input.len()];
        let mut weights = vec![0.0; self.weights.len()];
        let mut bias = vec![0.0; self.bias.len()];
        let channels = self.conv_shape.channels;
        self.for_each_product(|o, i, w| {
            let inner = &inner[o..][..channels];
            for (&inner, &weight) in inner.iter().zip(&self.weights[w..]) {
                input[i] += inner * f64::from(weight);
            }
            for (&inner, weight) in inner.iter().zip(&mut weights[w..]) {
                *weight += inner * f64::from(self.input[i]);
            }
        });
        for (i, value) in inner.iter().enumerate() {
            bias[self.case.channels.start + i % self.conv_shape.channels] += value;
        }
        [input, weights, bias]
    }

    pub fn conv(&self, cpu: &Cpu) -> Conv2d {
        Conv2d::new(cpu, self.case.spec, self.case.activation, &self.weights, &self.bias)
    }

    pub fn forward(&self, workspace: &mut Workspace, conv: &Conv2d) -> (Tensor, SignMask) {
        let input = tensor(self.case.input, &self.input);
        let mut output = Tensor::zeros(self.output_shape);
        let mut signs = SignMask::new(self.conv_shape.len());
        conv.forward(
            workspace,
            ForwardPass {
                input: input.view(),
                channels: self.case.channels.clone(),
                output: output.view_mut(),
                signs: Some(&mut signs),
            },
        );
        (output, signs)
    }

    pub fn gradients(&self, workspace: &mut Workspace, output_gradient: &[f32]) -> [Vec<f32>; 3] {
        let cpu = Arc::new(
            Cpu::new(workspace.cpu().threads(), workspace.cpu().instruction_set()).unwrap(),
        );
        let conv = self.conv(&cpu);
        let (_, signs) = self.forward(workspace, &conv);
        let wants_input = self.case.spec.in_channels.is_multiple_of(CHANNEL_MULTIPLE);
        let mut gradient = Conv2dGradient::new(&cpu, &conv, &self.weights, wants_input);
        let input = tensor(self.case.input, &self.input);
        let mut input_gradient = Tensor::zeros(self.case.input);
        gradient.backward(
            workspace,
            &conv,
            BackwardPass {
                input: input.view(),
                channels: self.case.channels.clone(),
                output_gradient: tensor(self.output_shape, output_gradient).view(),
                signs: Some(&signs),
                input_gradient: wants_input.then(|| input_gradient.view_mut()),
            },
        );
        let mut weights = vec![0.0; self.weights.len()];
        gradient.weight_gradient(&cpu, &mut weights);
        let input = if wants_input { input_gradient.data().to_vec() } else { Vec::new() };
        [input, weights, gradient.bias_gradient().to_vec()]
    }
}

pub fn workspace(threads: usize, set: InstructionSet) -> Workspace {
    Workspace::new(Arc::new(Cpu::new(threads, set).unwrap()))
}

pub fn assert_close(
    what: &str,
    problem: &Problem,
    set: InstructionSet,
    got: &[f32],
    expected: &[f64],
) {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut expected.iter().copied());
    assert!(size > 0.0, "{what}: the reference is zero");
    assert_eq!(got.len(), expected.len());
    let error = norm(&mut got.iter().zip(expected).map(|(&g, e)| f64::from(g) - e)) / size;
    let Case { spec, activation, input, channels } = &problem.case;
    assert!(
        error <= TOLERANCE,
        "{what} on {set}: off by {error:.1e}; {spec:?} {activation:?} {input:?} {channels:?}"
    );
}

/// Checks the output and all gradients on every instruction set.
pub fn assert_agrees(problem: &Problem, threads: usize) {
    let before = problem.before_activation();
    let (output, gradients) = (problem.output_of(&before), problem.gradients_of(&before));
    for set in InstructionSet::available() {
        let mut workspace = workspace(threads, set);
        let conv = problem.conv(workspace.cpu());
        let (got, _) = problem.forward(&mut workspace, &conv);
        assert_close_or_zero("output", problem, set, got.data(), &output);
        let got = problem.gradients(&mut workspace, &problem.output_gradient);
        let names = ["input gradient", "weight gradient", "bias gradient"];
        for ((name, got), expected) in names.iter().zip(&got).zip(&gradients) {
            if !got.is_empty() {
                assert_close_or_zero(name, problem, set, got, expected);
            }
        }
    }
}

fn assert_close_or_zero(
    what: &str,
    problem: &Problem,
    set: InstructionSet,
    got: &[f32],
    expected: &[f64],
) {
    if expected.iter().all(|&value| value == 0.0) {
        assert!(got.iter().all(|&value| value == 0.0), "{what} on {set} is not zero");
    } else {
        assert_close(what, problem, set, got, expected);
    }
}

/// Checks that a batch gives bit for bit what its images give one by one.
pub fn assert_batch_equals_images(problem: &Problem, threads: usize) {
    let wants_input = problem.case.spec.in_channels.is_multiple_of(CHANNEL_MULTIPLE);
    for set in InstructionSet::available() {
        let run = |problem: &Problem| {
            let mut workspace = workspace(threads, set);
            let conv = problem.conv(workspace.cpu());
            let (output, signs) = problem.forward(&mut workspace, &conv);
            let [input_gradient, ..] = problem.gradients(&mut workspace, &problem.output_gradient);
            (bits(output.data()), signs.bytes().to_vec(), bits(&input_gradient))
        };
        let (output, signs, input_gradient) = run(problem);
        let images = 0..problem.case.input.images;
        let single: Vec<_> = images.map(|i| run(&problem.image(i))).collect();
        let what = format!("{set}, {threads} threads: {:?}", problem.case);
        assert!(output == single.iter().flat_map(|s| s.0.clone()).collect::<Vec<_>>(), "{what}");
        assert!(signs == single.iter().flat_map(|s| s.1.clone()).collect::<Vec<_>>(), "{what}");
        if wants_input {
            let single: Vec<_> = single.iter().flat_map(|s| s.2.clone()).collect();
            assert!(input_gradient == single, "input gradient on {what}");
        }
    }
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Properties are checked on `cases` cases, the same in every run; the environment variables
/// `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for more or others.
pub fn config(cases: u32) -> Config {
    let default = Config::default();
    Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed => fixed,
        },
        failure_persistence: None,
        ..default
    }
}
