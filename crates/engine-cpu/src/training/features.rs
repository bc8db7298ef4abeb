//! The teacher's features of the training images, which never change.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Features in half precision, as many as fit a budget of memory.
pub(crate) struct FeatureCache {
    kept: Vec<Option<Box<[f16]>>>,
    room: usize,
    /// Features of an image that is not kept.
    passing: Vec<f16>,
}

impl FeatureCache {
    /// For `images` images, keeping up to `budget` bytes.
    pub(crate) fn new(images: usize, budget: usize) -> Self {
        Self { kept: vec![None; images], room: budget, passing: Vec::new() }
    }

    /// Whether the features of an image are kept.
    pub(crate) fn has(&self, image: usize) -> bool {
        self.kept[image].is_some()
    }

    /// Rounds an image's features to half precision (kept or not: results must not depend on the
    /// budget) and keeps them if there is room.
    /// Without a number they only pass.
    pub(crate) fn insert(&mut self, image: Option<usize>, features: &[f32]) {
        let mut half = std::mem::take(&mut self.passing);
        half.resize(features.len(), f16::ZERO);
        half.convert_from_f32_slice(features);
        let bytes = size_of_val(&half[..]);
        match image {
            Some(image) if bytes <= self.room => {
                self.room -= bytes;
                self.kept[image] = Some(half.into_boxed_slice());
            }
            _ => self.passing = half,
        }
    }

    /// The features of an image that are kept, or were inserted last.
    pub(crate) fn get(&self, image: Option<usize>) -> &[f16] {
        image.and_then(|image| self.kept[image].as_deref()).unwrap_or(&self.passing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_kept_within_the_budget_and_rounded_either_way() {
        let mut cache = FeatureCache::new(3, 2 * 4);
        for image in 0..2 {
            cache.insert(Some(image), &[0.1 + image as f32, 2.0, 3.0]);
            assert_eq!(cache.get(Some(image))[0], f16::from_f32(0.1 + image as f32));
        }
        assert!(cache.has(0) && !cache.has(1) && !cache.has(2));
        cache.insert(None, &[7.0]);
        assert_eq!(cache.get(None), [f16::from_f32(7.0)]);
        assert_eq!(cache.get(Some(0))[0], f16::from_f32(0.1));
    }
}
