//! The images whose verdict was wrong, or right by the least.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use efficientad_evaluation::{JudgedImage, Sample, heat_overlay, heat_range};
use efficientad_images::picture::encode_jpeg;
use efficientad_images::{PictureError, RgbImage, resize_bilinear};

/// Good images shown at most, and defective ones; each with two pictures.
pub const MAX_PICTURES: usize = 6;
/// Longer side of a picture in pixels, at most.
const MAX_SIDE: u32 = 440;
/// Bytes of a picture as JPEG, at most.
const MAX_BYTES: usize = 120_000;
/// JPEG qualities that are tried, the first for all but the noisiest pictures.
const QUALITIES: [u8; 4] = [82, 60, 30, 5];

/// The good images with the highest scores and the defective ones with the lowest: these hold the
/// worst false rejects and the worst false accepts, or the closest calls where there are none.
///
/// Only their pictures are kept, reduced and compressed.
#[derive(Debug)]
pub(crate) struct Hardest {
    threshold: Option<f32>,
    /// The highest score first.
    pub good: Vec<Shown>,
    /// The lowest score first.
    pub defective: Vec<Shown>,
}

/// An image with its pictures.
#[derive(Debug)]
pub(crate) struct Shown {
    pub image: JudgedImage,
    pub width: u32,
    pub height: u32,
    /// The photo as data URI.
    pub photo: String,
    /// The photo under the anomaly map, likewise.
    pub overlay: String,
}

impl Hardest {
    pub fn new(threshold: Option<f32>) -> Self {
        Self { threshold, good: Vec::new(), defective: Vec::new() }
    }

    pub fn add(&mut self, sample: Sample<'_>) -> Result<(), PictureError> {
        let defective = sample.image.defective;
        let ranking = if defective { &mut self.defective } else { &mut self.good };
        // A good image is hard by a high score, a defective one by a low score.
        let ease = |image: &JudgedImage| if defective { image.score } else { -image.score };
        let rank = ranking.partition_point(|shown| ease(&shown.image) <= ease(sample.image));
        if rank < MAX_PICTURES {
            ranking.truncate(MAX_PICTURES - 1);
            ranking.insert(rank, Shown::new(sample, self.threshold)?);
        }
        Ok(())
    }
}

impl Shown {
    fn new(sample: Sample<'_>, threshold: Option<f32>) -> Result<Self, PictureError> {
        let heat = heat_overlay(sample.judged, heat_range(threshold), sample.defects)?;
        let [photo, overlay] = [&sample.judged.image, &heat].map(reduce);
        let (width, height) = photo.dimensions();
        let (photo, overlay) = (data_uri(&photo)?, data_uri(&overlay)?);
        Ok(Self { image: sample.image.clone(), width, height, photo, overlay })
    }
}

/// Shrinks a picture to [`MAX_SIDE`]; a smaller one stays as it is.
fn reduce(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height).max(1);
    if longer <= MAX_SIDE {
        return picture.clone();
    }
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(MAX_SIDE) / u64::from(longer);
        scaled.max(1) as u32
    };
    resize_bilinear(picture, side(width), side(height))
}

fn data_uri(picture: &RgbImage) -> Result<String, PictureError> {
    let mut jpeg = Vec::new();
    for quality in QUALITIES {
        jpeg = encode_jpeg(picture, quality)?;
        if jpeg.len() <= MAX_BYTES {
            break;
        }
    }
    Ok(format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg)))
}
