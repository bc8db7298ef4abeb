//! Whether the photos of a run have the depth that they are read as.

use std::fmt;

use efficientad_images::camera_bits;

/// Photos of 16 bits that are looked at before it is said that they use fewer: one may be dark.
const FIRST_PHOTOS: usize = 8;
/// Bits that samples use unless they are stated.
const ALL_BITS: u8 = 16;

/// What is to be said of the photos of a run; each is said once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DepthRemark {
    /// The first photos of 16 bits all use fewer than they are read as having.
    FewerBits {
        /// Bits of their largest sample.
        used_bits: u8,
        /// The bits that are read.
        read_as: u8,
    },
    /// There are photos of 8 bits beside those of more, whose bits are known.
    EightBits {
        /// The bits of the others.
        read_as: u8,
    },
}

impl fmt::Display for DepthRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewerBits { used_bits, read_as } => {
                let camera = camera_bits(*used_bits).unwrap_or(ALL_BITS);
                write!(
                    f,
                    "the photos use {used_bits} of 16 bits, but are read as having {read_as}, which \
                     makes them dark: state {camera} in DecodeOptions::bits if that is what the \
                     camera delivers"
                )?;
                if *read_as == ALL_BITS { f.write_str(", or 16 if they are dark") } else { Ok(()) }
            }
            Self::EightBits { read_as } => write!(
                f,
                "some photos have 8 bits, where others have {read_as}: that is right if both are of \
                 one camera, and the 8 bits the upper ones of the {read_as}"
            ),
        }
    }
}

/// Watches the depth of a run's photos.
#[derive(Debug, Clone)]
pub struct DepthCheck {
    bits: Option<u8>,
    photos: usize,
    largest: u8,
    is_decided: bool,
    has_eight: bool,
}

impl DepthCheck {
    /// Of photos that are decoded with these [`bits`](efficientad_images::DecodeOptions::bits). Whoever
    /// states all 16 is not told that fewer are used.
    pub fn new(bits: Option<u8>) -> Self {
        Self {
            bits,
            photos: 0,
            largest: 0,
            is_decided: bits == Some(ALL_BITS),
            has_eight: bits.is_none_or(|bits| bits == ALL_BITS),
        }
    }

    /// Takes what [`used_bits`](efficientad_images::used_bits) says of the next photo.
    pub fn observe(&mut self, used_bits: Option<u8>) -> Option<DepthRemark> {
        let Some(used_bits) = used_bits else { return self.observe_eight() };
        self.photos += 1;
        self.largest = self.largest.max(used_bits);
        if self.photos == FIRST_PHOTOS { self.end() } else { None }
    }

    /// What is to be said if there are no more photos.
    pub fn end(&mut self) -> Option<DepthRemark> {
        if self.is_decided || self.photos == 0 {
            return None;
        }
        self.is_decided = true;
        let (used_bits, read_as) = (self.largest, self.bits.unwrap_or(ALL_BITS));
        let is_dark = camera_bits(used_bits).is_some_and(|camera| camera < read_as);
        is_dark.then_some(DepthRemark::FewerBits { used_bits, read_as })
    }

    fn observe_eight(&mut self) -> Option<DepthRemark> {
        if self.has_eight {
            return None;
        }
        self.has_eight = true;
        self.bits.map(|read_as| DepthRemark::EightBits { read_as })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(bits: Option<u8>, photos: &[Option<u8>]) -> Vec<DepthRemark> {
        let mut check = DepthCheck::new(bits);
        let mut remarks: Vec<_> = photos.iter().filter_map(|&it| check.observe(it)).collect();
        remarks.extend(check.end());
        remarks
    }

    #[test]
    fn photos_of_fewer_bits_are_told_once() {
        let fewer = |used_bits, read_as| vec![DepthRemark::FewerBits { used_bits, read_as }];
        assert_eq!(remarks(None, &[Some(12); 30]), fewer(12, 16));
        assert_eq!(remarks(None, &[Some(11), Some(12)]), fewer(12, 16));
        assert_eq!(remarks(Some(12), &[Some(10)]), fewer(10, 12));
        let text = fewer(11, 16)[0].to_string();
        assert!(text.contains("state 12 in DecodeOptions::bits"), "{text}");
    }

    #[test]
    fn one_dark_photo_among_others_is_no_sign() {
        assert_eq!(remarks(None, &[Some(9), Some(16)]), []);
        let mut later = vec![Some(16); 8];
        later.push(Some(3));
        assert_eq!(remarks(None, &later), []);
        assert_eq!(remarks(Some(12), &[Some(11)]), []);
        assert_eq!(remarks(Some(16), &[Some(3), None]), [], "16 bits are stated");
    }

    #[test]
    fn photos_of_8_bits_are_told_beside_others_of_known_depth() {
        assert_eq!(remarks(None, &[None, None]), []);
        let told = [DepthRemark::EightBits { read_as: 12 }];
        assert_eq!(remarks(Some(12), &[None, Some(12), None]), told);
    }
}
