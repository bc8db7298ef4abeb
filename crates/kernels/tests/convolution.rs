//! Every convolution method on every instruction set against a plain statement in `f64`, and the
//! backward pass against finite differences.

mod reference;

use efficientad_kernels::*;
use reference::{Case, Problem, assert_close, case, noise, workspace};

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

/// A direction of steepest ascent in each argument raises the loss by what its gradient says.
#[test]
fn gradients_agree_with_finite_differences() {
    for problem in cases().into_iter().map(Problem::new) {
        let mut workspace = workspace(1, InstructionSet::best());
        let gradients = problem.gradients(&mut workspace, &problem.output_gradient);
        for (argument, gradient) in gradients.iter().enumerate() {
            if gradient.is_empty() {
                continue;
            }
            let length =
                |values: &[f32]| values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let norm = length(gradient);
            let step = 1e-4 * length(problem.argument(argument));
            let mut moved = problem.clone();
            let mut loss = |sign: f64| -> f64 {
                let places = moved.argument_mut(argument).iter_mut();
                for ((value, &old), &g) in places.zip(problem.argument(argument)).zip(gradient) {
                    *value = (f64::from(old) + sign * step * f64::from(g) / norm) as f32;
                }
                let output = moved.expected_output();
                output.iter().zip(&moved.output_gradient).map(|(o, &g)| o * f64::from(g)).sum()
            };
            let slope = (loss(1.0) - loss(-1.0)) / (2.0 * step);
            let what = ["input", "weights", "bias"][argument];
            assert!((slope / norm - 1.0).abs() < 1e-2, "{what}: slope {slope}, gradient {norm}");
        }
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
fn empty_outputs_give_zero_gradients() {
    use Activation::{Linear, Relu, ReluAvgPool};
    let strided = ConvSpec { stride: 2, ..ConvSpec::plain(32, 32, 4) };
    for (spec, activation) in [
        (ConvSpec::plain(32, 32, 3), Relu),
        (ConvSpec::plain(32, 32, 4), Linear),
        (ConvSpec::plain(32, 32, 4), ReluAvgPool),
        (ConvSpec::plain(3, 32, 4), ReluAvgPool),
        (ConvSpec::plain(32, 32, 8), Relu),
        (strided, Relu),
        (strided, ReluAvgPool),
    ] {
        // The kernel is too large in one direction or both, or there are no images.
        for size in [[2, 1, 1], [1, 2, 9], [1, 9, 2], [1, 2, 2], [0, 9, 9]] {
            let problem = Problem::new(case(spec, activation, size));
            assert!(problem.output_shape.is_empty());
            for set in InstructionSet::available() {
                let mut workspace = workspace(2, set);
                let conv = problem.conv(workspace.cpu());
                let (output, _) = problem.forward(&mut workspace, &conv);
                assert!(output.data().is_empty());
                let gradients = problem.gradients(&mut workspace, &[]);
                assert!(gradients.iter().flatten().all(|&value| value == 0.0), "{spec:?}");
            }
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
