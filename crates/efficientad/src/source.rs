//! Where images come from, as the method sees it.

use crate::error::{Error, SourceError};
use efficientad_engine::InputSize;
use efficientad_images::{RgbImage, center_crop, resize_bilinear};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Images that can be had by number.
pub trait ImageSource: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What to call image `index` in messages.
    fn name(&self, index: usize) -> String;

    /// Image `index`, in its own size.
    ///
    /// # Errors
    /// When it can't be read.
    fn load(&self, index: usize) -> Result<RgbImage, SourceError>;
}

/// Natural photos for the penalty: one for every training step.
pub trait PhotoSource: Send + Sync {
    /// The photo of training step `step`, exactly of the networks' input size, in colour; the
    /// same photo whenever asked for the same step. See [`penalty_crop`].
    ///
    /// # Errors
    /// When it can't be read.
    fn photo(&self, step: u64, size: InputSize) -> Result<RgbImage, SourceError>;
}

/// A natural photo as the penalty takes it: resized to twice the input size, then the centre.
pub fn penalty_crop(photo: &RgbImage, size: InputSize) -> RgbImage {
    let (width, height) = (size.width() as u32, size.height() as u32);
    center_crop(&resize_bilinear(photo, 2 * width, 2 * height), width, height)
}

/// Loads an image, its name with the error.
pub(crate) fn load(source: &dyn ImageSource, index: usize) -> Result<RgbImage, Error> {
    source.load(index).map_err(|error| Error::Image { name: source.name(index), source: error })
}

/// Images in memory as long as they fit a budget; the others are loaded every time.
pub(crate) struct ImageCache {
    source: Arc<dyn ImageSource>,
    budget: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    images: HashMap<usize, Arc<RgbImage>>,
    bytes: usize,
}

impl ImageCache {
    /// Keeps up to `budget` bytes of images.
    pub(crate) fn new(source: Arc<dyn ImageSource>, budget: usize) -> Self {
        Self { source, budget, kept: Mutex::default() }
    }

    /// What to call an image in messages.
    pub(crate) fn name(&self, index: usize) -> String {
        self.source.name(index)
    }

    pub(crate) fn get(&self, index: usize) -> Result<Arc<RgbImage>, Error> {
        if let Some(image) = self.lock().images.get(&index) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(load(&*self.source, index)?);
        let mut kept = self.lock();
        let bytes = kept.bytes + image.as_raw().len();
        if bytes <= self.budget {
            kept.bytes = bytes;
            kept.images.insert(index, Arc::clone(&image));
        }
        Ok(image)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counted(AtomicUsize);

    impl ImageSource for Counted {
        fn len(&self) -> usize {
            3
        }
        fn name(&self, index: usize) -> String {
            format!("image {index}")
        }
        fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if index == 2 { Err("broken".into()) } else { Ok(RgbImage::new(10, 10)) }
        }
    }

    #[test]
    fn images_are_kept_within_the_budget() {
        let source = Arc::new(Counted(AtomicUsize::new(0)));
        let cache = ImageCache::new(source.clone(), 450);
        for _ in 0..3 {
            cache.get(0).unwrap();
            cache.get(1).unwrap();
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 1 + 3, "one image of 300 bytes fits");
        let error = cache.get(2).unwrap_err().to_string();
        assert_eq!(error, "image 2: broken");
    }

    #[test]
    fn the_penalty_sees_the_centre_at_half_the_scale() {
        let mut photo = RgbImage::new(1024, 512);
        for (x, _, pixel) in photo.enumerate_pixels_mut() {
            pixel.0 = if (256..768).contains(&x) { [200; 3] } else { [10; 3] };
        }
        let crop = penalty_crop(&photo, InputSize::default());
        assert_eq!(crop.dimensions(), (256, 256));
        assert!((2..254).all(|x| crop[(x, 100)].0 == [200; 3]));
        assert!(crop[(0, 0)].0[0] > 100 && crop[(255, 255)].0[0] > 100);
    }
}
