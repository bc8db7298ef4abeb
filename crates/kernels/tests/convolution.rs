//! Every convolution method on every instruction set against a plain statement in `f64`, and the
//! backward pass against finite differences.

use efficientad_kernels::*;
use std::sync::Arc;

/// Relative, in the 2-norm. Winograd's method with tiles of 10 points is off by about 2.5e-5, by
/// twice that on a single tile, and by 1.3e-4 in the gradient of the weights when few outputs have
/// a gradient.
const TOLERANCE: f64 = 2e-4;

struct Case {
    spec: ConvSpec,
    activation: Activation,
    input: Shape,
    channels: std::ops::Range<usize>,
}

fn case(spec: ConvSpec, activation: Activation, size: [usize; 3]) -> Case {
    let [images, height, width] = size;
    let input = Shape { images, height, width, channels: spec.in_channels };
    Case { spec, activation, input, channels: 0..spec.out_channels }
}

fn cases() -> Vec<Case> {
    use Activation::{Linear, Relu, ReluAvgPool};
    let spec = |in_channels, out_channels, kernel, stride, padding| ConvSpec {
        in_channels,
        out_channels,
        kernel,
        stride,
        padding,
    };
    vec![
        case(spec(3, 32, 4, 1, 0), ReluAvgPool, [2, 13, 10]),
        case(spec(3, 32, 4, 2, 1), Relu, [1, 12, 16]),
        case(spec(32, 64, 4, 2, 1), Relu, [2, 12, 16]),
        case(spec(32, 32, 8, 1, 0), Linear, [2, 8, 9]),
        case(spec(64, 32, 1, 1, 0), Relu, [1, 5, 7]),
        case(spec(32, 64, 4, 1, 0), ReluAvgPool, [3, 14, 11]),
        case(spec(64, 32, 4, 1, 0), Linear, [1, 7, 7]),
        case(spec(32, 32, 4, 1, 2), Relu, [1, 3, 3]),
        case(spec(32, 32, 4, 1, 2), Relu, [2, 15, 9]),
        case(spec(32, 64, 3, 1, 0), Relu, [2, 11, 18]),
        case(spec(64, 32, 3, 1, 1), Linear, [1, 9, 8]),
        Case { channels: 32..96, ..case(spec(32, 128, 4, 1, 0), Linear, [2, 10, 9]) },
        Case { channels: 64..96, ..case(spec(32, 96, 1, 1, 0), Linear, [2, 6, 5]) },
        case(spec(32, 32, 4, 1, 0), ReluAvgPool, [1, 70, 66]),
    ]
}

/// Values in [-1, 1) that differ for every `seed`.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn tensor(shape: Shape, data: &[f32]) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    tensor.data_mut().copy_from_slice(data);
    tensor
}

struct Problem {
    case: Case,
    conv_shape: Shape,
    output_shape: Shape,
    input: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    output_gradient: Vec<f32>,
}

impl Problem {
    fn new(case: Case) -> Self {
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

    /// Takes the gradient away where rounding could decide on which side of ReLU a value falls.
    fn keep_away_from_kinks(&mut self) {
        let before = self.before_activation();
        for (from, to, _) in self.pool() {
            if before[from].abs() < 1e-3 {
                self.output_gradient[to] = 0.0;
            }
        }
    }

    /// Visits every product of the convolution: (output, input, weight) places.
    fn for_each_product(&self, mut visit: impl FnMut(usize, usize, usize)) {
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
                    for (o, channel) in channels.clone().enumerate() {
                        let weight = (tap * spec.in_channels + i) * spec.out_channels + channel;
                        visit(place * conv.channels + o, source, weight);
                    }
                }
            }
        }
    }

    fn before_activation(&self) -> Vec<f64> {
        let channels = self.conv_shape.channels;
        let first = self.case.channels.start;
        let mut output: Vec<f64> = (0..self.conv_shape.len())
            .map(|i| f64::from(self.bias[first + i % channels]))
            .collect();
        self.for_each_product(|o, i, w| {
            output[o] += f64::from(self.input[i]) * f64::from(self.weights[w]);
        });
        output
    }

    /// (place before, place after, share) of the pool, or of nothing at all.
    fn pool(&self) -> Vec<(usize, usize, f64)> {
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

    fn expected_output(&self) -> Vec<f64> {
        let before = self.before_activation();
        let linear = self.case.activation == Activation::Linear;
        let mut output = vec![0.0; self.output_shape.len()];
        for (from, to, share) in self.pool() {
            output[to] += share * if linear { before[from] } else { before[from].max(0.0) };
        }
        output
    }

    /// Gradients of input, weights and bias.
    fn expected_gradients(&self) -> [Vec<f64>; 3] {
        let before = self.before_activation();
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
        self.for_each_product(|o, i, w| {
            input[i] += inner[o] * f64::from(self.weights[w]);
            weights[w] += inner[o] * f64::from(self.input[i]);
        });
        for (i, value) in inner.iter().enumerate() {
            bias[self.case.channels.start + i % self.conv_shape.channels] += value;
        }
        [input, weights, bias]
    }

    fn conv(&self, cpu: &Cpu) -> Conv2d {
        Conv2d::new(cpu, self.case.spec, self.case.activation, &self.weights, &self.bias)
    }

    fn forward(&self, workspace: &mut Workspace, conv: &Conv2d) -> (Tensor, SignMask) {
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

    fn gradients(&self, workspace: &mut Workspace, output_gradient: &[f32]) -> [Vec<f32>; 3] {
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

fn workspace(threads: usize, set: InstructionSet) -> Workspace {
    Workspace::new(Arc::new(Cpu::new(threads, set).unwrap()))
}

fn assert_close(what: &str, problem: &Problem, set: InstructionSet, got: &[f32], expected: &[f64]) {
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

#[test]
fn forward_agrees_with_direct_convolution() {
    for problem in cases().into_iter().map(Problem::new) {
        let expected = problem.expected_output();
        for set in InstructionSet::available() {
            let mut workspace = workspace(2, set);
            let conv = problem.conv(workspace.cpu());
            let (output, _) = problem.forward(&mut workspace, &conv);
            assert_close("output", &problem, set, output.data(), &expected);
        }
    }
}

#[test]
fn gradients_agree_with_direct_convolution() {
    for problem in cases().into_iter().map(Problem::new) {
        let expected = problem.expected_gradients();
        for set in InstructionSet::available() {
            let got = problem.gradients(&mut workspace(2, set), &problem.output_gradient);
            let names = ["input gradient", "weight gradient", "bias gradient"];
            for ((name, got), expected) in names.iter().zip(&got).zip(&expected) {
                if !got.is_empty() {
                    assert_close(name, &problem, set, got, expected);
                }
            }
        }
    }
}

/// A direction of steepest ascent must raise the loss by what the gradient promises.
#[test]
fn gradients_agree_with_finite_differences() {
    for problem in cases().into_iter().map(Problem::new) {
        let set = InstructionSet::best();
        let mut workspace = workspace(1, set);
        let [_, weights, _] = problem.gradients(&mut workspace, &problem.output_gradient);
        let norm = weights.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let step = 1e-4 * problem.weights.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let mut moved =
            Problem::new(Case { channels: problem.case.channels.clone(), ..problem.case });
        let mut loss = |sign: f64| -> f64 {
            for ((weight, &old), &g) in moved.weights.iter_mut().zip(&problem.weights).zip(&weights)
            {
                *weight = (f64::from(old) + sign * step * f64::from(g) / norm) as f32;
            }
            let output = moved.expected_output();
            output.iter().zip(&moved.output_gradient).map(|(o, &g)| o * f64::from(g)).sum()
        };
        let slope = (loss(1.0) - loss(-1.0)) / (2.0 * step);
        assert!((slope / norm - 1.0).abs() < 1e-2, "slope {slope}, gradient {norm}");
    }
}

#[test]
fn tiles_without_gradient_change_nothing() {
    for problem in cases().into_iter().map(Problem::new) {
        let mut sparse = vec![0.0; problem.output_gradient.len()];
        sparse[7] = 1.5;
        let sparse_problem = Problem { output_gradient: sparse.clone(), ..problem };
        let expected = sparse_problem.expected_gradients();
        let set = InstructionSet::best();
        let got = sparse_problem.gradients(&mut workspace(2, set), &sparse);
        let zero = vec![0.0; sparse.len()];
        let none = sparse_problem.gradients(&mut workspace(2, set), &zero);
        assert!(none.iter().flatten().all(|&value| value == 0.0));
        if expected[2].iter().any(|&value| value != 0.0) {
            assert_close("weights", &sparse_problem, set, &got[1], &expected[1]);
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    for problem in cases().into_iter().map(Problem::new) {
        for set in InstructionSet::available() {
            let run = |threads| {
                let mut workspace = workspace(threads, set);
                let conv = problem.conv(workspace.cpu());
                let (output, _) = problem.forward(&mut workspace, &conv);
                let gradients = problem.gradients(&mut workspace, &problem.output_gradient);
                (output.data().to_vec(), gradients)
            };
            assert!(run(1) == run(4), "{set} {:?}", problem.case.spec);
        }
    }
}

#[test]
fn weights_reorder_there_and_back() {
    let spec = ConvSpec::plain(3, 32, 4);
    let oihw = noise(spec.weight_len(), 9);
    let hwio = hwio_from_oihw(&spec, &oihw);
    assert_eq!(hwio[((2 * 4 + 1) * 3 + 2) * 32 + 5], oihw[((5 * 3 + 2) * 4 + 2) * 4 + 1]);
    assert_eq!(oihw_from_hwio(&spec, &hwio), oihw);
}
