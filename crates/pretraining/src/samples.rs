//! What is cut out of which photo, and how its colours change.

use std::fmt;
use std::str::FromStr;

use efficientad_datasets::SplitMix64;
use efficientad_images::{
    RgbImage, adjust_brightness, adjust_contrast, adjust_saturation, crop_at, flip_horizontal,
    resize_bilinear, to_grayscale,
};
use serde::{Deserialize, Serialize};

use crate::backbone::BACKBONE_SIDE;
use crate::photos::Photo;

/// Photos with a shorter side have too little to show: the backbone would see them enlarged more
/// than four times.
pub const MIN_PHOTO_SIDE: u32 = 128;
/// Rows and columns that the teacher sees.
pub(crate) const TEACHER_SIDE: u32 = 256;
/// Smallest side of a crop, if the photo is larger: the teacher sees it enlarged 4/3 times.
const MIN_CROP: u32 = 192;
/// Pixels from which on a larger photo is not drawn more often, and below which a smaller one not
/// less often.
const WEIGHT: [u64; 2] = [1 << 16, 1 << 22];
/// Largest ratio of a crop's sides, as a logarithm.
const MAX_LOG_RATIO: f32 = 0.287_682_07;
/// Brightness, contrast and saturation change by at most this factor's distance from 1.
const JITTER: f32 = 0.2;
/// Probability of becoming grey.
const GREY: f32 = 0.1;

/// How samples are made from photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augmentation {
    /// One sample a photo: all of it, resized.
    None,
    /// As many samples as wanted: random crops, flips, changes of colour.
    Crops,
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Crops => "crops",
        })
    }
}

impl FromStr for Augmentation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::None, Self::Crops]
            .into_iter()
            .find(|augmentation| augmentation.to_string() == text)
            .ok_or_else(|| "choose none or crops".to_owned())
    }
}

/// One sample's recipe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cut {
    pub photo: usize,
    /// Column and row where the crop starts, its width and height.
    pub start: (u32, u32),
    pub size: (u32, u32),
    pub flip: bool,
    /// Factors of brightness, contrast and saturation.
    pub jitter: Option<[f32; 3]>,
    pub grey: bool,
}

/// What both networks see of a sample.
pub(crate) struct Views {
    pub backbone: RgbImage,
    pub teacher: RgbImage,
}

impl Cut {
    /// All of a photo, as it is.
    pub(crate) fn whole(number: usize, photo: &Photo) -> Self {
        let (photo, size) = (number, photo.size);
        Self { photo, start: (0, 0), size, flip: false, jitter: None, grey: false }
    }

    /// Cuts the sample out of its photo.
    pub(crate) fn views(&self, photo: &RgbImage) -> Views {
        let mut crop = crop_at(photo, self.start, self.size);
        if self.flip {
            crop = flip_horizontal(&crop);
        }
        if let Some([brightness, contrast, saturation]) = self.jitter {
            crop = adjust_brightness(&crop, brightness);
            crop = adjust_contrast(&crop, contrast);
            crop = adjust_saturation(&crop, saturation);
        }
        if self.grey {
            crop = to_grayscale(&crop);
        }
        Views {
            backbone: resize_bilinear(&crop, BACKBONE_SIDE, BACKBONE_SIDE),
            teacher: resize_bilinear(&crop, TEACHER_SIDE, TEACHER_SIDE),
        }
    }
}

/// Draws samples; each depends on the photos, the seed and its number alone.
pub(crate) struct Sampler {
    augmentation: Augmentation,
    seed: u64,
    photos: Vec<Photo>,
    /// Up to each photo, the sum of the weights that photos are drawn by.
    weights: Vec<u64>,
}

impl Sampler {
    pub(crate) fn new(augmentation: Augmentation, seed: u64, photos: Vec<Photo>) -> Self {
        let weight = |photo: &Photo| {
            let (width, height) = photo.size;
            (u64::from(width) * u64::from(height)).clamp(WEIGHT[0], WEIGHT[1])
        };
        let sums = photos.iter().scan(0, |sum, photo| {
            *sum += weight(photo);
            Some(*sum)
        });
        Self { augmentation, seed, weights: sums.collect(), photos }
    }

    /// The photos, by number.
    pub(crate) fn photos(&self) -> &[Photo] {
        &self.photos
    }

    /// How many different samples there are, if there is an end to them.
    pub(crate) fn limit(&self) -> Option<usize> {
        (self.augmentation == Augmentation::None).then_some(self.photos.len())
    }

    pub(crate) fn cut(&self, number: usize) -> Cut {
        match self.augmentation {
            Augmentation::None => Cut::whole(number, &self.photos[number]),
            Augmentation::Crops => self.crop(number),
        }
    }

    fn crop(&self, number: usize) -> Cut {
        let stream = SplitMix64::new(self.seed).next_u64();
        let mut random = SplitMix64::new(stream.wrapping_add(number as u64));
        let total = self.weights.last().copied().unwrap_or_default();
        let drawn = random.below(total as usize) as u64;
        let photo = self.weights.partition_point(|&sum| sum <= drawn);
        let (width, height) = self.photos[photo].size;
        let size = crop_size((width, height), &mut random);
        let start = (
            random.below((width - size.0 + 1) as usize) as u32,
            random.below((height - size.1 + 1) as usize) as u32,
        );
        Cut {
            photo,
            start,
            size,
            flip: random.unit() < 0.5,
            jitter: Some([(); 3].map(|()| random.between(1.0 - JITTER, 1.0 + JITTER))),
            grey: random.unit() < GREY,
        }
    }
}

/// Width and height of a crop: the root of its area is between [`MIN_CROP`] and the photo's shorter
/// side, all scales alike, and its sides' ratio between 3:4 and 4:3, as far as the photo has room.
fn crop_size((width, height): (u32, u32), random: &mut SplitMix64) -> (u32, u32) {
    let shorter = width.min(height);
    let smallest = MIN_CROP.min(shorter);
    let side = random.between((smallest as f32).ln(), (shorter as f32).ln()).exp();
    let stretch = (0.5 * random.between(-MAX_LOG_RATIO, MAX_LOG_RATIO)).exp();
    let fit = |side: f32, room: u32| (side.round() as u32).clamp(smallest, room);
    (fit(side * stretch, width), fit(side / stretch, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(sizes: &[(u32, u32)]) -> Vec<Photo> {
        sizes.iter().map(|&size| Photo { path: "photo.png".into(), size }).collect()
    }

    fn sampler(augmentation: Augmentation, seed: u64) -> Sampler {
        let sizes = [(128, 130), (256, 340), (4000, 3000), (20_000, 20_000)];
        Sampler::new(augmentation, seed, photos(&sizes))
    }

    #[test]
    fn samples_depend_on_seed_and_number() {
        let cut = |seed, number| sampler(Augmentation::Crops, seed).cut(number);
        assert_eq!(cut(1, 7), cut(1, 7));
        assert_ne!(cut(1, 7), cut(1, 8));
        assert_ne!(cut(1, 7), cut(2, 7));
    }

    #[test]
    fn crops_lie_in_their_photos_and_are_not_enlarged_wildly() {
        let sampler = sampler(Augmentation::Crops, 3);
        let mut smallest = u32::MAX;
        for cut in (0..5000).map(|number| sampler.cut(number)) {
            let (width, height) = sampler.photos()[cut.photo].size;
            assert!(cut.start.0 + cut.size.0 <= width && cut.start.1 + cut.size.1 <= height);
            let floor = MIN_CROP.min(width.min(height));
            assert!(cut.size.0 >= floor && cut.size.1 >= floor, "{cut:?}");
            smallest = smallest.min(cut.size.0);
        }
        assert_eq!(smallest, 128);
    }

    #[test]
    fn photos_are_drawn_by_area_within_bounds() {
        let sampler = sampler(Augmentation::Crops, 4);
        let mut counts = [0.0; 4];
        (0..40_000).for_each(|number| counts[sampler.cut(number).photo] += 1.0);
        let weights = [65_536.0, 87_040.0, 4_194_304.0, 4_194_304.0];
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts.into_iter().zip(weights) {
            let expected = 40_000.0 * weight / total;
            assert!((count - expected).abs() < 5.0 * f64::sqrt(expected), "{count} {expected}");
        }
    }

    #[test]
    fn a_tenth_is_grey_and_half_is_mirrored() {
        let sampler = sampler(Augmentation::Crops, 5);
        let count = |of: fn(&Cut) -> bool| (0..10_000).map(|n| sampler.cut(n)).filter(of).count();
        assert!((900..1100).contains(&count(|cut| cut.grey)));
        assert!((4800..5200).contains(&count(|cut| cut.flip)));
    }

    #[test]
    fn without_augmentation_each_photo_is_one_sample() {
        let sampler = sampler(Augmentation::None, 6);
        assert_eq!(sampler.limit(), Some(4));
        assert_eq!(sampler.cut(1), Cut::whole(1, &sampler.photos()[1]));
        let photo = RgbImage::from_fn(256, 340, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let views = sampler.cut(1).views(&photo);
        assert!(views.teacher == resize_bilinear(&photo, 256, 256));
        assert!(views.backbone == resize_bilinear(&photo, 512, 512));
    }

    #[test]
    fn a_crop_is_mirrored_changed_and_resized() {
        let photo = RgbImage::from_fn(300, 300, |x, y| image::Rgb([x as u8, y as u8, 90]));
        let cut = Cut {
            photo: 0,
            start: (20, 30),
            size: (256, 256),
            flip: true,
            jitter: Some([0.5, 1.0, 1.0]),
            grey: false,
        };
        let teacher = cut.views(&photo).teacher;
        let [red, green, blue] = teacher.get_pixel(0, 3).0;
        assert_eq!([red, green, blue], [(275_u32 as u8) / 2, 33 / 2, 45]);
        let grey = Cut { grey: true, ..cut }.views(&photo).teacher;
        assert!(grey.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }
}
