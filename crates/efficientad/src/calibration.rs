//! What good images that were not trained on say: how anomaly values are normalised, and which
//! scores are usual.

use crate::anomaly_map::PhotoMaps;
use crate::error::Error;
use crate::threshold::{FalseRejectRate, Threshold};

/// Lower and upper quantile of a map over the validation images.
const LOWER: f64 = 0.9;
const UPPER: f64 = 0.995;
/// Value that the upper quantile is mapped to; the lower one becomes 0.
const UPPER_VALUE: f32 = 0.1;

/// How the values of one map are normalised: 0.9 quantile to 0, 0.995 quantile to 0.1.
///
/// Both are quantiles over all locations of the validation images' maps (paper, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapQuantiles {
    /// The 0.9 quantile.
    pub lower: f32,
    /// The 0.995 quantile.
    pub upper: f32,
}

impl MapQuantiles {
    pub(crate) fn normalize(&self, value: f32) -> f32 {
        UPPER_VALUE * (value - self.lower) / (self.upper - self.lower)
    }

    /// What a value less `lower` is multiplied by: 0.1 / (upper − lower).
    pub fn scale(&self) -> f32 {
        UPPER_VALUE / (self.upper - self.lower)
    }

    fn of(mut values: Vec<f32>, map: &'static str) -> Result<Self, Error> {
        let [lower, upper] = [LOWER, UPPER].map(|q| quantile(&mut values, q));
        if upper > lower && upper.is_finite() {
            Ok(Self { lower, upper })
        } else {
            Err(Error::NoSpread { map, low: lower, high: upper })
        }
    }
}

/// How both maps are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// Of the teacher's features against the student's first half, squared difference averaged over
    /// channels.
    pub student_teacher: MapQuantiles,
    /// Of the autoencoder's features against the student's second half, likewise.
    pub student_autoencoder: MapQuantiles,
}

impl Quantiles {
    /// Over all locations that count of all validation images.
    pub(crate) fn of(maps: &[PhotoMaps]) -> Result<Self, Error> {
        let (mut student_teacher, mut student_autoencoder) = (Vec::new(), Vec::new());
        for maps in maps {
            let [of_teacher, of_autoencoder] = maps.counted();
            student_teacher.extend(of_teacher);
            student_autoencoder.extend(of_autoencoder);
        }
        Ok(Self {
            student_teacher: MapQuantiles::of(student_teacher, "student–teacher")?,
            student_autoencoder: MapQuantiles::of(student_autoencoder, "student–autoencoder")?,
        })
    }
}

/// The `q` quantile, linear between order statistics, as `torch.quantile`. Reorders `values`.
fn quantile(values: &mut [f32], q: f64) -> f32 {
    let position = q * (values.len() - 1) as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(position as usize, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    low + position.fract() as f32 * (high - low)
}

/// Good images that a calibration keeps the scores of, at most.
pub const MAX_CALIBRATION_IMAGES: usize = 100_000;

/// Whether so many good images can calibrate: found out before they are judged.
pub(crate) fn check_count(found: usize) -> Result<(), Error> {
    match found {
        0 => Err(Error::TooFewImages { purpose: "calibration", found, needed: 1 }),
        1..=MAX_CALIBRATION_IMAGES => Ok(()),
        _ => Err(Error::TooManyImages { found, limit: MAX_CALIBRATION_IMAGES }),
    }
}

/// The scores of good images that the networks were not trained on, which every verdict is held
/// against.
///
/// What it says of a further good image holds if that image is exchangeable with those here: taken
/// at random from the same production, by the same camera and light (`docs/decisions.md`).
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    scores: Vec<f32>,
}

impl Calibration {
    /// From image scores in any order.
    ///
    /// # Errors
    /// When there are none, more than [`MAX_CALIBRATION_IMAGES`], or one is no number.
    pub fn new(mut scores: Vec<f32>) -> Result<Self, Error> {
        check_count(scores.len())?;
        if !scores.iter().all(|score| score.is_finite()) {
            return Err(Error::NotFinite);
        }
        scores.sort_unstable_by(f32::total_cmp);
        Ok(Self { scores })
    }

    /// The image scores, from the lowest to the highest.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// How probable a score of `score` or more is for a good image: (1 + the number of calibration
    /// scores that are `score` or more) / (n + 1), the conformal p-value. A good image has one of
    /// p or less with probability p at most; the smallest possible is 1 / (n + 1).
    pub fn p_value(&self, score: f32) -> f64 {
        (1 + self.count_at_or_above(score)) as f64 / (1 + self.scores.len()) as f64
    }

    /// The lowest threshold that keeps a false-reject rate, and what it promises.
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is high enough.
    pub fn threshold(&self, rate: FalseRejectRate) -> Result<Threshold, Error> {
        Threshold::for_rate(rate, self)
    }

    /// The threshold to take where no rate is wished: one that [`FalseRejectRate::default`] of good images
    /// reach on average, which takes an assumption with fewer than 19 images.
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is high enough.
    pub fn usual_threshold(&self) -> Result<Threshold, Error> {
        Threshold::usual(self)
    }

    /// [`Self::threshold`] for the rate that is wished, [`Self::usual_threshold`] if none is.
    ///
    /// # Errors
    /// [`Error::EndlessThreshold`] when no number is high enough.
    pub fn threshold_for(&self, wish: Option<FalseRejectRate>) -> Result<Threshold, Error> {
        wish.map_or_else(|| self.usual_threshold(), |rate| self.threshold(rate))
    }

    /// Number of scores that are `score` or more.
    pub fn count_at_or_above(&self, score: f32) -> usize {
        self.scores.len() - self.scores.partition_point(|&good| good < score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::Inspector;
    use crate::model::Model;
    use crate::threshold::Basis;
    use crate::view::{Framing, View};
    use efficientad_engine::{InputSize, Purpose, Random, Share};
    use efficientad_engine_cpu::CpuEngine;
    use std::path::PathBuf;
    use std::sync::Arc;

    #[test]
    fn quantiles_are_linear_between_order_statistics() {
        let mut values: Vec<f32> = (0..11).rev().map(|i| i as f32).collect();
        assert_eq!(quantile(&mut values, 0.9), 9.0);
        assert!((quantile(&mut values, 0.995) - 9.95).abs() < 1e-5);
        assert_eq!(quantile(&mut [4.0], 0.9), 4.0);
    }

    #[test]
    fn quantiles_map_to_zero_and_a_tenth() {
        let quantiles = MapQuantiles { lower: 2.0, upper: 4.0 };
        assert_eq!([2.0, 4.0, 6.0].map(|v| quantiles.normalize(v)), [0.0, 0.1, 0.2]);
        assert_eq!((6.0 - quantiles.lower) * quantiles.scale(), 0.2);
        let error = MapQuantiles::of(vec![1.0; 50], "test").unwrap_err();
        assert!(matches!(error, Error::NoSpread { map: "test", .. }));
    }

    #[test]
    fn p_values_count_the_scores_that_are_as_high() {
        let calibration = Calibration::new(vec![0.3, 0.1, 0.2, 0.2]).unwrap();
        assert_eq!(calibration.scores(), [0.1, 0.2, 0.2, 0.3]);
        let p_values = [0.0, 0.1, 0.15, 0.2, 0.3, 0.4].map(|score| calibration.p_value(score));
        assert_eq!(p_values, [1.0, 1.0, 0.8, 0.8, 0.4, 0.2]);
    }

    /// Difference maps of an image: noise of its own strength, and now and then a bright spot.
    fn good_maps(seed: u64) -> PhotoMaps {
        let mut random = Random::new(seed, Purpose::ImageOrder, 0);
        let mut map = |spread: f32| -> Vec<f32> {
            let strength = (spread * (random.unit() + random.unit() - 1.0)).exp();
            let spot = if random.unit() < 0.1 { 2.0 + 4.0 * random.unit() } else { 1.0 };
            let mut values: Vec<f32> =
                (0..64).map(|_| -strength * (1.0 - random.unit()).ln()).collect();
            values[0] *= spot;
            values
        };
        // A photo of 32×32 pixels in a tile has 8×8 cells, all of which count.
        let view = View::Tiles { size: 256, overlap: 64 };
        let layout = Framing::new(InputSize::default(), view, None).unwrap().layout((32, 32));
        PhotoMaps::of_cells(Arc::new(layout.unwrap()), map(0.5), map(1.0))
    }

    /// Calibrations drawn from a population with replacement, quantiles and scores from the same
    /// images as in a training: the share of thresholds that more than `rate` of the population
    /// reach, and the mean of these rates.
    fn share_images(population: &[PhotoMaps], images: usize, rate: f64) -> (f64, f64) {
        const TRIALS: usize = 2_000;
        let wish = FalseRejectRate::new(rate).unwrap();
        let score = |maps: &PhotoMaps, quantiles: &Quantiles| {
            maps.combine(quantiles).into_iter().fold(f32::NEG_INFINITY, f32::max)
        };
        let (mut broken, mut sum) = (0, 0.0);
        for trial in 0..TRIALS {
            let mut random = Random::new(images as u64, Purpose::ImageOrder, trial as u64);
            let drawn: Vec<PhotoMaps> = (0..images)
                .map(|_| (random.unit() * population.len() as f32) as usize)
                .map(|index| population[index].clone())
                .collect();
            let quantiles = Quantiles::of(&drawn).unwrap();
            let scores = drawn.iter().map(|maps| score(maps, &quantiles)).collect();
            let threshold = Calibration::new(scores).unwrap().threshold(wish).unwrap();
            assert_eq!(threshold.basis, Basis::DistributionFree);
            let reaching =
                population.iter().filter(|maps| score(maps, &quantiles) >= threshold.value);
            let realised = reaching.count() as f64 / population.len() as f64;
            broken += usize::from(realised > rate);
            sum += realised;
        }
        (broken as f64 / TRIALS as f64, sum / TRIALS as f64)
    }

    /// A training takes quantiles and scores from the same images. The scores of these are then not
    /// quite exchangeable with those of further images, whose maps the quantiles do not know: here
    /// is how little that matters, even to maps of 64 locations.
    #[test]
    fn sharing_images_between_quantiles_and_scores_costs_little() {
        let population: Vec<PhotoMaps> = (0..2_000).map(good_maps).collect();
        for (images, rate) in [(59, 0.05), (30, 0.1)] {
            let (broken, mean) = share_images(&population, images, rate);
            let expected = 1.0 / (images + 1) as f64;
            println!("{images} images for {rate}: {broken} above it, mean {mean} ({expected})");
            assert!(broken < 0.065, "{images}: {broken}");
            assert!((mean / expected - 1.0).abs() < 0.15, "{images}: {mean}, {expected}");
        }
    }

    /// The same with the maps of real images; prints what `docs/decisions.md` quotes.
    #[test]
    #[ignore = "takes a model (EFFICIENTAD_MODEL) and a folder of good photos (EFFICIENTAD_GOOD)"]
    fn sharing_images_on_real_maps() {
        let [model, folder] = ["EFFICIENTAD_MODEL", "EFFICIENTAD_GOOD"]
            .map(|name| PathBuf::from(std::env::var_os(name).expect(name)));
        let engine = Arc::new(CpuEngine::on_all_cores().unwrap());
        let inspector = Inspector::new(engine, &Model::open(&model).unwrap().networks).unwrap();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let population: Vec<PhotoMaps> = files
            .iter()
            .map(|file| {
                let photo = efficientad_images::load(file, &Default::default()).unwrap();
                inspector.compare(&photo, Share::Whole).unwrap()
            })
            .collect();
        println!("{} images", population.len());
        for (images, rate) in [(59, 0.05), (130, 0.05), (299, 0.01)] {
            let (broken, mean) = share_images(&population, images, rate);
            println!("{images} calibrate for {rate}: above it {broken}, mean {mean}");
            assert!(broken < 0.06, "{images}, {rate}: {broken}");
        }
    }

    #[test]
    fn calibrations_without_or_with_broken_scores_are_refused() {
        let refused = |scores| Calibration::new(scores).unwrap_err().to_string();
        assert!(refused(Vec::new()).starts_with("0 calibration images are too few"));
        assert!(refused(vec![0.1, f32::NAN]).contains("not finite"));
        assert!(refused(vec![0.1; MAX_CALIBRATION_IMAGES + 1]).contains("at most 100000"));
    }
}
