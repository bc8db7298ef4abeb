//! Judges the photos of a shard that have no results yet.

use std::path::Path;

use efficientad::Detector;

use super::run::{Run, Stored};
use super::write::{Begun, ShardFile};
use super::{Shard, ShardError};
use crate::{JudgeOptions, Judged, Photo, inspect_photos};

/// A shard whose results are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardDone {
    /// Its photos.
    pub photos: usize,
    /// Those that had results before.
    pub before: usize,
    /// Those that could not be judged.
    pub failed: usize,
}

impl std::fmt::Display for ShardDone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { photos, before, failed } = self;
        write!(f, "{photos} photos, {before} of them judged before, {failed} failed")
    }
}

/// Judges what is left of a shard of `run`, and keeps its results in `folder`. `photos` are all photos of the
/// list; `visit` gets each that is judged now, with what is kept of it and, if it was judged, all the rest.
///
/// # Errors
/// The shard is of another run, or its results can't be written; and the first error of `visit`. What was
/// kept until then stays.
pub fn judge_shard<E: From<ShardError>>(
    detector: &Detector,
    photos: &[Photo],
    options: &JudgeOptions,
    (shard, folder, run): (Shard, &Path, &Run),
    mut visit: impl FnMut(&Photo, Stored, Option<&Judged>) -> Result<(), E>,
) -> Result<ShardDone, E> {
    let mine = shard.of(photos);
    let mut file = match ShardFile::begin(folder, shard, run, photos)? {
        Begun::Finished { failed } => {
            return Ok(ShardDone { photos: mine.len(), before: mine.len(), failed });
        }
        Begun::Under(file) => file,
    };
    let before = file.done();
    let left = &mine[before.min(mine.len())..];
    inspect_photos(detector, left, options, |index, judged| {
        let stored = file.record(&left[index], &judged)?;
        visit(&left[index], stored, judged.as_ref().ok())
    })?;
    let failed = file.failed();
    file.finish()?;
    Ok(ShardDone { photos: mine.len(), before, failed })
}
