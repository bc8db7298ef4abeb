//! One small trait over the vector units, and one way to enter code compiled for each of them.
//!
//! A [`Kernel`] is written once, generic over [`Simd`]; [`InstructionSet::run`] compiles it for
//! every instruction set the target architecture has and calls the one chosen at run time.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

use std::fmt;
use std::str::FromStr;

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

    /// Runs `kernel`, compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Portable => kernel.run(portable::Portable),
            // SAFETY (both): `Cpu`, the only owner of an instruction set in use, checks availability.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::run(kernel) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::run(kernel) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: NEON is part of every AArch64 CPU that Rust's targets name.
            Self::Neon => unsafe { neon::run(kernel) },
        }
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
