//! AVX2 with FMA: 8 floats a vector, 16 registers.

use super::{Kernel, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA; made only by [`run`].
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Runs `kernel` compiled for AVX2 and FMA.
///
/// # Safety
/// The CPU must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> __m256 {
        // SAFETY: the caller promises `LANES` readable floats; `self` proves AVX2 and FMA.
        unsafe { _mm256_loadu_ps(source) }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, value: __m256) {
        // SAFETY: the caller promises `LANES` writable floats; `self` proves AVX2 and FMA.
        unsafe { _mm256_storeu_ps(target, value) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        // SAFETY: a prefetch does not access memory, whatever the address; `self` proves SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[inline(always)]
    fn prefetch_to_second_level(self, address: *const f32) {
        // SAFETY: a prefetch does not access memory, whatever the address; `self` proves SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }
    #[inline(always)]
    fn relu(self, a: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    fn positive_lanes(self, a: __m256) -> u16 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(a, _mm256_setzero_ps());
            _mm256_movemask_ps(above) as u16
        }
    }
    #[inline(always)]
    fn keep_lanes(self, bits: u16, a: __m256) -> __m256 {
        // SAFETY: `self` proves AVX2 and FMA.
        unsafe {
            let lane_bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(i32::from(bits)), lane_bit);
            let keep = _mm256_cmpeq_epi32(set, lane_bit);
            _mm256_and_ps(a, _mm256_castsi256_ps(keep))
        }
    }
}
