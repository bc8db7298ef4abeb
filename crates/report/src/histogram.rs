//! Scores of good and of defective images, counted side by side.

use efficientad_evaluation::JudgedImage;

use crate::plot::{Axis, BOTTOM, LEFT, RIGHT, Tick};
use crate::text;

/// Bars between the lowest score and the highest, about.
const BARS: f64 = 36.0;
/// Beyond the highest good score (or the threshold), the scale goes on for so many times the
/// distance from the lowest score; what lies further is counted in the last bar.
const FAR: f64 = 3.0;

/// Top and bottom of the two panels.
const GOOD: (f64, f64) = (44.0, 140.0);
const DEFECTIVE: (f64, f64) = (170.0, BOTTOM);

/// Both histograms over one scale, the good images' above. No bar lies on both sides of the threshold.
#[derive(Debug)]
pub(crate) struct Histogram {
    pub panels: [Panel; 2],
    pub x_ticks: Vec<Tick>,
    pub threshold: Option<Tick>,
    /// Which scores the last bar counts too, if there are any beyond it.
    pub beyond: Option<Beyond>,
}

/// The histogram of one class.
#[derive(Debug)]
pub(crate) struct Panel {
    pub class: &'static str,
    pub images: usize,
    pub top: f64,
    pub bottom: f64,
    pub y_ticks: Vec<Tick>,
    pub bars: Vec<Bar>,
}

/// A bar, as a rectangle.
#[derive(Debug, PartialEq)]
pub(crate) struct Bar {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    /// Whether its images' verdict is wrong.
    pub wrong: bool,
}

/// Images with scores beyond the scale.
#[derive(Debug, PartialEq)]
pub(crate) struct Beyond {
    pub from: String,
    pub images: usize,
}

/// Intervals of one width; the threshold is a border of two.
struct Scale {
    low: f64,
    width: f64,
    count: usize,
}

impl Scale {
    fn of(images: &[JudgedImage], threshold: Option<f32>) -> Self {
        let scores = |defective: Option<bool>| {
            let images = images.iter();
            let chosen = images.filter(move |image| defective.is_none_or(|d| image.defective == d));
            chosen.map(|image| f64::from(image.score)).chain(threshold.map(f64::from))
        };
        let highest = |scores: &mut dyn Iterator<Item = f64>| scores.fold(f64::MIN, f64::max);
        let low = scores(None).fold(f64::MAX, f64::min);
        let all = highest(&mut scores(None));
        let usual = highest(&mut scores(Some(false)));
        let usual = if usual == f64::MIN { all } else { usual };
        let high = all.min(usual + FAR * (usual - low));
        let width = if high > low { (high - low) / BARS } else { low.abs().max(1.0) / BARS };
        let border = threshold.map_or(low, f64::from);
        let low = border - ((border - low) / width).ceil() * width;
        Self { low, width, count: ((high - low) / width).floor() as usize + 1 }
    }

    fn high(&self) -> f64 {
        self.low + self.width * self.count as f64
    }

    /// Counts scores, those beyond the scale in the last interval.
    fn count(&self, scores: impl Iterator<Item = f64>, border: Option<f32>) -> Vec<usize> {
        let mut counts = vec![0; self.count];
        for score in scores {
            let index = match border.map(f64::from) {
                // From the threshold outwards, so that rounding can't carry a score across it.
                Some(border) => {
                    let below = ((border - self.low) / self.width).round();
                    below + ((score - border) / self.width).floor()
                }
                None => ((score - self.low) / self.width).floor(),
            };
            counts[(index.max(0.0) as usize).min(self.count - 1)] += 1;
        }
        counts
    }
}

impl Histogram {
    pub fn new(images: &[JudgedImage], threshold: Option<f32>) -> Self {
        let scale = Scale::of(images, threshold);
        let x = Axis { low: scale.low, high: scale.high(), from: LEFT, to: RIGHT };
        let panel = |defective: bool, (top, bottom): (f64, f64)| {
            let chosen = images.iter().filter(|image| image.defective == defective);
            let counts = scale.count(chosen.map(|image| f64::from(image.score)), threshold);
            let class = if defective { "defective" } else { "good" };
            Panel::new(class, &counts, (top, bottom), |index| {
                let left = scale.low + scale.width * index as f64;
                let called = threshold.map(|t| left + scale.width / 2.0 >= f64::from(t));
                let wrong = called.is_some_and(|called| called != defective);
                (x.at(left), x.at(left + scale.width), wrong)
            })
        };
        let beyond = images.iter().filter(|image| f64::from(image.score) >= scale.high()).count();
        Self {
            panels: [panel(false, GOOD), panel(true, DEFECTIVE)],
            x_ticks: x.ticks(5),
            threshold: threshold
                .map(|value| Tick { at: x.at(f64::from(value)), label: text::score(value) }),
            beyond: (beyond > 0)
                .then(|| Beyond { from: text::score(scale.high() as f32), images: beyond }),
        }
    }
}

impl Panel {
    fn new(
        class: &'static str,
        counts: &[usize],
        (top, bottom): (f64, f64),
        place: impl Fn(usize) -> (f64, f64, bool),
    ) -> Self {
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        let y = Axis { low: 0.0, high: most as f64, from: bottom, to: top };
        let bars = counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        let bars = bars.map(|(index, &count)| {
            let (left, right, wrong) = place(index);
            let top = y.at(count as f64);
            let tenths = |length: f64| (length * 10.0).round() / 10.0;
            Bar {
                x: left,
                y: top,
                width: tenths(right - left - 1.0),
                height: tenths(bottom - top),
                wrong,
            }
        });
        let y_ticks = y.ticks(most.min(3)).into_iter().filter(|tick| !tick.label.contains('.'));
        Self {
            class,
            images: counts.iter().sum(),
            top,
            bottom,
            bars: bars.collect(),
            y_ticks: y_ticks.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(good: &[f32], defective: &[f32]) -> Vec<JudgedImage> {
        let image = |&score: &f32, defective| JudgedImage {
            path: "x.png".into(),
            kind: "x".into(),
            defective,
            score,
            anomalous: None,
            p_value: None,
        };
        let good = good.iter().map(|score| image(score, false));
        good.chain(defective.iter().map(|score| image(score, true))).collect()
    }

    #[test]
    fn no_bar_is_right_and_wrong() {
        let threshold = 0.3_f32;
        let (below, at) = (threshold.next_down(), threshold);
        let images = images(&[0.1, below, at], &[0.2, below, at, 0.5]);
        let histogram = Histogram::new(&images, Some(threshold));
        let wrong = |panel: &Panel| panel.bars.iter().map(|bar| bar.wrong).collect::<Vec<_>>();
        let [good, defective] = &histogram.panels;
        assert_eq!(wrong(good), [false, false, true]);
        assert_eq!(wrong(defective), [true, true, false, false]);
        let line = histogram.threshold.unwrap().at;
        let ends = good.bars.iter().map(|bar| (bar.x, bar.x + bar.width));
        assert!(ends.into_iter().all(|(left, right)| right <= line || left >= line));
        assert_eq!((good.images, defective.images), (3, 4));
    }

    #[test]
    fn a_score_far_off_does_not_squeeze_the_others() {
        let histogram = Histogram::new(&images(&[0.0, 0.1], &[0.2, 1e6]), Some(0.15));
        assert_eq!(histogram.beyond.unwrap().images, 1);
        let [low, high] = &histogram.panels[0].bars[..] else { panic!() };
        assert!(high.x - low.x > 40.0);
    }

    #[test]
    fn one_score_and_one_class_are_enough() {
        for (good, defective) in [(&[0.5][..], &[][..]), (&[], &[0.5, 0.5]), (&[0.0], &[0.0])] {
            for threshold in [None, Some(0.5)] {
                let histogram = Histogram::new(&images(good, defective), threshold);
                for bar in histogram.panels.iter().flat_map(|panel| &panel.bars) {
                    assert!(bar.width > 0.0 && bar.height > 0.0, "{bar:?}");
                    assert!(bar.x >= LEFT && bar.x + bar.width <= RIGHT, "{bar:?}");
                }
            }
        }
    }
}
