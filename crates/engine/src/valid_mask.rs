//! Which locations of an image's features are valid: the others lie outside the region or the photo.

use std::borrow::Cow;

/// Which of an input's locations count in losses and statistics.
#[derive(Clone, Debug, PartialEq)]
pub enum ValidMask {
    /// All of them.
    All,
    /// These, in rising order.
    Some(Vec<usize>),
}

impl ValidMask {
    /// Those that are marked.
    pub fn marked(marks: &[bool]) -> Self {
        if marks.iter().all(|&marked| marked) {
            return Self::All;
        }
        Self::Some((0..marks.len()).filter(|&location| marks[location]).collect())
    }

    /// The features, `channels` for each location, of the locations that count.
    pub fn gather<'a, T: Copy>(&self, features: &'a [T], channels: usize) -> Cow<'a, [T]> {
        match self {
            Self::All => Cow::Borrowed(features),
            Self::Some(locations) => {
                let of = |&location: &usize| &features[location * channels..][..channels];
                Cow::Owned(locations.iter().flat_map(of).copied().collect())
            }
        }
    }

    /// Changes the features of the locations that count, gathered; those of the others become 0.
    pub fn change<R>(
        &self,
        features: &mut [f32],
        channels: usize,
        change: impl FnOnce(&mut [f32]) -> R,
    ) -> R {
        let Self::Some(locations) = self else {
            return change(features);
        };
        let mut gathered = self.gather(features, channels).into_owned();
        let result = change(&mut gathered);
        features.fill(0.0);
        for (&location, changed) in locations.iter().zip(gathered.chunks_exact(channels)) {
            features[location * channels..][..channels].copy_from_slice(changed);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_count_is_left_out_and_becomes_zero() {
        let valid = ValidMask::marked(&[false, true, false, true]);
        let mut features = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(valid.gather(&features, 2)[..], [3.0, 4.0, 7.0, 8.0]);
        let sum = valid.change(&mut features, 2, |gathered| {
            gathered.iter_mut().for_each(|value| *value *= 10.0);
            gathered.iter().sum::<f32>()
        });
        assert_eq!((sum, features), (220.0, [0.0, 0.0, 30.0, 40.0, 0.0, 0.0, 70.0, 80.0]));
    }

    #[test]
    fn if_all_count_nothing_is_copied() {
        let valid = ValidMask::marked(&[true, true]);
        assert_eq!(valid, ValidMask::All);
        assert!(matches!(valid.gather(&[1, 2], 1), Cow::Borrowed([1, 2])));
    }
}
