//! Photos in, verdicts out, in the same order.

use std::sync::mpsc::sync_channel;
use std::thread;

use efficientad::{Detector, Inspection, RgbImage};
use efficientad_images::{DecodeOptions, load};

use crate::{InspectError, Photo};

/// An image and what the detector says about it.
#[derive(Debug)]
pub struct Judged {
    /// The image as decoded.
    pub image: RgbImage,
    /// Score, verdict and anomaly map; the map has the image's size.
    pub inspection: Inspection,
}

/// Judges photos one after the other; a thread decodes the next one while one is judged.
///
/// `visit` gets each photo's place in `photos` with its verdict or the reason that there is none,
/// in order. Two decoded images are in memory at most.
///
/// # Errors
/// The first error that `visit` returns; the photos after it are not judged.
pub fn inspect_photos<E>(
    detector: &Detector,
    photos: &[Photo],
    decode: &DecodeOptions,
    mut visit: impl FnMut(usize, Result<Judged, InspectError>) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(0);
        scope.spawn(move || {
            // Sending fails once `visit` has ended the work.
            photos
                .iter()
                .map(|photo| load(&photo.path, decode))
                .all(|image| sender.send(image).is_ok())
        });
        for (index, image) in receiver.into_iter().enumerate() {
            let judged = image.map_err(InspectError::from).and_then(|image| {
                let inspection =
                    detector.inspect(&image).map_err(|source| InspectError::Detector {
                        name: photos[index].path.display().to_string(),
                        source,
                    })?;
                Ok(Judged { image, inspection })
            });
            visit(index, judged)?;
        }
        Ok(())
    })
}
