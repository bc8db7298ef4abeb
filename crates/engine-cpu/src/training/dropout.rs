//! Dropout after ReLU, drawn anew for every step.

use efficientad_engine::Dropout;
use efficientad_kernels::Cpu;

/// Values that one task draws for.
const CHUNK: usize = 1 << 15;

/// Drops values of `layer`'s output after ReLU and scales the others. The sign bits of dropped values
/// are cleared, so that the backward pass stops there as it does for ReLU.
pub(crate) fn apply(dropout: Dropout, cpu: &Cpu, layer: u8, output: &mut [f32], signs: &mut [u8]) {
    let kept = cpu.map_chunks(output, CHUNK, |chunk, output| {
        let mut kept = vec![0_u8; output.len().div_ceil(8)];
        let values = output.iter_mut().zip(dropout.kept(layer, chunk, CHUNK));
        for (i, (value, keep)) in values.enumerate() {
            *value = if keep { *value * Dropout::KEPT_SCALE } else { 0.0 };
            kept[i / 8] |= u8::from(keep) << (i % 8);
        }
        kept
    });
    for (signs, kept) in signs.iter_mut().zip(kept.iter().flatten()) {
        *signs &= kept;
    }
}

/// The backward pass of the scaling; what was dropped is stopped by the cleared signs.
pub(crate) fn scale_gradient(cpu: &Cpu, gradient: &mut [f32]) {
    cpu.for_each_chunk(gradient, CHUNK, |_, gradient| {
        gradient.iter_mut().for_each(|value| *value *= Dropout::KEPT_SCALE);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_kernels::InstructionSet;

    fn dropped(threads: usize, step: u64) -> (Vec<f32>, Vec<u8>) {
        let cpu = Cpu::new(threads, InstructionSet::best()).unwrap();
        let mut output = vec![2.0; 100_000];
        let mut signs = vec![0xFF; 100_000 / 8];
        apply(Dropout { seed: 7, step }, &cpu, 1, &mut output, &mut signs);
        (output, signs)
    }

    #[test]
    fn a_fifth_is_dropped_and_the_signs_follow() {
        let (output, signs) = dropped(1, 0);
        let zeros = output.iter().filter(|&&value| value == 0.0).count();
        assert!((19_500..20_500).contains(&zeros), "{zeros} of 100000 dropped");
        for (i, value) in output.iter().enumerate() {
            let bit = signs[i / 8] >> (i % 8) & 1;
            assert_eq!((*value, bit), if *value == 0.0 { (0.0, 0) } else { (2.5, 1) });
        }
    }

    #[test]
    fn dropout_depends_on_the_step_and_not_on_threads() {
        assert!(dropped(1, 3) == dropped(3, 3));
        assert!(dropped(1, 3) != dropped(1, 4));
    }
}
