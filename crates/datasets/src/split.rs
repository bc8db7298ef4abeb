//! Holding validation images back.

use std::path::PathBuf;

use crate::DatasetError;
use crate::random::SplitMix64;

/// Share of the training images that is held back for validation.
pub const DEFAULT_FRACTION: f64 = 0.1;

/// Images to train on, and good images never trained on from which the calibration is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub train: Vec<PathBuf>,
    /// Images held back.
    pub validation: Vec<PathBuf>,
}

/// Holds back `fraction` of the images, drawn at random: rounded to whole images, at least one, and at least one is
/// left to train on. Both parts keep the order of `images`.
///
/// The draw depends on nothing but the number of images and `seed` ([`draw`]), so the
/// same images in the same order are split alike on every machine.
///
/// # Errors
/// There are fewer than two images, or the fraction is not between 0 and 1.
pub fn hold_back(images: &[PathBuf], fraction: f64, seed: u64) -> Result<Split, DatasetError> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(DatasetError::BadFraction(fraction));
    }
    let n = images.len();
    if n < 2 {
        let folder = images.first().and_then(|image| image.parent()).map(PathBuf::from);
        let path = folder.unwrap_or_default();
        return Err(DatasetError::TooFewImages { path, found: n, needed: 2 });
    }
    let n_held = ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
    let held = draw(n, n_held, seed);
    let part = |wanted: bool| {
        let chosen = images.iter().zip(&held).filter(|(_, held)| **held == wanted);
        chosen.map(|(image, _)| image.clone()).collect()
    };
    Ok(Split { train: part(false), validation: part(true) })
}

/// Marks `count` of `n` places, drawn at random: a Fisher-Yates shuffle by SplitMix64.
///
/// # Panics
/// When there are fewer places than that.
pub fn draw(n: usize, count: usize, seed: u64) -> Vec<bool> {
    let mut random = SplitMix64::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    let mut marked = vec![false; n];
    for place in 0..count {
        order.swap(place, place + random.below(n - place));
        marked[order[place]] = true;
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(n: usize) -> Vec<PathBuf> {
        (0..n).map(|index| PathBuf::from(format!("good/{index:03}.png"))).collect()
    }

    #[test]
    fn a_tenth_is_held_back_and_nothing_is_lost() {
        for (n, expected) in [(2, 1), (3, 1), (14, 1), (15, 2), (48, 5), (763, 76)] {
            let images = images(n);
            let split = hold_back(&images, DEFAULT_FRACTION, 42).unwrap();
            assert_eq!(split.validation.len(), expected);
            let mut all = [split.train.clone(), split.validation.clone()].concat();
            all.sort();
            assert_eq!(all, images);
            assert!(split.train.is_sorted() && split.validation.is_sorted());
        }
        assert_eq!(hold_back(&images(3), 0.99, 0).unwrap().train.len(), 1);
    }

    #[test]
    fn the_seed_alone_decides() {
        let images = images(40);
        let held = |seed| hold_back(&images, 0.1, seed).unwrap().validation;
        assert_eq!(held(1), held(1));
        assert_ne!(held(1), held(2));
        let expected = [7, 12, 15, 29].map(|index: usize| images[index].clone());
        assert_eq!(held(42), expected);
    }

    #[test]
    fn too_few_images_or_a_bad_fraction_are_refused() {
        assert!(matches!(
            hold_back(&images(1), 0.1, 0),
            Err(DatasetError::TooFewImages { found: 1, needed: 2, .. })
        ));
        for fraction in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(matches!(
                hold_back(&images(9), fraction, 0),
                Err(DatasetError::BadFraction(_))
            ));
        }
    }
}
