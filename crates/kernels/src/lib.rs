//! Convolutions and their exact gradients on CPUs: Winograd, SIMD, threads.
//!
//! Maps are batches of images × height × width × channels, channels innermost, in `f32`. Nothing in
//! here knows what the maps mean. Every kernel is written once over a small vector trait and
//! compiled for AVX-512, AVX2 with FMA, NEON and plain Rust; the choice is made at run time.
//! Results depend on the instruction set (by rounding) and on nothing else: not on the number of
//! threads and not on their timing.

/// Lets the tests in here and those in `tests` share a module.
#[cfg(test)]
extern crate self as efficientad_kernels;

mod activation;
mod adam;
mod conv2d;
mod cpu;
mod gemm;
mod im2col;
mod muon;
#[cfg(test)]
#[path = "../tests/reference/mod.rs"]
mod reference;
mod resize;
mod simd;
mod tensor;
mod winograd;

pub use activation::Activation;
pub use adam::{Adam, Moments, NEGLIGIBLE_MEAN, NEGLIGIBLE_WEIGHT};
pub use conv2d::{
    BackwardPass, CHANNEL_MULTIPLE, Conv2d, Conv2dGradient, ConvSpec, ForwardPass, Workspace,
    hwio_from_oihw, oihw_from_hwio,
};
pub use cpu::{Cpu, CpuError, Threads, ThreadsError};
pub use muon::Muon;
pub use resize::{Taps, bilinear_taps, resize_bilinear, resize_bilinear_adjoint};
pub use simd::InstructionSet;
pub use tensor::{Buffer, Shape, SignMask, Tensor, TensorView, TensorViewMut};
