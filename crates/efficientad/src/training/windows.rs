//! All training images once, window by window, as statistics over them are taken.

use crate::error::Error;
use crate::input::normalized;
use crate::progress::{Progress, ProgressFn, Stage, report};
use crate::source::{ImageSource, load};
use crate::view::Framing;
use efficientad_engine::Tensor;

/// Windows that statistics are taken from, at most, but never less than one of each image.
const STATISTICS_WINDOWS: usize = 1024;

/// Shows the windows of all images to `visit`: the networks' normalised input, and which of its
/// locations count. Of tiles, which may be many, some are taken, spread evenly.
pub(crate) fn for_each_window(
    framing: &Framing,
    images: &dyn ImageSource,
    stage: Stage,
    progress: &mut ProgressFn<'_>,
    mut visit: impl FnMut(&Tensor, &[bool]) -> Result<(), Error>,
) -> Result<(), Error> {
    let total = images.len();
    let of_each = (STATISTICS_WINDOWS / total.max(1)).max(1);
    for index in 0..total {
        report(progress, Progress { stage, done: index, total })?;
        let photo = load(images, index)?;
        let layout = framing.layout(photo.dimensions());
        let layout = layout.map_err(|error| error.of_image(images.name(index)))?;
        let windows = layout.windows();
        let canvas = layout.canvas_of(&photo);
        let taken = of_each.min(windows.len());
        for i in 0..taken {
            // Each image begins elsewhere, so that one window an image is not always the same.
            let window = windows[(i * windows.len() / taken + index) % windows.len()];
            let input = normalized(&layout.input(&canvas, window));
            visit(&input, &layout.counted_in(window))?;
        }
    }
    report(progress, Progress { stage, done: total, total })
}
