//! AArch64 NEON: two registers of 4 floats as one vector of 8; 32 registers.

use super::{Kernel, Simd};
use std::arch::aarch64::*;

/// Proof that the CPU has NEON; made only by [`run`].
#[derive(Clone, Copy)]
pub(super) struct Neon(());

/// Runs `kernel` compiled for NEON.
///
/// # Safety
/// The CPU must have NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

/// Applies an intrinsic of two operands to both halves.
macro_rules! both {
    ($op:ident, $a:expr, $b:expr) => {
        float32x4x2_t($op($a.0, $b.0), $op($a.1, $b.1))
    };
}

impl Simd for Neon {
    type Vector = float32x4x2_t;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> float32x4x2_t {
        // SAFETY: the caller promises `LANES` readable floats; `self` proves NEON.
        unsafe { float32x4x2_t(vld1q_f32(source), vld1q_f32(source.add(4))) }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, value: float32x4x2_t) {
        // SAFETY: the caller promises `LANES` writable floats; `self` proves NEON.
        unsafe {
            vst1q_f32(target, value.0);
            vst1q_f32(target.add(4), value.1);
        }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { float32x4x2_t(vdupq_n_f32(value), vdupq_n_f32(value)) }
    }
    #[inline(always)]
    fn add(self, a: float32x4x2_t, b: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { both!(vaddq_f32, a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4x2_t, b: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { both!(vsubq_f32, a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4x2_t, b: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { both!(vmulq_f32, a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4x2_t, b: float32x4x2_t, c: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { float32x4x2_t(vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1)) }
    }
    #[inline(always)]
    fn relu(self, a: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { both!(vmaxq_f32, a, self.splat(0.0)) }
    }
    #[inline(always)]
    fn div(self, a: float32x4x2_t, b: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { both!(vdivq_f32, a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `self` proves NEON.
        unsafe { float32x4x2_t(vsqrtq_f32(a.0), vsqrtq_f32(a.1)) }
    }
    #[inline(always)]
    fn positive_lanes(self, a: float32x4x2_t) -> u16 {
        // SAFETY: `weights` is loaded from four integers; `self` proves NEON.
        unsafe {
            let weights = vld1q_u32([1, 2, 4, 8].as_ptr());
            let low = vaddvq_u32(vandq_u32(vcgtzq_f32(a.0), weights));
            let high = vaddvq_u32(vandq_u32(vcgtzq_f32(a.1), weights));
            (low | high << 4) as u16
        }
    }
    #[inline(always)]
    fn keep_lanes(self, bits: u16, a: float32x4x2_t) -> float32x4x2_t {
        // SAFETY: `weights` is loaded from four integers; `self` proves NEON.
        unsafe {
            let weights = vld1q_u32([1, 2, 4, 8].as_ptr());
            let keep = |bits: u16, half: float32x4_t| {
                let set = vtstq_u32(vdupq_n_u32(u32::from(bits)), weights);
                vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(half), set))
            };
            float32x4x2_t(keep(bits, a.0), keep(bits >> 4, a.1))
        }
    }
}
