//! What the samples of photos stand for, where their files don't say it.

use efficientad_images::{DecodeOptions, camera_bits};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What samples of more than 8 bits stand for. By default those of 16 bits use all of them, and
/// floating point photos are not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// How many of their 16 bits samples use, from 1 to 16; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// What told the bits; `None` if they were stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognised: Option<RecognisedBits>,
    /// The floating point samples that are black and white.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(f32, f32)>,
}

/// Photos that told how many bits their camera delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecognisedBits {
    /// How many photos of 16 bits there are.
    pub photos: usize,
    /// Bits of their largest sample.
    pub used_bits: u8,
}

impl Samples {
    /// What is told by the largest sample of photos of 16 bits: the next depth that cameras have.
    pub fn recognised(photos: usize, used_bits: u8) -> Self {
        let bits = if photos == 0 { None } else { camera_bits(used_bits) };
        let recognised = bits.map(|_| RecognisedBits { photos, used_bits });
        Self { bits, recognised, range: None }
    }

    /// What decoding options say.
    pub fn stated(options: &DecodeOptions) -> Self {
        Self { bits: options.bits, recognised: None, range: options.range }
    }

    /// The options with this instead of what they say.
    pub fn apply(self, options: DecodeOptions) -> DecodeOptions {
        DecodeOptions { bits: self.bits, range: self.range, ..options }
    }

    /// Whether photos are read alike, whatever told how.
    pub fn reads_as(self, other: Self) -> bool {
        (self.bits, self.range) == (other.bits, other.range)
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bits, self.recognised) {
            (None, _) => f.write_str("all bits of 16 are used")?,
            (Some(bits), None) => write!(f, "{bits} bits of 16 are used, as was stated")?,
            (Some(bits), Some(RecognisedBits { photos, used_bits })) => write!(
                f,
                "{bits} bits of 16 are used, as recognised: the largest sample of {photos} photos \
                 has {used_bits}"
            )?,
        }
        if let Some((low, high)) = self.range {
            write!(f, "; floating point from {low} to {high}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DataDescription;

    #[test]
    fn what_is_recognised_is_the_next_depth_of_cameras() {
        assert_eq!(Samples::recognised(5, 11).bits, Some(12));
        for nothing in [Samples::recognised(0, 0), Samples::recognised(5, 15)] {
            assert!(nothing.is_default(), "{nothing}");
        }
    }

    #[test]
    fn only_what_is_said_is_kept() {
        let text = |samples: Samples| {
            let text = serde_json::to_string(&samples).unwrap();
            assert_eq!(serde_json::from_str::<Samples>(&text).unwrap(), samples);
            text
        };
        let recognised = Samples::recognised(5, 11);
        assert_eq!(text(recognised), r#"{"bits":12,"recognised":{"photos":5,"used_bits":11}}"#);
        let stated = Samples { bits: None, recognised: None, range: Some((-0.5, 1.0)) };
        assert_eq!(text(stated), r#"{"range":[-0.5,1.0]}"#);
        assert_eq!(text(Samples::default()), "{}");
        assert!(recognised.reads_as(Samples { recognised: None, ..recognised }));
        assert!(!recognised.reads_as(stated));
    }

    #[test]
    fn documents_of_programs_that_knew_of_no_samples_stay_as_they_are() {
        let text = r#"{"fingerprint":"a","train_images":9,"validation_images":1,"photos":"none","orientation":"as_stored"}"#;
        let data: DataDescription = serde_json::from_str(text).unwrap();
        assert!(data.samples.is_default());
        assert_eq!(serde_json::to_string(&data).unwrap(), text);
    }
}
