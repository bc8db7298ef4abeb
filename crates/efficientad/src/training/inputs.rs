//! The images of a training step: which, and how they are changed.

use super::augmentation::{Augmentation, Pose};
use crate::error::Error;
use crate::input::write_normalized;
use crate::source::{ImageCache, PhotoSource};
use crate::view::{Framing, Layout, Window};
use efficientad_engine::{
    AutoencoderInput, InputSize, Purpose, Random, StepInputs, Tensor, ValidMask,
};
use efficientad_images::{
    RgbImage, adjust_brightness, adjust_contrast, adjust_saturation, to_grayscale,
};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Jitter multiplies brightness, contrast or saturation by up to this much more or less.
const JITTER: f32 = 0.2;
/// Probability that a penalty photo becomes grey.
const GREY: f32 = 0.3;
/// The images that only the autoencoder learns from are drawn as those of steps so much later: far
/// past the last one, and even, as old and new images come in turn.
const DRAWS_APART: u64 = 1 << 40;

/// Makes the inputs of any step from the seed alone, so that training can go on from anywhere.
pub(crate) struct StepLoader {
    pub images: ImageCache,
    pub order: ImageOrder,
    pub photos: Option<Arc<dyn PhotoSource>>,
    pub framing: Framing,
    pub augment: BTreeSet<Augmentation>,
    pub seed: u64,
    /// Images that the autoencoder learns from in a step, one of which is the student's.
    pub autoencoder_images: u64,
}

impl StepLoader {
    /// The inputs of step `step`, counted from 0.
    pub(crate) fn load(&self, step: u64) -> Result<StepInputs, Error> {
        let shown = self.show(step)?;
        let mut random = Random::new(self.seed, Purpose::Augmentation, step);
        let jittered = shown.input_of(&jitter(&shown.photo, &mut random));
        let mut inputs = vec![shown.input_of(&shown.photo)];
        let size = self.framing.input();
        if let Some(photos) = &self.photos {
            let photo = photos.photo(step, size).map_err(|error| Error::Image {
                name: "penalty photo".to_owned(),
                source: error,
            })?;
            inputs.push(if random.unit() < GREY { to_grayscale(&photo) } else { photo });
        }
        inputs.push(jittered);
        let batch = normalized(&inputs, size);
        let for_autoencoder = (1..self.autoencoder_images).map(|more| {
            let shown = self.show(more * DRAWS_APART + step)?;
            let input = normalized(&[shown.input_of(&shown.photo)], size);
            Ok(AutoencoderInput { image: shown.number, valid: shown.valid, input })
        });
        let for_autoencoder = for_autoencoder.collect::<Result<_, Error>>()?;
        Ok(StepInputs { image: shown.number, valid: shown.valid, batch, for_autoencoder })
    }

    /// What is shown of the image at place `draw` of the order: all of it, or of tiles one that is
    /// drawn.
    fn show(&self, draw: u64) -> Result<Shown, Error> {
        let image = self.order.image_at(self.seed, draw);
        let photo = self.images.get(image)?;
        let pose = Random::new(self.seed, Purpose::Pose, draw);
        let pose = Pose::draw(&self.augment, photo.dimensions(), pose);
        let photo = pose.of(&photo);
        let layout = self.framing.layout(photo.dimensions());
        let layout = layout.map_err(|error| error.of_image(self.images.name(image)))?;
        let photo = layout.masked(&photo);
        let (photo, whole, window) = match layout.only_window() {
            Some(window) => (photo.into_owned(), true, window),
            None => {
                let window = layout.random_window(Random::new(self.seed, Purpose::Window, draw));
                (layout.cut(&layout.canvas(&photo), window), false, window)
            }
        };
        let valid = ValidMask::marked(&layout.counted_in(window));
        let number = pose.number().filter(|_| whole);
        let number = number.map(|number| number * self.order.images() + image);
        Ok(Shown { number, photo, whole, valid, layout, window })
    }
}

/// Which image each step takes.
pub(crate) struct ImageOrder(Vec<Range<usize>>);

impl ImageOrder {
    /// Of `images` images, the first `old` of them and the others in turn, so that each kind has
    /// half of the steps whatever their numbers.
    pub(crate) fn new(images: usize, old: usize) -> Self {
        let kinds = [0..old, old..images];
        Self(kinds.into_iter().filter(|kind| !kind.is_empty()).collect())
    }

    /// Number of images.
    fn images(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Every image comes once in an epoch of its kind, in an order of its own.
    fn image_at(&self, seed: u64, step: u64) -> usize {
        let kinds = self.0.len() as u64;
        let (turn, place) = (step / kinds, step % kinds);
        let kind = &self.0[place as usize];
        let (epoch, position) = (turn / kind.len() as u64, turn % kind.len() as u64);
        let mut random = Random::new(seed, Purpose::ImageOrder, epoch * kinds + place);
        kind.start + random.permutation(kind.len())[position as usize]
    }
}

/// What is shown of an image.
struct Shown {
    /// The image's number in its pose, if many steps show the same.
    number: Option<usize>,
    /// The whole image, or what the window shows of it on the canvas.
    photo: RgbImage,
    whole: bool,
    valid: ValidMask,
    layout: Layout,
    window: Window,
}

impl Shown {
    /// The networks' input.
    fn input_of(&self, photo: &RgbImage) -> RgbImage {
        let part = if self.whole { self.layout.canvas(photo).into_owned() } else { photo.clone() };
        self.layout.padded(part, self.window)
    }
}

/// Inputs as a batch, normalised.
fn normalized(inputs: &[RgbImage], size: InputSize) -> Tensor {
    let shape = size.shape(inputs.len());
    let mut batch = Tensor::zeros(shape);
    let targets = batch.data_mut().chunks_exact_mut(shape.image_len());
    inputs.iter().zip(targets).for_each(|(input, target)| write_normalized(input, target));
    batch
}

/// Changes one of brightness, contrast and saturation.
fn jitter(image: &RgbImage, random: &mut Random) -> RgbImage {
    let kind = random.below(3);
    let factor = random.between(1.0 - JITTER, 1.0 + JITTER);
    match kind {
        0 => adjust_brightness(image, factor),
        1 => adjust_contrast(image, factor),
        _ => adjust_saturation(image, factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceError;
    use crate::source::ImageSource;

    struct Plain(usize);

    impl ImageSource for Plain {
        fn len(&self) -> usize {
            self.0
        }
        fn name(&self, index: usize) -> String {
            index.to_string()
        }
        fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
            let mut image = RgbImage::new(40, 30);
            image.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 7 + index * 50) as u8);
            Ok(image)
        }
    }

    fn loader(source: Plain) -> StepLoader {
        StepLoader {
            order: ImageOrder::new(source.0, 0),
            images: ImageCache::new(Arc::new(source), 0),
            photos: None,
            framing: Framing::stretched(InputSize::default()),
            augment: BTreeSet::new(),
            seed: 4,
            autoencoder_images: 3,
        }
    }

    #[test]
    fn every_image_comes_once_an_epoch() {
        let order = ImageOrder::new(5, 0);
        let epoch =
            |first: u64| (first..first + 5).map(|s| order.image_at(4, s)).collect::<Vec<_>>();
        let (first, second) = (epoch(0), epoch(5));
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn old_and_new_images_come_in_turn_and_each_once_an_epoch_of_its_kind() {
        let order = ImageOrder::new(7, 4);
        let steps: Vec<usize> = (0..24).map(|step| order.image_at(4, step)).collect();
        let (old, new): (Vec<_>, Vec<_>) = steps.chunks(2).map(|turn| (turn[0], turn[1])).unzip();
        for (kind, all) in [(&old, vec![0, 1, 2, 3]), (&new, vec![4, 5, 6])] {
            for epoch in kind.chunks(all.len()) {
                let mut epoch = epoch.to_vec();
                epoch.sort_unstable();
                assert_eq!(epoch, all);
            }
        }
        assert_ne!(old[..4], old[4..8]);
    }

    #[test]
    fn images_that_are_flipped_have_numbers_of_their_own() {
        let augment = BTreeSet::from([Augmentation::FlipVertical]);
        let loader = StepLoader { augment, ..loader(Plain(3)) };
        let steps: Vec<_> = (0..30).map(|step| loader.load(step).unwrap()).collect();
        let numbers: BTreeSet<_> = steps.iter().map(|step| step.image.unwrap()).collect();
        assert_eq!(Vec::from_iter(numbers), [0, 1, 2, 6, 7, 8]);
        for a in &steps {
            for b in &steps {
                assert_eq!(a.image == b.image, a.plain().data == b.plain().data);
            }
        }
        let augment = BTreeSet::from([Augmentation::Shift]);
        let loader = StepLoader { augment, ..loader };
        let numbers: BTreeSet<_> = (0..30).map(|step| loader.load(step).unwrap().image).collect();
        assert_eq!(Vec::from_iter(numbers), [None, Some(0), Some(1), Some(2)], "moved, or not");
    }

    #[test]
    fn a_step_is_the_same_whenever_it_is_loaded() {
        let step = |step| loader(Plain(3)).load(step).unwrap();
        let (a, b) = (step(17), step(17));
        assert!(a.image == b.image && a.batch.data() == b.batch.data());
        assert!(a.plain().data != a.jittered().data, "jitter changes the image");
        assert!(a.batch.data() != step(18).batch.data());
    }
}
