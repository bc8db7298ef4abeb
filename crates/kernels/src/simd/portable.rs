//! Plain Rust on arrays of eight floats: runs everywhere, and is what the others are tested against.

use super::Simd;
use std::array::from_fn;

/// The vector unit that every CPU has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

type Lanes = [f32; 8];

impl Simd for Portable {
    type Vector = Lanes;
    const LANES: usize = 8;
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> Lanes {
        // SAFETY: the caller promises `LANES` readable floats; an array is aligned as its elements.
        unsafe { source.cast::<Lanes>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, target: *mut f32, value: Lanes) {
        // SAFETY: the caller promises `LANES` writable floats; an array is aligned as its elements.
        unsafe { target.cast::<Lanes>().write(value) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Lanes {
        [value; 8]
    }
    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn relu(self, a: Lanes) -> Lanes {
        from_fn(|i| if a[i] < 0.0 { 0.0 } else { a[i] })
    }
    #[inline(always)]
    fn div(self, a: Lanes, b: Lanes) -> Lanes {
        from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn sqrt(self, a: Lanes) -> Lanes {
        from_fn(|i| a[i].sqrt())
    }
    #[inline(always)]
    fn positive_lanes(self, a: Lanes) -> u16 {
        (0..8).fold(0, |bits, i| bits | u16::from(a[i] > 0.0) << i)
    }
    #[inline(always)]
    fn keep_lanes(self, bits: u16, a: Lanes) -> Lanes {
        from_fn(|i| if bits >> i & 1 == 1 { a[i] } else { 0.0 })
    }
}
