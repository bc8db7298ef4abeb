//! Holding validation images back.

use std::path::PathBuf;

use crate::DatasetError;
use crate::random::SplitMix64;

/// Images to train on, and good images never trained on from which the calibration is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub train: Vec<PathBuf>,
    /// Images held back.
    pub validation: Vec<PathBuf>,
}

/// By default a threshold is for one good image in so many, on average.
const ONE_IN: usize = 20;

/// How many of `images` good images are usually held back: about a tenth, of the numbers 19, 39, 59, …, of which the
/// default threshold can leave exactly one in twenty above it (`docs/decisions.md`). A fifth where that is fewer than 19.
pub fn usually_held_back(images: usize) -> usize {
    let (tenth, fifth) = ((images + 5) / 10, (images + 2) / 5);
    let multiple = ((tenth + 1 + ONE_IN / 2) / ONE_IN).max(1);
    (multiple * ONE_IN - 1).min(fifth)
}

/// Holds `count` of the images back, drawn at random: at least one, and at least one is left to train on. Both parts
/// keep the order of `images`.
///
/// The draw depends on nothing but the number of images, `count` and `seed` ([`draw`]), so the
/// same images in the same order are split alike on every machine.
///
/// # Errors
/// There are fewer than two images.
pub fn hold_back(images: &[PathBuf], count: usize, seed: u64) -> Result<Split, DatasetError> {
    let n = images.len();
    if n < 2 {
        let folder = images.first().and_then(|image| image.parent()).map(PathBuf::from);
        let path = folder.unwrap_or_default();
        return Err(DatasetError::TooFewImages { path, found: n, needed: 2 });
    }
    let held = draw(n, count.clamp(1, n - 1), seed);
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
    fn as_many_are_held_back_as_a_threshold_takes_and_nothing_is_lost() {
        for (n, expected) in
            [(2, 1), (7, 1), (8, 2), (48, 10), (93, 19), (284, 19), (285, 39), (484, 39), (763, 79)]
        {
            let images = images(n);
            let split = hold_back(&images, usually_held_back(n), 42).unwrap();
            assert_eq!(split.validation.len(), expected, "of {n}");
            let mut all = [split.train.clone(), split.validation.clone()].concat();
            all.sort();
            assert_eq!(all, images);
            assert!(split.train.is_sorted() && split.validation.is_sorted());
        }
        assert_eq!(hold_back(&images(3), 9, 0).unwrap().train.len(), 1);
    }

    #[test]
    fn the_seed_alone_decides() {
        let images = images(40);
        let held = |seed| hold_back(&images, 4, seed).unwrap().validation;
        assert_eq!(held(1), held(1));
        assert_ne!(held(1), held(2));
        let expected = [7, 12, 15, 29].map(|index: usize| images[index].clone());
        assert_eq!(held(42), expected);
    }

    #[test]
    fn of_one_image_none_can_be_held_back() {
        let refused = hold_back(&images(1), 1, 0);
        assert!(matches!(refused, Err(DatasetError::TooFewImages { found: 1, needed: 2, .. })));
    }
}
