//! Verdicts against the truth at one threshold.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ImageScore;

/// Counts of verdicts; *positive* means called anomalous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Anomalous and called anomalous.
    pub true_positives: u64,
    /// Good but called anomalous: false alarms.
    pub false_positives: u64,
    /// Good and called good.
    pub true_negatives: u64,
    /// Anomalous but called good: missed defects.
    pub false_negatives: u64,
}

impl Confusion {
    /// Counts one verdict.
    pub fn add(&mut self, called_anomalous: bool, anomalous: bool) {
        *match (called_anomalous, anomalous) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (false, true) => &mut self.false_negatives,
        } += 1;
    }

    /// Counts the verdicts `score >= threshold` over images.
    pub fn at_threshold(images: &[ImageScore], threshold: f32) -> Self {
        let mut counts = Self::default();
        for image in images {
            counts.add(image.score >= threshold, image.anomalous);
        }
        counts
    }

    /// Share of those called anomalous that are; `None` if nothing was called anomalous.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of the anomalous called anomalous; `None` if nothing is anomalous.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the good called anomalous; `None` if nothing is good.
    pub fn false_positive_rate(&self) -> Option<f64> {
        share(self.false_positives, self.false_positives + self.true_negatives)
    }

    /// Harmonic mean of precision and recall; `None` if nothing is or was called anomalous.
    pub fn f1(&self) -> Option<f64> {
        let doubled = 2 * self.true_positives;
        share(doubled, doubled + self.false_positives + self.false_negatives)
    }

    /// Share of right verdicts; `None` if there were none at all.
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        share(right, right + self.false_positives + self.false_negatives)
    }
}

/// Counts the verdicts `score >= threshold` for each kind by itself, good ones included.
pub fn confusion_by_kind(images: &[ImageScore], threshold: f32) -> BTreeMap<String, Confusion> {
    let mut kinds: BTreeMap<String, Confusion> = BTreeMap::new();
    for image in images {
        let counts = kinds.entry(image.kind.clone()).or_default();
        counts.add(image.score >= threshold, image.anomalous);
    }
    kinds
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(kind: &str, score: f32) -> ImageScore {
        ImageScore { kind: kind.into(), anomalous: kind != "good", score }
    }

    #[test]
    fn a_score_at_the_threshold_is_anomalous() {
        let images =
            [image("good", 0.2), image("good", 0.5), image("crack", 0.5), image("dent", 0.4)];
        let all = Confusion::at_threshold(&images, 0.5);
        let expected = Confusion {
            true_positives: 1,
            false_positives: 1,
            true_negatives: 1,
            false_negatives: 1,
        };
        assert_eq!(all, expected);
        assert_eq!([all.precision(), all.recall(), all.f1(), all.accuracy()], [Some(0.5); 4]);
        assert_eq!(all.false_positive_rate(), Some(0.5));
        let kinds = confusion_by_kind(&images, 0.5);
        assert_eq!(kinds["dent"], Confusion { false_negatives: 1, ..Confusion::default() });
        assert_eq!(kinds["crack"].recall(), Some(1.0));
    }

    #[test]
    fn shares_of_nothing_are_none() {
        let none = Confusion::default();
        assert_eq!([none.precision(), none.recall(), none.f1(), none.accuracy()], [None; 4]);
    }
}
