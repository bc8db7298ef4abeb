//! Batches of feature maps in memory: images × height × width × channels, channels innermost.

use crate::cpu::Disjoint;
use crate::simd::{LINE, Simd};
use bytemuck::{Pod, Zeroable};
use std::ops::{Deref, DerefMut, Range};

/// A cache line of floats.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const _: () = assert!(align_of::<Line>() == LINE * size_of::<f32>());

/// Floats aligned to cache lines.
#[derive(Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: bytemuck::zeroed_vec(len.div_ceil(LINE)), len }
    }

    /// Makes room for at least `len` floats; contents are lost.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Self::zeros(len);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// The shape of a batch of feature maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Shape {
    /// Number of images.
    pub images: usize,
    /// Rows of each map.
    pub height: usize,
    /// Columns of each map.
    pub width: usize,
    /// Channels of each location.
    pub channels: usize,
}

impl Shape {
    /// Floats of one image.
    pub fn image_len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Floats in all.
    pub fn len(self) -> usize {
        self.images * self.image_len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Locations in all: images × height × width.
    pub fn locations(self) -> usize {
        self.images * self.height * self.width
    }
}

/// A batch of feature maps, images × height × width × channels with channels innermost.
#[derive(Clone, Default)]
pub struct Tensor {
    shape: Shape,
    data: Buffer,
}

/// Images of a [`Tensor`], read only.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    /// Shape of the images in view.
    pub shape: Shape,
    /// Their floats.
    pub data: &'a [f32],
}

/// Images of a [`Tensor`], to be written.
pub struct TensorViewMut<'a> {
    /// Shape of the images in view.
    pub shape: Shape,
    /// Their floats.
    pub data: &'a mut [f32],
}

impl Tensor {
    /// Zeros of the given shape.
    pub fn zeros(shape: Shape) -> Self {
        Self { shape, data: Buffer::zeros(shape.len()) }
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All floats.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All floats, to be changed.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Some of the images.
    ///
    /// # Panics
    /// When `images` goes beyond the batch.
    pub fn images(&self, images: Range<usize>) -> TensorView<'_> {
        let len = self.shape.image_len();
        TensorView {
            shape: Shape { images: images.len(), ..self.shape },
            data: &self.data[images.start * len..images.end * len],
        }
    }

    /// Some of the images, to be written.
    ///
    /// # Panics
    /// When `images` goes beyond the batch.
    pub fn images_mut(&mut self, images: Range<usize>) -> TensorViewMut<'_> {
        let len = self.shape.image_len();
        TensorViewMut {
            shape: Shape { images: images.len(), ..self.shape },
            data: &mut self.data[images.start * len..images.end * len],
        }
    }

    /// All images.
    pub fn view(&self) -> TensorView<'_> {
        self.images(0..self.shape.images)
    }

    /// All images, to be written.
    pub fn view_mut(&mut self) -> TensorViewMut<'_> {
        self.images_mut(0..self.shape.images)
    }
}

/// The signs of a batch of activations before ReLU: one bit a value, set where it was positive.
#[derive(Clone, Default)]
pub struct SignMask {
    bytes: Vec<u8>,
}

impl SignMask {
    /// Room for the signs of `values` activations.
    pub fn new(values: usize) -> Self {
        Self { bytes: vec![0; values.div_ceil(8)] }
    }

    /// The bits, eight values a byte, the first value in the lowest bit.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bits, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// Writes the signs of a vector of values, the first of which is number `value` of the mask (a
/// multiple of 8).
///
/// # Safety
/// No other task may write signs of these values at the same time.
#[inline(always)]
pub(crate) unsafe fn store_signs<S: Simd>(
    simd: S,
    signs: &Disjoint<'_, u8>,
    value: usize,
    vector: S::Vector,
) {
    let bits = simd.positive_lanes(vector).to_le_bytes();
    // SAFETY: the caller promises that no other task writes these signs, and their bytes hold none
    // of other vectors, as `value` and `LANES` are multiples of 8.
    let target = unsafe { signs.slice(value / 8, S::LANES / 8) };
    target.copy_from_slice(&bits[..S::LANES / 8]);
}

/// A vector of values where their signs are set, zero elsewhere; the first is number `value` of the
/// mask (a multiple of 8).
#[inline(always)]
pub(crate) fn keep_positive<S: Simd>(
    simd: S,
    signs: &[u8],
    value: usize,
    vector: S::Vector,
) -> S::Vector {
    let mut bits = [0; 2];
    bits[..S::LANES / 8].copy_from_slice(&signs[value / 8..value / 8 + S::LANES / 8]);
    simd.keep_lanes(u16::from_le_bytes(bits), vector)
}
