//! The memory that judging a photo takes, reckoned before any of it is taken.

use super::View;
use super::layout::{CELL, canvas};
use crate::error::Error;
use efficientad_engine::InputSize;

/// Bytes that judging may take for each pixel of the photo, itself included, and beyond that,
/// whatever the photo's size. What the networks take is not counted: it depends on the input alone.
pub const MEMORY_PER_PIXEL: u64 = 32;
/// See [`MEMORY_PER_PIXEL`].
pub const MEMORY_ALLOWANCE: u64 = 1 << 30;

/// Bytes of an RGB pixel.
const RGB: u64 = 3;
/// Bytes of a cell of the canvas: two maps, one of them smoothed, too, and whether it counts.
const CELL_BYTES: u64 = 4 + 4 + 4 + 1;
/// Bytes of a row's or column's weights while it is resized, and of its place in the cells.
const RESIZED_LINE: u64 = 48;
const TAPS: u64 = 24;
/// Bytes that a pixel takes while defect regions are looked for, and that a region takes.
const LABELLED_PIXEL: u64 = 1 + 4;
const REGION: u64 = 72;

/// Refuses photos of `width × height` pixels that a view enlarges beyond measure.
///
/// # Errors
/// [`Error::TooMuchMemory`].
pub(super) fn check(
    input: InputSize,
    view: View,
    photo: (u32, u32),
    has_region: bool,
) -> Result<(), Error> {
    let needed = needed(input, view, photo, has_region);
    let limit = MEMORY_ALLOWANCE + MEMORY_PER_PIXEL * pixels(photo);
    if needed <= limit {
        return Ok(());
    }
    Err(Error::TooMuchMemory { photo, view, needed, limit })
}

/// The most bytes that are taken at once: while windows are looked at, or while the map is made and
/// searched for regions. (`docs/photos.md` has the formula.)
fn needed(input: InputSize, view: View, photo: (u32, u32), has_region: bool) -> u64 {
    let canvas = canvas(input, view, photo);
    let (pixels, lines) = (pixels(photo), u64::from(photo.0) + u64::from(photo.1));
    let cells = [canvas.0, canvas.1].map(|side| u64::from(side / CELL as u32).max(1));
    let cells = cells[0] * cells[1];
    let marked = if has_region { (1 + RGB) * pixels } else { 0 };
    let scaled = if canvas == photo { 0 } else { resized(photo, canvas) };
    let map = 4 * (cells + pixels) + TAPS * lines;
    let regions = LABELLED_PIXEL * pixels + REGION * (pixels / 4).min(2 * cells);
    RGB * pixels + marked + CELL_BYTES * cells + scaled.max(map + regions)
}

/// What resizing takes: columns first, then rows.
fn resized(photo: (u32, u32), canvas: (u32, u32)) -> u64 {
    let lines = [photo.0, photo.1, canvas.0, canvas.1].map(u64::from).iter().sum::<u64>();
    let between =
        if canvas.0 == photo.0 || canvas.1 == photo.1 { 0 } else { pixels((canvas.0, photo.1)) };
    RGB * (between + pixels(canvas)) + RESIZED_LINE * lines
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: (u32, u32) = (11_585, 11_585);

    fn tiles(size: u32) -> View {
        View::Tiles { size, overlap: size / 4 }
    }

    fn refusal(view: View, photo: (u32, u32)) -> Option<String> {
        check(InputSize::default(), view, photo, true).err().map(|error| error.to_string())
    }

    #[test]
    fn photos_that_a_view_enlarges_beyond_measure_are_refused() {
        for (size, is_refused) in
            [(32, true), (64, true), (128, false), (256, false), (8192, false)]
        {
            assert_eq!(refusal(tiles(size), SQUARE).is_some(), is_refused, "{size}");
        }
        assert_eq!(refusal(tiles(32), (1024, 1024)), None, "small ones may be enlarged");
        let text = refusal(tiles(32), SQUARE).unwrap();
        for part in ["11585×11585", "tiles of 32×32", "larger tiles", "into pieces"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn whole_photos_of_any_shape_stay_within_the_limit() {
        let photos = [(65_535, 1), (1, 65_535), (65_535, 2_048), (2_048, 65_535), SQUARE, (1, 1)];
        for view in [View::Stretch, View::Letterbox] {
            for photo in photos {
                assert_eq!(refusal(view, photo), None, "{photo:?}");
            }
            // Sides that long are decoded only if they are asked for.
            assert!(refusal(view, (1, 1 << 27)).is_some());
        }
        let line = needed(InputSize::default(), View::Stretch, (65_535, 1), false);
        assert!(line < 10_000_000, "{line}");
    }

    #[test]
    fn what_is_reckoned_is_what_is_taken() {
        // A photo of 1000×500 pixels stretched to 256×256: 64×64 cells.
        let needed = needed(InputSize::default(), View::Stretch, (1000, 500), false);
        let map = 4 * (4096 + 500_000) + 24 * 1500;
        let regions = 5 * 500_000 + 72 * 8192;
        assert_eq!(needed, 3 * 500_000 + 13 * 4096 + map + regions);
    }
}
