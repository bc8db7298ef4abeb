//! Times the convolutions of EfficientAD-S and -M on this machine, forward and backward.
//!
//! `cargo bench -p efficientad-kernels -- [THREADS] [INSTRUCTION SET] [LAYER]`; GFLOP/s are those
//! of a direct convolution in the same time.

use efficientad_kernels::*;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 5;

struct Layer {
    name: &'static str,
    spec: ConvSpec,
    activation: Activation,
    size: usize,
}

fn layers() -> Vec<Layer> {
    let layer = |name, spec, activation, size| Layer { name, spec, activation, size };
    let padded = |i, o, kernel, padding| ConvSpec { padding, ..ConvSpec::plain(i, o, kernel) };
    vec![
        layer("S conv1", ConvSpec::plain(3, 128, 4), Activation::ReluAvgPool, 256),
        layer("S conv2", ConvSpec::plain(128, 256, 4), Activation::ReluAvgPool, 126),
        layer("S conv3", ConvSpec::plain(256, 256, 3), Activation::Relu, 61),
        layer("S conv4 teacher", ConvSpec::plain(256, 384, 4), Activation::Linear, 59),
        layer("S conv4 student", ConvSpec::plain(256, 768, 4), Activation::Linear, 59),
        layer("M conv2", ConvSpec::plain(256, 512, 4), Activation::ReluAvgPool, 126),
        layer("M conv3", ConvSpec::plain(512, 512, 1), Activation::Relu, 61),
        layer("M conv4", ConvSpec::plain(512, 512, 3), Activation::Relu, 61),
        layer("M conv5 student", ConvSpec::plain(512, 768, 4), Activation::Relu, 59),
        layer("AE decoder conv6", padded(64, 64, 4, 2), Activation::Relu, 127),
        layer("AE decoder conv7", padded(64, 64, 3, 1), Activation::Relu, 56),
        layer("AE decoder conv8", padded(64, 384, 3, 1), Activation::Linear, 56),
    ]
}

fn noise(len: usize, scale: f32) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    };
    (0..len).map(|_| next()).collect()
}

fn median_seconds(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let threads = args.next().map_or(1, |arg| arg.parse().expect("a number of threads"));
    let set = args.next().map_or(InstructionSet::best(), |name| name.parse().expect("known name"));
    let wanted = args.next().unwrap_or_default();
    let cpu = Arc::new(Cpu::new(threads, set).expect("a usable CPU"));
    let mut workspace = Workspace::new(Arc::clone(&cpu));
    println!("{threads} thread(s), {set}; one image, medians of {ROUNDS}");
    println!("{:<18} {:>9} {:>9} {:>9} {:>9}", "layer", "fwd ms", "GFLOP/s", "bwd ms", "GFLOP/s");
    for Layer { name, spec, activation, size } in
        layers().into_iter().filter(|layer| layer.name.contains(&wanted))
    {
        let input_shape =
            Shape { images: 1, height: size, width: size, channels: spec.in_channels };
        let (conv_height, conv_width) = spec.conv_size(size, size);
        let (height, width) = activation.output_size(conv_height, conv_width);
        let output_shape = Shape { images: 1, height, width, channels: spec.out_channels };
        let weights = noise(spec.weight_len(), 1.0 / (spec.fan_in() as f32).sqrt());
        let conv = Conv2d::new(&cpu, spec, activation, &weights, &vec![0.0; spec.out_channels]);
        let wants_input = spec.in_channels >= CHANNEL_MULTIPLE;
        let mut gradient = Conv2dGradient::new(&cpu, &conv, &weights, wants_input);
        let mut input = Tensor::zeros(input_shape);
        input.data_mut().copy_from_slice(&noise(input_shape.len(), 1.0));
        let mut output = Tensor::zeros(output_shape);
        let mut input_gradient = Tensor::zeros(input_shape);
        let mut signs = SignMask::new(conv_height * conv_width * spec.out_channels);
        let forward = median_seconds(|| {
            conv.forward(
                &mut workspace,
                ForwardPass {
                    input: input.view(),
                    channels: 0..spec.out_channels,
                    output: output.view_mut(),
                    signs: (activation != Activation::Linear).then_some(&mut signs),
                },
            );
        });
        let backward = median_seconds(|| {
            gradient.backward(
                &mut workspace,
                &conv,
                BackwardPass {
                    input: input.view(),
                    channels: 0..spec.out_channels,
                    output_gradient: output.view(),
                    signs: Some(&signs),
                    input_gradient: wants_input.then(|| input_gradient.view_mut()),
                },
            );
        });
        let flops = 2.0 * (conv_height * conv_width * spec.weight_len()) as f64;
        let backward_flops = flops * if wants_input { 2.0 } else { 1.0 };
        println!(
            "{name:<18} {:>9.2} {:>9.0} {:>9.2} {:>9.0}",
            forward * 1e3,
            flops / forward * 1e-9,
            backward * 1e3,
            backward_flops / backward * 1e-9,
        );
    }
}
