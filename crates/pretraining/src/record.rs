//! A sample with its target in bytes.
//!
//! A target is rounded to 8 bits, each channel on a scale of its own from its smallest to its largest
//! value in this sample.

use efficientad::{TARGET_SIDE, TEACHER_CHANNELS};
use efficientad_images::RgbImage;

use crate::samples::TEACHER_SIDE;
use crate::statistics::TargetStatistics;

const IMAGE_BYTES: usize = (TEACHER_SIDE * TEACHER_SIDE * 3) as usize;
const LOCATIONS: usize = TARGET_SIDE * TARGET_SIDE;
const SCALE_BYTES: usize = 2 * 4 * TEACHER_CHANNELS;
/// Bytes of a sample: 256 × 256 × 3 of the image, lowest value and step (f32, little-endian) of 384
/// channels, and 56 × 56 × 384 of the target.
pub(crate) const SAMPLE_BYTES: usize = IMAGE_BYTES + SCALE_BYTES + LOCATIONS * TEACHER_CHANNELS;

/// A sample in bytes.
pub(crate) struct Record(Vec<u8>);

/// The values that a channel's code stands for: `low + step · code`.
#[derive(Clone, Copy)]
struct Scale {
    low: f32,
    step: f32,
}

impl Record {
    /// Takes what was stored.
    ///
    /// # Panics
    /// When the length is not [`SAMPLE_BYTES`].
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        assert_eq!(bytes.len(), SAMPLE_BYTES);
        Self(bytes)
    }

    /// Rounds a target (locations × 384) and puts it beside its image (256 × 256).
    ///
    /// # Panics
    /// When sizes don't fit.
    pub(crate) fn new(image: &RgbImage, target: &[f32]) -> Self {
        assert_eq!((image.len(), target.len()), (IMAGE_BYTES, LOCATIONS * TEACHER_CHANNELS));
        let scales = scales(target);
        let mut bytes = Vec::with_capacity(SAMPLE_BYTES);
        bytes.extend_from_slice(image.as_raw());
        for scale in &scales {
            bytes.extend(scale.low.to_le_bytes());
            bytes.extend(scale.step.to_le_bytes());
        }
        let per_step: Vec<f32> = scales
            .iter()
            .map(|scale| if scale.step > 0.0 { 1.0 / scale.step } else { 0.0 })
            .collect();
        for location in target.chunks_exact(TEACHER_CHANNELS) {
            let values = location.iter().zip(&scales).zip(&per_step);
            // The cast clips what rounding led beyond 255.
            bytes.extend(values.map(|((v, scale), f)| ((v - scale.low) * f).round() as u8));
        }
        Self(bytes)
    }

    /// All bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The image.
    pub(crate) fn image(&self) -> RgbImage {
        let mut image = RgbImage::new(TEACHER_SIDE, TEACHER_SIDE);
        image.copy_from_slice(&self.0[..IMAGE_BYTES]);
        image
    }

    /// The target, normalised: locations × 384.
    pub(crate) fn target(&self, statistics: &TargetStatistics) -> Vec<f32> {
        let TargetStatistics { mean, std } = statistics;
        let scales: Vec<Scale> = (self.scales().into_iter().zip(mean).zip(std))
            .map(|((scale, mean), std)| Scale {
                low: (scale.low - mean) / std,
                step: scale.step / std,
            })
            .collect();
        let mut target = Vec::with_capacity(LOCATIONS * TEACHER_CHANNELS);
        for location in self.codes().chunks_exact(TEACHER_CHANNELS) {
            let values = location.iter().zip(&scales);
            target.extend(values.map(|(&code, s)| s.low + s.step * f32::from(code)));
        }
        target
    }

    fn scales(&self) -> Vec<Scale> {
        let (numbers, _) = self.0[IMAGE_BYTES..][..SCALE_BYTES].as_chunks::<8>();
        numbers
            .iter()
            .map(|&[a, b, c, d, e, f, g, h]| Scale {
                low: f32::from_le_bytes([a, b, c, d]),
                step: f32::from_le_bytes([e, f, g, h]),
            })
            .collect()
    }

    fn codes(&self) -> &[u8] {
        &self.0[IMAGE_BYTES + SCALE_BYTES..]
    }
}

/// A target (locations × 384) as it comes back from the cache, rounded to 8 bits.
///
/// # Panics
/// When its length doesn't fit.
pub fn rounded(target: &[f32]) -> Vec<f32> {
    let image = RgbImage::new(TEACHER_SIDE, TEACHER_SIDE);
    Record::new(&image, target).target(&TargetStatistics::none())
}

/// Each channel's scale from its smallest to its largest value.
fn scales(target: &[f32]) -> Vec<Scale> {
    let mut low = vec![f32::INFINITY; TEACHER_CHANNELS];
    let mut high = vec![f32::NEG_INFINITY; TEACHER_CHANNELS];
    for location in target.chunks_exact(TEACHER_CHANNELS) {
        for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(location) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    low.into_iter().zip(high).map(|(low, high)| Scale { low, step: (high - low) / 255.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Vec<f32> {
        let value = |i: usize| {
            let (location, channel) = (i / TEACHER_CHANNELS, i % TEACHER_CHANNELS);
            match channel {
                5 => 3.25,
                _ => ((location * 31 + channel * 17) % 97) as f32 * (0.01 + channel as f32),
            }
        };
        (0..LOCATIONS * TEACHER_CHANNELS).map(value).collect()
    }

    #[test]
    fn images_return_exactly_and_targets_within_half_a_step() {
        let image = RgbImage::from_fn(256, 256, |x, y| image::Rgb([x as u8, y as u8, 77]));
        let target = target();
        let record = Record::from_bytes(Record::new(&image, &target).as_bytes().to_vec());
        assert!(record.image() == image);
        let found = record.target(&TargetStatistics::none());
        for (channel, scale) in scales(&target).into_iter().enumerate() {
            for location in 0..LOCATIONS {
                let at = location * TEACHER_CHANNELS + channel;
                let off = (found[at] - target[at]).abs();
                assert!(off <= 0.5001 * scale.step, "{off} in channel {channel}");
            }
        }
    }

    #[test]
    fn targets_are_normalised() {
        let record = Record::new(&RgbImage::new(256, 256), &target());
        let statistics = TargetStatistics {
            mean: (0..TEACHER_CHANNELS).map(|c| c as f32).collect(),
            std: (0..TEACHER_CHANNELS).map(|c| 1.0 + c as f32).collect(),
        };
        let plain = record.target(&TargetStatistics::none());
        for (i, (plain, found)) in plain.iter().zip(record.target(&statistics)).enumerate() {
            let channel = i % TEACHER_CHANNELS;
            let expected = (plain - statistics.mean[channel]) / statistics.std[channel];
            assert!((expected - found).abs() < 1e-4 * (1.0 + expected.abs()));
        }
    }
}
