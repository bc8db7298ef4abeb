//! Samples of more than 8 bits as 8 bits.

use crate::error::ImageError;

/// How 16-bit samples become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// The bits stated by the caller.
    stated: Option<u8>,
    /// The largest sample that has a byte; the full 16 bits are taken by their high byte.
    largest: u16,
}

impl Depth {
    /// Of samples whose file, or format, lets them reach `declared`.
    ///
    /// # Errors
    /// [`ImageError::UsedBits`] for more than 16 bits, or none.
    pub(crate) fn new(stated: Option<u8>, declared: u16) -> Result<Self, ImageError> {
        let largest = match stated {
            None => declared,
            Some(bits @ 1..=16) => declared.min(u16::MAX >> (16 - bits)),
            Some(bits) => return Err(ImageError::UsedBits { bits }),
        };
        Ok(Self { stated, largest })
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
        let Self { stated: Some(bits), largest } = self else { return Ok(()) };
        match samples.find(|&sample| sample > largest) {
            Some(sample) => Err(ImageError::AboveBits { name: name.to_owned(), bits, sample }),
            None => Ok(()),
        }
    }

    /// The byte of a sample that [`check`](Self::check) lets pass.
    pub(crate) fn to_byte(self, sample: u16) -> u8 {
        if self.largest == u16::MAX {
            return (sample >> 8) as u8;
        }
        let largest = u32::from(self.largest);
        ((u32::from(sample) * 255 + largest / 2) / largest).min(255) as u8
    }
}

/// What floating point samples reach from and to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FloatRange {
    low: f32,
    high: f32,
}

impl FloatRange {
    /// # Errors
    /// [`ImageError::FloatRange`] for a range that is empty, reversed or not finite.
    pub(crate) fn new((low, high): (f32, f32)) -> Result<Self, ImageError> {
        if low < high && (high - low).is_finite() {
            return Ok(Self { low, high });
        }
        Err(ImageError::FloatRange { low, high })
    }

    /// # Errors
    /// [`ImageError::OutsideRange`], also for a sample that is no number.
    pub(crate) fn to_byte(self, sample: f32, name: &str) -> Result<u8, ImageError> {
        let Self { low, high } = self;
        if (low..=high).contains(&sample) {
            return Ok(((sample - low) / (high - low) * 255.0).round() as u8);
        }
        Err(ImageError::OutsideRange { name: name.to_owned(), low, high, sample })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_bits_fill_a_byte() {
        for depth in [Depth::new(Some(12), u16::MAX).unwrap(), Depth::new(None, 4095).unwrap()] {
            let bytes = [0, 8, 9, 2048, 4086, 4087, 4095].map(|v| depth.to_byte(v));
            assert_eq!(bytes, [0, 0, 1, 128, 254, 255, 255]);
        }
        let depth = Depth::new(Some(12), u16::MAX).unwrap();
        assert!(depth.check([0, 4095].into_iter(), "a.png").is_ok());
        let error = depth.check([0, 4096, 9].into_iter(), "a.png").unwrap_err();
        assert!(matches!(error, ImageError::AboveBits { bits: 12, sample: 4096, .. }), "{error}");
        assert!(error.to_string().starts_with("a.png: "), "{error}");
    }

    #[test]
    fn every_depth_reaches_from_0_to_255() {
        for bits in 1..=16 {
            let depth = Depth::new(Some(bits), u16::MAX).unwrap();
            assert_eq!((depth.to_byte(0), depth.to_byte(u16::MAX >> (16 - bits))), (0, 255));
        }
        for bits in [0, 17, 255] {
            let error = Depth::new(Some(bits), u16::MAX);
            assert!(matches!(error, Err(ImageError::UsedBits { .. })), "{error:?}");
        }
    }

    #[test]
    fn floats_outside_their_range_are_refused() {
        let range = FloatRange::new((-1.0, 1.0)).unwrap();
        let bytes = [-1.0, 0.0, 0.5, 1.0].map(|v| range.to_byte(v, "a.tif").unwrap());
        assert_eq!(bytes, [0, 128, 191, 255]);
        for sample in [-1.01, 1.01, f32::NAN, f32::INFINITY] {
            let error = range.to_byte(sample, "a.tif").unwrap_err();
            assert!(error.to_string().starts_with("a.tif: "), "{error}");
        }
        for range in [(1.0, 1.0), (1.0, 0.0), (f32::NAN, 1.0), (f32::MIN, f32::MAX)] {
            assert!(FloatRange::new(range).is_err(), "{range:?}");
        }
    }
}
