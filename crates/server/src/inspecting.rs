//! One photo: from its bytes to a verdict, and what is drawn of it.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use bytes::Bytes;
use efficientad_evaluation::{Frame, Judged, Pixels, VerdictRecord, heat_overlay, inspect};
use efficientad_images::float_tiff::encode_float_tiff;
use efficientad_images::picture::encode_png;
use efficientad_images::{MapView, PictureError, PixelFormat, PixelsView};

use crate::budget::{Budget, Reservation};
use crate::models::Loaded;
use crate::refusal::Refusal;
use crate::verdicts::{Origin, Passing, Verdicts};

/// A photo to be judged.
#[derive(Debug)]
pub(crate) struct Photo {
    /// What the client calls it.
    pub name: String,
    pub content: Content,
}

/// What a photo is made of.
#[derive(Debug)]
pub(crate) enum Content {
    /// A PNG, JPEG, BMP, TIFF or WebP file.
    File(Bytes),
    /// Red, green, blue, a byte each, row by row.
    Rgb { bytes: Bytes, width: u32, height: u32 },
}

/// What is asked for beside the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The photo with its map drawn over it, as PNG.
    pub overlay: bool,
    /// The anomaly map.
    pub map: Option<MapForm>,
}

/// Forms of an anomaly map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapForm {
    /// A TIFF file of 32-bit floating point.
    Tiff,
    /// Values of 32-bit floating point, little-endian, row by row.
    Values,
}

/// What one request asks about its photos.
#[derive(Clone)]
pub(crate) struct Order {
    pub model: Arc<Loaded>,
    pub wanted: Wanted,
    pub origin: Arc<Origin>,
    /// The client whose share of the queue it takes, where there are several.
    pub share_of: Option<String>,
    /// What pictures and maps are counted against.
    pub budget: Budget,
}

/// What came of a photo.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub record: VerdictRecord,
    pub overlay: Option<Bytes>,
    pub map: Option<Map>,
    /// What decoding and inspecting took.
    pub seconds: f64,
}

/// An anomaly map in the form that was asked for.
#[derive(Debug)]
pub(crate) struct Map {
    pub bytes: Bytes,
    pub width: u32,
    pub height: u32,
}

impl Order {
    /// Judges a photo, in this thread. Nobody has the verdict before it has [passed](Self::pass).
    pub(crate) fn inspect(&self, photo: &Photo, verdicts: &Verdicts) -> Result<Inspected, Refusal> {
        let begun = Instant::now();
        let model = &self.model;
        let judged = inspect(&model.detector, &model.decode, &photo.frame()).map_err(|error| {
            verdicts.fail(model);
            Refusal::of_photo(&error)
        })?;
        model.observe_depth(judged.used_bits);
        let record = VerdictRecord {
            path: photo.name.clone(),
            verdict: (&judged.inspection).into(),
            engine: Some(model.detector.engine()),
        };
        let (overlay, map) = (self.overlay(&judged)?, self.map(&judged)?);
        Ok(Inspected { record, overlay, map, seconds: begun.elapsed().as_secs_f64() })
    }

    /// Has a verdict counted, told and recorded, which waits for the disk.
    pub(crate) fn pass(
        &self,
        photo: &Photo,
        inspected: Inspected,
        verdicts: &Verdicts,
    ) -> Result<Inspected, Refusal> {
        verdicts.pass(&Passing {
            origin: &self.origin,
            model: &self.model,
            name: &photo.name,
            content: &photo.content,
            verdict: &inspected.record.verdict,
            seconds: inspected.seconds,
        })?;
        Ok(inspected)
    }

    fn overlay(&self, judged: &Judged) -> Result<Option<Bytes>, Refusal> {
        if !self.wanted.overlay {
            return Ok(None);
        }
        // As large as it can get, until it is known how large it is.
        let room = self.room(judged.image.len())?;
        let picture = heat_overlay(judged, self.model.range, None).and_then(|it| encode_png(&it));
        Ok(Some(room.hold(picture.map_err(|error| not_drawn(&error))?)))
    }

    fn map(&self, judged: &Judged) -> Result<Option<Map>, Refusal> {
        let Some(form) = self.wanted.map else { return Ok(None) };
        let map = &judged.inspection.map;
        let room = self.room(4 * map.values.len())?;
        let bytes = match form {
            MapForm::Values => map.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            MapForm::Tiff => MapView::new(&map.values, map.width, map.height)
                .and_then(encode_float_tiff)
                .map_err(|error| not_drawn(&error))?,
        };
        Ok(Some(Map { bytes: room.hold(bytes), width: map.width, height: map.height }))
    }

    /// Memory for a picture or map.
    fn room(&self, bytes: usize) -> Result<Reservation, Refusal> {
        self.budget.reserve(bytes).ok_or_else(result_too_large)
    }

    /// Memory for an answer that holds the pictures and maps of photos as text, or one behind the
    /// other: three times what they take.
    pub(crate) fn room_for_answer<'a>(
        &self,
        photos: impl Iterator<Item = &'a Inspected>,
    ) -> Result<Reservation, Refusal> {
        let bytes = |photo: &Inspected| {
            let map = photo.map.as_ref().map_or(0, |map| map.bytes.len());
            map + photo.overlay.as_ref().map_or(0, Bytes::len)
        };
        self.room(3 * photos.map(bytes).sum::<usize>())
    }
}

fn result_too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "result_too_large",
        "there is no memory for the pictures and maps of so many or so large photos: ask for them one \
         photo at a time, or start the server with a larger --memory",
    )
}

fn not_drawn(error: &PictureError) -> Refusal {
    Refusal::internal(error.to_string())
}

impl Photo {
    /// The same, which holds a reservation for its bytes as long as it lives.
    pub(crate) fn holding(self, reservation: &Arc<Reservation>) -> Self {
        let hold = |bytes| reservation.hold_part(bytes);
        let content = match self.content {
            Content::File(bytes) => Content::File(hold(bytes)),
            Content::Rgb { bytes, width, height } => {
                Content::Rgb { bytes: hold(bytes), width, height }
            }
        };
        Self { content, ..self }
    }

    fn frame(&self) -> Frame<'_> {
        let name = self.name.as_str().into();
        match &self.content {
            Content::File(bytes) => Frame::Bytes { name, bytes: bytes.as_ref().into() },
            &Content::Rgb { ref bytes, width, height } => {
                let pixels = PixelsView::packed(bytes, width, height, PixelFormat::Rgb8);
                Frame::Pixels { name, pixels: Pixels::from(pixels) }
            }
        }
    }
}
