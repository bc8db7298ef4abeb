//! The limits of the method: blocks of tiles, parts of blocks, weights stored past the caches.

use super::*;
use crate::conv2d::Conv2d;
use crate::reference::{Case, Problem, assert_agrees, bits, case, config, workspace};
use crate::simd::InstructionSet;
use proptest::prelude::*;

#[test]
fn groups_of_panels_are_as_large_as_the_threads_allow() {
    assert_eq!(panel_groups(12, 1, 1), [0..4, 4..8, 8..12]);
    assert_eq!(panel_groups(12, 1, 2), [0..3, 3..6, 6..9, 9..12]);
    assert_eq!(panel_groups(8, 5, 2), [0..4, 4..8]);
    assert_eq!(panel_groups(3, 1, 16), [0..1, 1..2, 2..3]);
}

/// Kernel and activation of each kind of tile.
fn kind() -> impl Strategy<Value = (usize, Activation)> {
    use Activation::{Linear, Relu, ReluAvgPool};
    prop_oneof![
        Just((3, Linear)),
        Just((3, Relu)),
        Just((4, Linear)),
        Just((4, Relu)),
        Just((4, ReluAvgPool)),
    ]
}

fn winograd(case: &Case) -> Winograd {
    Winograd::for_spec(&case.spec, case.activation).expect("a convolution of this method")
}

/// How many blocks of tiles the forward and the backward pass take.
fn count_blocks(case: &Case) -> [usize; 2] {
    let winograd = winograd(case);
    let tiles = winograd.grid(case.input).tiles();
    let inputs = case.spec.in_channels;
    [inputs, inputs + case.channels.len()].map(|channels| winograd.blocks(&tiles, channels).count())
}

/// How many parts the first block of the forward pass is cut into.
fn count_parts(case: &Case) -> usize {
    let winograd = winograd(case);
    let tiles = winograd.grid(case.input).tiles();
    let block = winograd.blocks(&tiles, case.spec.in_channels).next().expect("a block");
    winograd.parts(block.len()).len()
}

/// Cases of more tiles than a block takes: so many images that each needs few locations.
fn many_tiles() -> impl Strategy<Value = Case> {
    let sizes = (1..=2usize, 1..=9usize, any::<bool>());
    (kind(), sizes, 0..=1usize, 0..30usize).prop_map(
        |((kernel, activation), (short, long, upright), padding, more)| {
            let least = if activation == Activation::ReluAvgPool { 2 } else { 1 };
            let output = [short.max(least), long.max(least)];
            let [short, long] = output.map(|size| size + kernel - 1 - 2 * padding);
            let (height, width) = if upright { (long, short) } else { (short, long) };
            let spec = ConvSpec { padding, ..ConvSpec::plain(96, 32, kernel) };
            let one_image = case(spec, activation, [1, height, width]);
            let per_image = winograd(&one_image).grid(one_image.input).tiles().len();
            let images = 820usize.div_ceil(per_image) + more;
            case(spec, activation, [images, height, width])
        },
    )
}

/// Cases of more weights than are kept in the caches.
fn many_weights() -> impl Strategy<Value = Case> {
    let channels =
        prop_oneof![Just((160, 192)), Just((192, 160)), Just((288, 96)), Just((96, 288))];
    let size = (1..=2usize, 4..=11usize, 4..=11usize);
    (kind(), channels, size, 0..=2usize).prop_map(
        |((kernel, activation), (inputs, outputs), (images, height, width), padding)| {
            let spec = ConvSpec { padding, ..ConvSpec::plain(inputs, outputs, kernel) };
            let least = if activation == Activation::ReluAvgPool { kernel + 1 } else { kernel };
            case(spec, activation, [images, height.max(least), width.max(least)])
        },
    )
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn several_blocks_agree_with_the_definition(case in many_tiles(), threads in 1..=2usize) {
        let [forward, backward] = count_blocks(&case);
        prop_assert!(forward > 1 && backward > 1, "{forward} and {backward} blocks");
        prop_assert!(count_parts(&case) > 1);
        assert_agrees(&Problem::new(case), threads);
    }

    #[test]
    fn weights_stored_past_the_caches_agree_with_the_definition(
        case in many_weights(),
        threads in 1..=2usize,
    ) {
        let winograd = winograd(&case);
        prop_assert!(winograd.channels.is_stored_past_caches(winograd.points()));
        assert_agrees(&Problem::new(case), threads);
    }
}

#[test]
fn a_batch_of_several_blocks_equals_single_images() {
    let case = case(ConvSpec::plain(64, 32, 4), Activation::Linear, [5, 108, 115]);
    assert!(count_blocks(&case)[0] > 1);
    let problem = Problem::new(case);
    for set in InstructionSet::available() {
        for threads in 1..=2 {
            let mut workspace = workspace(threads, set);
            let conv: Conv2d = problem.conv(workspace.cpu());
            let (output, signs) = problem.forward(&mut workspace, &conv);
            let single: Vec<_> = (0..problem.case.input.images)
                .map(|i| problem.image(i).forward(&mut workspace, &conv))
                .collect();
            let outputs: Vec<_> = single.iter().flat_map(|(one, _)| bits(one.data())).collect();
            assert!(bits(output.data()) == outputs, "{set}, {threads} threads");
            let all: Vec<_> = single.iter().flat_map(|(_, one)| one.bytes().to_vec()).collect();
            assert!(signs.bytes() == all, "signs on {set}, {threads} threads");
        }
    }
}
