//! Random numbers that depend on a seed, a purpose and an index alone, so that work can start anywhere.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for: each purpose has its own.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Initial weights of the student.
    StudentWeights,
    /// Initial weights of the autoencoder.
    AutoencoderWeights,
    /// Order of the images in an epoch.
    ImageOrder,
    /// Jitter of a step's image, and whether its photo becomes grey.
    Augmentation,
    /// Dropout of a step, by layer.
    Dropout(u8),
    /// The part of a step's image that the networks see.
    Window,
    /// How a step's image is flipped and shifted.
    Pose,
    /// Initial weights of a teacher that is distilled.
    TeacherWeights,
    /// Order of the samples in an epoch of distillation.
    SampleOrder,
}

/// A stream of random numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    /// Numbers for a purpose; `index` tells, say, steps apart.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let tag = match purpose {
            Purpose::StudentWeights => [0, 0],
            Purpose::AutoencoderWeights => [1, 0],
            Purpose::ImageOrder => [2, 0],
            Purpose::Augmentation => [3, 0],
            Purpose::Dropout(layer) => [4, layer],
            Purpose::Window => [5, 0],
            Purpose::TeacherWeights => [6, 0],
            Purpose::SampleOrder => [7, 0],
            Purpose::Pose => [8, 0],
        };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..10].copy_from_slice(&tag);
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(index);
        Self(generator)
    }

    /// Skips to the `block`-th block of `bytes` bytes (a multiple of 4).
    pub fn skip_to_block(&mut self, block: usize, bytes: usize) {
        self.0.set_word_pos((block * bytes / 4) as u128);
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Uniform in [0, 1), in steps of 2⁻²⁴.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `limit`, without noticeable bias.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.0.next_u64()) * limit as u128) >> 64) as usize
    }

    /// The numbers below `len` in random order.
    pub fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for i in (1..len).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_purpose_and_index() {
        let first = |seed, purpose, index| Random::new(seed, purpose, index).below(1 << 30);
        let base = first(1, Purpose::ImageOrder, 0);
        assert_eq!(base, first(1, Purpose::ImageOrder, 0));
        assert_ne!(base, first(2, Purpose::ImageOrder, 0));
        assert_ne!(base, first(1, Purpose::Augmentation, 0));
        assert_ne!(base, first(1, Purpose::ImageOrder, 1));
        assert_ne!(first(1, Purpose::Dropout(1), 0), first(1, Purpose::Dropout(2), 0));
    }

    #[test]
    fn blocks_are_parts_of_the_same_stream() {
        let mut whole = [0; 64];
        Random::new(5, Purpose::Dropout(0), 9).fill(&mut whole);
        let mut block = [0; 16];
        let mut random = Random::new(5, Purpose::Dropout(0), 9);
        random.skip_to_block(2, 16);
        random.fill(&mut block);
        assert_eq!(block, whole[32..48]);
    }

    #[test]
    fn a_permutation_has_every_number_once() {
        let mut order = Random::new(3, Purpose::ImageOrder, 0).permutation(50);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
