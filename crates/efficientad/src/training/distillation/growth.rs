//! A small teacher as the beginning of a medium one, which has the same field of view, wider layers, and two more, 1×1.

use efficientad_engine::{
    ConvSpec, ConvWeights, PdnSize, Purpose, Random, TEACHER_CHANNELS, Weights, pdn_layers,
};

/// What is added to features so that they pass the medium network's last ReLU, and taken away behind
/// it: two standard deviations of the targets.
const SHIFT: f32 = 2.0;

/// Weights of the medium network that describes photos as the small one of these `weights` does, but
/// for features below −[`SHIFT`], which become that. Channels that the small one lacks are random, and
/// its own ignore them until they have learned not to.
pub(super) fn grown(weights: &Weights, seed: u64) -> Weights {
    let small_layers = pdn_layers(PdnSize::Small, TEACHER_CHANNELS);
    let layers = pdn_layers(PdnSize::Medium, TEACHER_CHANNELS);
    let mut random = Random::new(seed, Purpose::TeacherWeights, 0);
    let mut medium = Weights::initialized(&layers, &mut random);
    for (small, layer) in [(0, 0), (1, 1), (2, 3), (3, 4)] {
        let (wide, narrow) = (&layers[layer].conv, &small_layers[small].conv);
        embed(&mut medium.0[layer], wide, &weights.0[small], narrow);
    }
    let [.., features, last] = &mut medium.0[..] else { unreachable!("it has six layers") };
    features.bias.iter_mut().for_each(|bias| *bias += SHIFT);
    *last = identity(TEACHER_CHANNELS, -SHIFT);
    medium.0[2] = identity(layers[2].conv.out_channels, 0.0);
    medium
}

/// Makes the first channels of a layer those of a `narrow` one of the same kernel, which ignore the
/// inputs that the narrow one does not have.
fn embed(wide: &mut ConvWeights, wide_spec: &ConvSpec, narrow: &ConvWeights, spec: &ConvSpec) {
    for tap in 0..spec.kernel * spec.kernel {
        for input in 0..wide_spec.in_channels {
            let row = (tap * wide_spec.in_channels + input) * wide_spec.out_channels;
            let row = &mut wide.weight[row..][..spec.out_channels];
            if input < spec.in_channels {
                let narrow_row = (tap * spec.in_channels + input) * spec.out_channels;
                row.copy_from_slice(&narrow.weight[narrow_row..][..spec.out_channels]);
            } else {
                row.fill(0.0);
            }
        }
    }
    wide.bias[..spec.out_channels].copy_from_slice(&narrow.bias);
}

/// A 1×1 layer that adds `bias`.
fn identity(channels: usize, bias: f32) -> ConvWeights {
    let mut weight = vec![0.0; channels * channels];
    weight.iter_mut().step_by(channels + 1).for_each(|diagonal| *diagonal = 1.0);
    ConvWeights { weight, bias: vec![bias; channels] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teacher::Teacher;
    use efficientad_engine::{InspectionEngine, Shape, Tensor};
    use efficientad_engine_cpu::{CpuEngine, InstructionSet};

    #[test]
    fn a_grown_teacher_says_what_the_small_one_says() {
        let mut random = Random::new(0, Purpose::Augmentation, 0);
        let shape = Shape { images: 1, height: 64, width: 64, channels: 3 };
        let mut image = Tensor::zeros(shape);
        image.data_mut().fill_with(|| random.between(-2.0, 2.0));
        let engine = CpuEngine::new(1, InstructionSet::best()).unwrap();
        let features_of = |size, weights: &Weights| {
            let teacher = engine.prepare_teacher(size, weights).unwrap();
            teacher.describe(image.view()).unwrap().data().to_vec()
        };
        let small = Teacher::embedded(PdnSize::Small).unwrap().weights;
        let expected = features_of(PdnSize::Small, &small);
        let found = features_of(PdnSize::Medium, &grown(&small, 1));
        assert_eq!(expected.len(), found.len());
        for (expected, found) in expected.iter().zip(&found) {
            assert!((expected.max(-SHIFT) - found).abs() < 1e-4, "{expected} {found}");
        }
        let passed = expected.iter().filter(|&&feature| feature > -SHIFT).count();
        assert!(2 * passed > expected.len(), "{passed} of {}", expected.len());
    }
}
