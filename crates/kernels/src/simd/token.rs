//! The proof that this CPU can run an instruction set.

#[cfg(target_arch = "aarch64")]
use super::neon;
use super::{InstructionSet, Kernel, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// An instruction set that was detected on this CPU: only [`SimdToken::detect`] makes one, and
/// nothing else enters code compiled for an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SimdToken(InstructionSet);

impl SimdToken {
    /// The token of `set`; `None` if this CPU cannot run it.
    pub(crate) fn detect(set: InstructionSet) -> Option<Self> {
        set.is_available().then_some(Self(set))
    }

    /// The instruction set.
    pub(crate) fn instruction_set(self) -> InstructionSet {
        self.0
    }

    /// Runs `kernel`, compiled for the instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            InstructionSet::Portable => kernel.run(portable::Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detect`, which made this token, found AVX2 and FMA.
            InstructionSet::Avx2 => unsafe { avx2::run(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `detect`, which made this token, found AVX-512F, AVX2 and FMA.
            InstructionSet::Avx512 => unsafe { avx512::run(kernel) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: NEON is part of every AArch64 CPU that Rust's targets name.
            InstructionSet::Neon => unsafe { neon::run(kernel) },
        }
    }
}

#[cfg(test)]
impl SimdToken {
    /// Every instruction set that this CPU can run, the fastest first.
    pub(crate) fn available() -> Vec<Self> {
        InstructionSet::available().into_iter().filter_map(Self::detect).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn what_the_cpu_lacks_has_no_token() {
        use InstructionSet::{Avx2, Avx512, Portable};
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = avx2 && is_x86_feature_detected!("avx512f");
        for (set, has) in [(Portable, true), (Avx2, avx2), (Avx512, avx512)] {
            let token = SimdToken::detect(set);
            assert_eq!(token.map(SimdToken::instruction_set), has.then_some(set));
        }
    }
}
