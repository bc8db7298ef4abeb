//! Which values dropout drops: every engine the same.

use crate::random::{Purpose, Random};

/// A value is dropped when its 16 random bits fall below this: probability 0.2 to 3e-6.
const DROP_BELOW: u16 = 13_107;

/// Dropout after the ReLU of the decoder's first six layers, with probability 0.2: which values are
/// dropped is drawn from seed, step and layer ([`Purpose::Dropout`]), 16 bits a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropout {
    /// Seed of the training.
    pub seed: u64,
    /// Step, counted from 0.
    pub step: u64,
}

impl Dropout {
    /// What is kept is multiplied by this, so that its expectation stays.
    pub const KEPT_SCALE: f32 = 1.0 / 0.8;

    /// Which values of a layer's output (counted from the first that dropout follows; rows × columns
    /// × channels) are kept: the `block`-th `len` of them. `len` is even.
    pub fn kept(self, layer: u8, block: usize, len: usize) -> impl Iterator<Item = bool> {
        let mut random = Random::new(self.seed, Purpose::Dropout(layer), self.step);
        random.skip_to_block(block, 2 * len);
        let mut bytes = vec![0; 2 * len];
        random.fill(&mut bytes);
        (0..len).map(move |i| u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]) >= DROP_BELOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_parts_of_one_series() {
        let dropout = Dropout { seed: 7, step: 3 };
        let whole: Vec<bool> = dropout.kept(1, 0, 4000).collect();
        let parts: Vec<bool> = (0..4).flat_map(|block| dropout.kept(1, block, 1000)).collect();
        assert_eq!(whole, parts);
        let dropped = whole.iter().filter(|&&kept| !kept).count();
        assert!((700..900).contains(&dropped), "{dropped} of 4000 dropped");
    }
}
