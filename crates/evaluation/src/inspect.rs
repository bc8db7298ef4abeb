//! Photos in, verdicts out, in the same order.

use std::num::NonZero;
use std::thread::available_parallelism;

use efficientad::{Detector, Inspection, RgbImage};
use efficientad_images::DecodeOptions;

use crate::frame::Frame;
use crate::in_order::{Ordered, in_order};
use crate::{InspectError, Photo};

/// An image and what the detector says about it.
#[derive(Debug)]
pub struct Judged {
    /// The image as decoded.
    pub image: RgbImage,
    /// How many of 16 bits its samples use ([`used_bits`](efficientad_images::used_bits)); `None` for 8
    /// bits.
    pub used_bits: Option<u8>,
    /// Score, verdict and anomaly map; the map has the image's size.
    pub inspection: Inspection,
}

/// How photos are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeOptions {
    /// How they are decoded.
    pub decode: DecodeOptions,
    /// Number of photos that are decoded and inspected at once, each by a thread of its own; 0 is
    /// taken as 1. Of the verdicts nothing depends on it. As many as the detector has threads give
    /// the most photos a second, and twice so many photos with their maps are in memory at most.
    pub workers: usize,
}

impl Default for JudgeOptions {
    /// Photos as stored, one worker for each thread that the CPU runs at once.
    fn default() -> Self {
        let workers = available_parallelism().map_or(1, NonZero::get);
        Self { decode: DecodeOptions::default(), workers }
    }
}

/// Gives photos to be judged and takes what comes of them, both in the caller's thread.
pub trait Judging<'a> {
    /// Why the judging ends early.
    type Error;

    /// The next photo, or `None` if there is none now. It is asked again, every 20 ms and after
    /// every verdict, as long as photos are being judged.
    ///
    /// # Errors
    /// To end the judging.
    fn next_frame(&mut self) -> Result<Option<Frame<'a>>, Self::Error>;

    /// Takes the verdict on the earliest photo that had none, or the reason that there is none.
    ///
    /// # Errors
    /// To end the judging.
    fn record_verdict(&mut self, judged: Result<Judged, InspectError>) -> Result<(), Self::Error>;
}

/// Judges photos until there is none and all that were given have their verdicts.
///
/// Each worker decodes and inspects a photo of its own and waits for no other. Verdicts are those of
/// judging one by one, bit for bit, and come in the order of the photos. At any time at most
/// `2 · workers` photos were given and have no verdict recorded: so many decoded images with their
/// anomaly maps are in memory at most, `3 + 4` bytes a pixel. A panic of a worker goes on in the
/// caller's thread.
///
/// # Errors
/// The first error of `judging`. Photos that no worker has begun are then not judged.
pub fn judge<'a, J: Judging<'a>>(
    detector: &Detector,
    options: &JudgeOptions,
    judging: &mut J,
) -> Result<(), J::Error> {
    let line = &mut Adapter { judging, frames: std::marker::PhantomData };
    in_order(options.workers, line, |frame: Frame<'a>| inspect(detector, &options.decode, &frame))
}

/// Decodes a photo and judges it, in this thread.
///
/// # Errors
/// It can't be decoded, or the networks can't judge it.
pub fn inspect(
    detector: &Detector,
    decode: &DecodeOptions,
    frame: &Frame<'_>,
) -> Result<Judged, InspectError> {
    let name = || frame.name().into_owned();
    let (image, used_bits) = frame.decode_measured(decode).map_err(|source| match frame {
        Frame::File(_) | Frame::Bytes { .. } => InspectError::Image(source),
        Frame::Pixels { .. } => InspectError::Pixels { name: name(), source },
    })?;
    let inspection = detector
        .inspect(&image)
        .map_err(|source| InspectError::Detector { name: name(), source })?;
    Ok(Judged { image, used_bits, inspection })
}

/// Judges photos as [`judge`] does; `visit` gets each photo's place in `photos` with its verdict or
/// the reason that there is none, in order.
///
/// # Errors
/// The first error that `visit` returns; photos that no worker has begun are then not judged.
pub fn inspect_photos<E>(
    detector: &Detector,
    photos: &[Photo],
    options: &JudgeOptions,
    visit: impl FnMut(usize, Result<Judged, InspectError>) -> Result<(), E>,
) -> Result<(), E> {
    let frames = photos.iter().map(|photo| Frame::from(photo.path.as_path()));
    judge(detector, options, &mut Listed { frames, judged: 0, visit })
}

/// A known number of photos.
struct Listed<I, V> {
    frames: I,
    judged: usize,
    visit: V,
}

impl<'a, I, V, E> Judging<'a> for Listed<I, V>
where
    I: Iterator<Item = Frame<'a>>,
    V: FnMut(usize, Result<Judged, InspectError>) -> Result<(), E>,
{
    type Error = E;

    fn next_frame(&mut self) -> Result<Option<Frame<'a>>, E> {
        Ok(self.frames.next())
    }

    fn record_verdict(&mut self, judged: Result<Judged, InspectError>) -> Result<(), E> {
        self.judged += 1;
        (self.visit)(self.judged - 1, judged)
    }
}

struct Adapter<'j, 'a, J> {
    judging: &'j mut J,
    frames: std::marker::PhantomData<Frame<'a>>,
}

impl<'a, J: Judging<'a>> Ordered for Adapter<'_, 'a, J> {
    type Task = Frame<'a>;
    type Output = Result<Judged, InspectError>;
    type Error = J::Error;

    fn next_task(&mut self) -> Result<Option<Frame<'a>>, J::Error> {
        self.judging.next_frame()
    }

    fn record(&mut self, judged: Self::Output) -> Result<(), J::Error> {
        self.judging.record_verdict(judged)
    }
}
