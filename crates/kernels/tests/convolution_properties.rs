//! Convolutions of random shapes against their plain statement, and batches against single images.

mod reference;

use efficientad_kernels::*;
use proptest::prelude::*;
use reference::{Case, Problem, assert_agrees, assert_batch_equals_images, case, config};

/// Products of a case at most, to bound the time of the plain statement.
const MAX_PRODUCTS: usize = 20_000_000;

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::Linear), Just(Activation::Relu), Just(Activation::ReluAvgPool)]
}

/// Kernel, stride and padding: half of them such that Winograd's method applies.
fn geometry() -> impl Strategy<Value = [usize; 3]> {
    let winograd = (3..=4usize, Just(1), 0..=3usize);
    let other = (1..=8usize, 1..=3usize, 0..=3usize);
    prop_oneof![winograd, other].prop_map(|(kernel, stride, padding)| [kernel, stride, padding])
}

/// Input and output channels, and which panels of the output are computed.
fn channels() -> impl Strategy<Value = (usize, usize, [usize; 2])> {
    let input = prop_oneof![Just(32usize), Just(64), Just(96), Just(3), 1..32usize, Just(40),];
    (input, 1..=4usize, any::<[usize; 2]>()).prop_map(|(input, panels, [first, count])| {
        let first = first % panels;
        let count = 1 + count % (panels - first);
        (input, CHANNEL_MULTIPLE * panels, [first, first + count])
    })
}

/// Cases whose kernel fits and whose output is not empty.
fn any_case(images: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Case> {
    (geometry(), channels(), activation(), images, 1..=24usize, 1..=24usize)
        .prop_map(|(geometry, (in_channels, out_channels, [start, end]), activation, n, h, w)| {
            let [kernel, stride, padding] = geometry;
            let spec = ConvSpec { in_channels, out_channels, kernel, stride, padding };
            let channels = CHANNEL_MULTIPLE * start..CHANNEL_MULTIPLE * end;
            Case { channels, ..case(spec, activation, [n, h, w]) }
        })
        .prop_filter("empty output", |case| {
            let (height, width) = case.spec.conv_size(case.input.height, case.input.width);
            let (height, width) = case.activation.output_size(height, width);
            height * width > 0
        })
        .prop_filter("too many products", |case| {
            let (height, width) = case.spec.conv_size(case.input.height, case.input.width);
            let outputs = case.input.images * height * width * case.channels.len();
            outputs * case.spec.fan_in() <= MAX_PRODUCTS
        })
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn convolutions_agree_with_their_definition(case in any_case(1..=3), threads in 1..=3usize) {
        assert_agrees(&Problem::new(case), threads);
    }

    #[test]
    fn batches_of_any_shape_equal_single_images(case in any_case(1..=5), threads in 1..=2usize) {
        assert_batch_equals_images(&Problem::new(case), threads);
    }
}

/// Winograd's method with each of its tiles, and the product of patches with and without copies.
#[test]
fn batches_equal_single_images() {
    use Activation::{Linear, Relu, ReluAvgPool};
    let strided = ConvSpec { stride: 2, padding: 1, ..ConvSpec::plain(32, 64, 4) };
    let padded = ConvSpec { padding: 2, ..ConvSpec::plain(64, 32, 4) };
    for images in 1..=5 {
        for threads in 1..=2 {
            for (spec, activation) in [
                (ConvSpec::plain(32, 64, 3), Relu),
                (padded, Linear),
                (ConvSpec::plain(32, 32, 4), ReluAvgPool),
                (ConvSpec::plain(3, 32, 4), ReluAvgPool),
                (strided, Relu),
                (strided, ReluAvgPool),
                (ConvSpec::plain(64, 32, 1), Linear),
            ] {
                let problem = Problem::new(case(spec, activation, [images, 19, 22]));
                assert_batch_equals_images(&problem, threads);
            }
        }
    }
}
