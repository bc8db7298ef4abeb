//! One small trait over the vector units, and one way to enter code compiled for each of them.
//!
//! A [`Kernel`] is written once, generic over [`Simd`]; [`SimdToken::run`] compiles it for every
//! instruction set the target architecture has and calls the one detected at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod token;

use std::fmt;
use std::str::FromStr;
pub(crate) use token::SimdToken;

/// Floats of the widest vector.
pub(crate) const MAX_LANES: usize = 16;

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

/// A vector unit. A value of an implementing type proves that the CPU has it.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A register (or pair of registers) of [`Self::LANES`] floats.
    type Vector: Copy;
    /// Floats per vector: 8 or 16.
    const LANES: usize;
    /// Rows of the matrix product's register tile; with two vectors per row it fills the registers.
    const ROWS: usize;

    /// Loads `LANES` floats.
    ///
    /// # Safety
    /// `source` must be readable for `LANES` floats.
    unsafe fn load(self, source: *const f32) -> Self::Vector;
    /// Stores `LANES` floats.
    ///
    /// # Safety
    /// `target` must be writable for `LANES` floats.
    unsafe fn store(self, target: *mut f32, value: Self::Vector);
    /// Stores `LANES` floats that will not be read soon past the caches, where the CPU can write
    /// whole lines so.
    ///
    /// # Safety
    /// `target` must be writable for `LANES` floats and aligned to `LANES` floats, and
    /// [`Self::fence_nontemporal`] must follow on the same thread before another one reads them.
    #[inline(always)]
    unsafe fn store_nontemporal(self, target: *mut f32, value: Self::Vector) {
        // SAFETY: the caller promises `LANES` writable floats.
        unsafe { self.store(target, value) }
    }
    /// Orders all earlier stores of [`Self::store_nontemporal`] before all later stores.
    #[inline(always)]
    fn fence_nontemporal(self) {}
    /// `value` in every lane.
    fn splat(self, value: f32) -> Self::Vector;
    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a - b`.
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a · b`.
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a · b + c`, fused where the CPU can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Prefetches the cache line of `address`, which need not be valid, into the first-level cache.
    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}
    /// The same into the second-level cache.
    #[inline(always)]
    fn prefetch_to_second_level(self, _address: *const f32) {}
    /// `max(a, 0)`; NaN stays NaN.
    fn relu(self, a: Self::Vector) -> Self::Vector;
    /// `a / b`.
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The square root of each lane.
    fn sqrt(self, a: Self::Vector) -> Self::Vector;
    /// Bit `i` tells whether lane `i` is above zero.
    fn positive_lanes(self, a: Self::Vector) -> u16;
    /// `a` where the lane's bit is set, zero elsewhere.
    fn keep_lanes(self, bits: u16, a: Self::Vector) -> Self::Vector;
}

/// Work that can be compiled for any vector unit.
pub(crate) trait Kernel {
    /// What the work yields.
    type Output;
    /// Does the work. Implementations and all they call must be `#[inline(always)]`, or they are
    /// compiled for the baseline CPU.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The vector instructions that the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// Plain Rust on arrays of eight floats; the reference for all others.
    Portable,
    /// x86-64 with AVX2 and FMA: 8 floats a vector.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512F: 16 floats a vector.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AArch64 NEON: two registers of 4 floats as one vector.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl InstructionSet {
    /// Every instruction set that this CPU can run, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            sets.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f") {
                sets.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        sets.push(Self::Neon);
        sets.reverse();
        sets
    }

    /// The fastest instruction set of this CPU.
    pub fn best() -> Self {
        Self::available()[0]
    }

    /// Whether this CPU can run it.
    pub fn is_available(self) -> bool {
        Self::available().contains(&self)
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        })
    }
}

impl FromStr for InstructionSet {
    type Err = String;

    /// Reads a name as printed by `Display`.
    ///
    /// # Errors
    /// Names the instruction sets of this CPU when `name` is none of them.
    fn from_str(name: &str) -> Result<Self, String> {
        let available = Self::available();
        available.iter().copied().find(|set| set.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = available.iter().map(ToString::to_string).collect();
            format!("this CPU has no instruction set {name:?}; it has {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation of the trait on 16 floats.
    struct Operations<'a> {
        inputs: &'a [[f32; 16]; 3],
        keep: u16,
    }

    impl Kernel for Operations<'_> {
        type Output = (Vec<[f32; 16]>, u16);

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let mut results = vec![[f32::MAX; 16]; 9];
            let mut positive = 0;
            for at in (0..16).step_by(S::LANES) {
                // SAFETY: `at + LANES <= 16`, the length of every array.
                unsafe {
                    let [a, b, c] = self.inputs.each_ref().map(|x| simd.load(x.as_ptr().add(at)));
                    let values = [
                        simd.add(a, b),
                        simd.sub(a, b),
                        simd.mul(a, b),
                        simd.mul_add(a, b, c),
                        simd.relu(a),
                        simd.div(a, b),
                        simd.sqrt(a),
                        simd.keep_lanes(self.keep >> at, a),
                        simd.splat(self.inputs[0][3]),
                    ];
                    for (result, value) in results.iter_mut().zip(values) {
                        simd.store(result.as_mut_ptr().add(at), value);
                    }
                    positive |= simd.positive_lanes(a) << at;
                }
            }
            (results, positive)
        }
    }

    #[test]
    fn operations_agree_with_plain_rust() {
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1.5,
            -2.75,
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
            -f32::MIN_POSITIVE,
            1e-41,
            -1e-41,
            1e38,
            3.3,
        ];
        for turn in 0..16 {
            let mut a = special;
            a.rotate_left(turn);
            let mut c = special;
            c.rotate_right(3 * turn % 16);
            let inputs = [a, special, c];
            for keep in (0..=u16::MAX).step_by(if turn == 0 { 1 } else { 257 }) {
                let run = |token: SimdToken| token.run(Operations { inputs: &inputs, keep });
                let portable = SimdToken::detect(InstructionSet::Portable).unwrap();
                let (expected, positive) = run(portable);
                for token in SimdToken::available() {
                    let set = token.instruction_set();
                    let (got, bits) = run(token);
                    assert_eq!(bits, positive, "{set} positive {a:?}");
                    for (op, (got, expected)) in got.iter().zip(&expected).enumerate() {
                        for i in 0..16 {
                            let mut e = expected[i];
                            if op == 3 && set != InstructionSet::Portable {
                                e = inputs[0][i].mul_add(inputs[1][i], inputs[2][i]);
                            }
                            let g = got[i];
                            assert!(
                                g == e || g.is_nan() && e.is_nan(),
                                "{set} op {op} lane {i}: {g} for {e} of {a:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
