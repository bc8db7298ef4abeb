//! Samples of more than 8 bits as 8 bits.

use crate::error::ImageError;

/// How 16-bit samples become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The high byte; the samples fill their 16 bits.
    Full,
    /// Scaled from 0 … 2^bits − 1 to 0 … 255.
    Used(u8),
}

impl Depth {
    /// # Errors
    /// [`ImageError::UsedBits`] for more than 16 bits, or none.
    pub(crate) fn new(bits: Option<u8>) -> Result<Self, ImageError> {
        match bits {
            None => Ok(Self::Full),
            Some(bits @ 1..=16) => Ok(Self::Used(bits)),
            Some(bits) => Err(ImageError::UsedBits { bits }),
        }
    }

    /// Refuses samples above the range.
    ///
    /// # Errors
    /// [`ImageError::AboveBits`].
    pub(crate) fn check(
        self,
        mut samples: impl Iterator<Item = u16>,
        name: &str,
    ) -> Result<(), ImageError> {
        let Self::Used(bits) = self else { return Ok(()) };
        let name = || name.to_owned();
        match samples.find(|&sample| u32::from(sample) > largest(bits)) {
            Some(sample) => Err(ImageError::AboveBits { name: name(), bits, sample }),
            None => Ok(()),
        }
    }

    /// The byte of a sample that [`check`](Self::check) lets pass.
    pub(crate) fn to_byte(self, sample: u16) -> u8 {
        match self {
            Self::Full => (sample >> 8) as u8,
            Self::Used(bits) => {
                let largest = largest(bits);
                ((u32::from(sample) * 255 + largest / 2) / largest).min(255) as u8
            }
        }
    }
}

fn largest(bits: u8) -> u32 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_bits_fill_a_byte() {
        let depth = Depth::new(Some(12)).unwrap();
        assert_eq!(
            [0, 8, 9, 2048, 4086, 4087, 4095].map(|v| depth.to_byte(v)),
            [0, 0, 1, 128, 254, 255, 255]
        );
        assert!(depth.check([0, 4095].into_iter(), "a.png").is_ok());
        let error = depth.check([0, 4096, 9].into_iter(), "a.png").unwrap_err();
        assert!(matches!(error, ImageError::AboveBits { bits: 12, sample: 4096, .. }), "{error}");
        assert!(error.to_string().starts_with("a.png: "), "{error}");
    }

    #[test]
    fn every_depth_reaches_from_0_to_255() {
        for bits in 1..=16 {
            let depth = Depth::new(Some(bits)).unwrap();
            assert_eq!((depth.to_byte(0), depth.to_byte(largest(bits) as u16)), (0, 255));
        }
        for bits in [0, 17, 255] {
            assert!(matches!(Depth::new(Some(bits)), Err(ImageError::UsedBits { .. })));
        }
    }
}
