//! Training images as they were not photographed, but might have been.

use efficientad_engine::Random;
use efficientad_images::{RgbImage, flip_horizontal, flip_vertical, shift_mirrored};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Images are shifted by up to this part of their width and height.
const SHIFT_PART: u32 = 32;

/// A change of training images after which a good part is still one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// Left and right are exchanged half of the times.
    FlipHorizontal,
    /// Top and bottom are exchanged half of the times.
    FlipVertical,
    /// Moved by up to a thirty-second of width and height; what moves in is mirrored.
    Shift,
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FlipHorizontal => "flip-horizontal",
            Self::FlipVertical => "flip-vertical",
            Self::Shift => "shift",
        })
    }
}

impl FromStr for Augmentation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::FlipHorizontal, Self::FlipVertical, Self::Shift]
            .into_iter()
            .find(|augmentation| augmentation.to_string() == text)
            .ok_or_else(|| "choose flip-horizontal, flip-vertical or shift".to_owned())
    }
}

/// How an image is shown once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pose {
    flipped_horizontally: bool,
    flipped_vertically: bool,
    /// Pixels to the right and down.
    shift: (i64, i64),
}

impl Pose {
    /// One of an image of a size in pixels.
    pub(super) fn draw(
        allowed: &BTreeSet<Augmentation>,
        size: (u32, u32),
        mut random: Random,
    ) -> Self {
        let mut pose = Self::default();
        for augmentation in allowed {
            match augmentation {
                Augmentation::FlipHorizontal => pose.flipped_horizontally = random.below(2) == 1,
                Augmentation::FlipVertical => pose.flipped_vertically = random.below(2) == 1,
                Augmentation::Shift => {
                    let mut up_to =
                        |most: u32| random.below(2 * most as usize + 1) as i64 - i64::from(most);
                    pose.shift = (up_to(size.0 / SHIFT_PART), up_to(size.1 / SHIFT_PART));
                }
            }
        }
        pose
    }

    /// The image in it.
    pub(super) fn of<'a>(&self, image: &'a RgbImage) -> Cow<'a, RgbImage> {
        let mut posed = Cow::Borrowed(image);
        if self.flipped_horizontally {
            posed = Cow::Owned(flip_horizontal(&posed));
        }
        if self.flipped_vertically {
            posed = Cow::Owned(flip_vertical(&posed));
        }
        if self.shift != (0, 0) {
            posed = Cow::Owned(shift_mirrored(&posed, self.shift.0, self.shift.1));
        }
        posed
    }

    /// How many poses have a number.
    pub(super) fn numbered(allowed: &BTreeSet<Augmentation>) -> usize {
        if allowed.is_empty() { 1 } else { 4 }
    }

    /// Its number, if an image is often shown so.
    pub(super) fn number(&self) -> Option<usize> {
        let of_flips =
            usize::from(self.flipped_horizontally) + 2 * usize::from(self.flipped_vertically);
        (self.shift == (0, 0)).then_some(of_flips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_engine::Purpose;

    /// What 200 draws of poses of 64×96 pixels give.
    fn draws(allowed: &[Augmentation]) -> Vec<Pose> {
        let allowed = allowed.iter().copied().collect();
        let random = |draw| Random::new(3, Purpose::Pose, draw);
        (0..200).map(|draw| Pose::draw(&allowed, (64, 96), random(draw))).collect()
    }

    #[test]
    fn only_what_is_allowed_is_drawn_and_all_of_it() {
        assert!(draws(&[]).iter().all(|pose| *pose == Pose::default()));
        let flips = draws(&[Augmentation::FlipVertical, Augmentation::FlipHorizontal]);
        for number in 0..4 {
            let times = flips.iter().filter(|pose| pose.number() == Some(number)).count();
            assert!((30..70).contains(&times), "{number}: {times}");
        }
        let shifts = draws(&[Augmentation::Shift]);
        assert!(shifts.iter().all(|pose| !pose.flipped_horizontally && !pose.flipped_vertically));
        for (right, down) in [(-2, 3), (2, -3)] {
            assert!(shifts.iter().any(|pose| pose.shift.0 == right));
            assert!(shifts.iter().any(|pose| pose.shift.1 == down));
        }
        assert!(shifts.iter().all(|pose| pose.shift.0.abs() <= 2 && pose.shift.1.abs() <= 3));
    }

    #[test]
    fn an_image_is_flipped_before_it_is_moved() {
        let mut image = RgbImage::new(4, 2);
        image.put_pixel(0, 0, [9; 3].into());
        let pose = Pose { flipped_horizontally: true, flipped_vertically: true, shift: (-1, 0) };
        let posed = pose.of(&image);
        assert_eq!(posed[(2, 1)].0, [9; 3]);
        assert_eq!(posed.pixels().filter(|pixel| pixel.0 == [9; 3]).count(), 1);
        assert_eq!(pose.number(), None);
    }
}
