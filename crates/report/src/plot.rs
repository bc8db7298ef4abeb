//! Axes and lines as SVG coordinates.
//!
//! All plots are drawn in a box of 420 by 312 units and scaled to the page's
//! column; letters of 13 units stay readable on a phone.

use std::fmt::Write;

use efficientad_metrics::{AUPRO_FPR_LIMIT, Curves};

/// Where the drawing begins and ends, left of it the ticks of the y axis.
pub(crate) const LEFT: f64 = 52.0;
pub(crate) const RIGHT: f64 = 408.0;

/// A tick of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub at: f64,
    pub label: String,
}

/// A range of values laid along a range of coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Axis {
    /// Where a value lies, to a tenth of a unit.
    pub fn at(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        ((self.from + share * (self.to - self.from)) * 10.0).round() / 10.0
    }

    /// About `count` ticks at round numbers.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        let step = round_step((self.high - self.low) / count.max(1) as f64);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|index| {
                let value = index as f64 * step;
                Tick { at: self.at(value), label: format!("{value:.decimals$}") }
            })
            .collect()
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let multiples = [1.0, 2.0, 5.0, 10.0].map(|multiple| multiple * power);
    multiples.into_iter().find(|&multiple| multiple >= step * (1.0 - 1e-9)).unwrap_or(step)
}

/// A curve in a square of shares.
#[derive(Debug)]
pub(crate) struct CurvePlot {
    pub name: &'static str,
    /// What one has to know to read it.
    pub caption: String,
    pub x_label: &'static str,
    pub y_label: &'static str,
    pub x_ticks: Vec<Tick>,
    pub y_ticks: Vec<Tick>,
    /// The curve as the data of an SVG path.
    pub path: String,
    /// The curve of scores without any meaning.
    pub chance: Option<String>,
    /// The verdicts' place on the curve.
    pub operating_point: Option<(f64, f64)>,
}

/// Top and bottom of a curve's drawing.
pub(crate) const TOP: f64 = 30.0;
pub(crate) const BOTTOM: f64 = 264.0;

impl CurvePlot {
    /// ROC, precision-recall and PRO, as far as they are defined. `operating_point` holds the rates
    /// of the verdicts: false rejects among the good, found among the defective, right among those
    /// called anomalous.
    pub fn of(curves: &Curves, operating_point: Option<OperatingPoint>) -> Vec<Self> {
        let plots = [
            Self::roc(curves, operating_point),
            Self::precision_recall(curves, operating_point),
            Self::pro(curves),
        ];
        plots.into_iter().filter(|plot| !plot.path.is_empty()).collect()
    }

    fn roc(curves: &Curves, operating_point: Option<OperatingPoint>) -> Self {
        let points = curves.image_roc.iter();
        let points = points.map(|point| (point.false_positive_rate, point.true_positive_rate));
        let (x, y) = (share_axis(1.0), height_axis());
        Self {
            name: "ROC of the images",
            caption: "Each threshold would give one point: the further up and left, the better. \
                      The dashed line is what guessing gives."
                .to_owned(),
            x_label: "good images rejected",
            y_label: "defective images found",
            path: path(points, x, y),
            chance: Some(path([(0.0, 0.0), (1.0, 1.0)].into_iter(), x, y)),
            operating_point: operating_point
                .map(|point| (x.at(point.false_positive_rate), y.at(point.recall))),
            ..Self::empty(x, y)
        }
    }

    fn precision_recall(curves: &Curves, operating_point: Option<OperatingPoint>) -> Self {
        let points = curves.image_precision_recall.iter();
        let (x, y) = (share_axis(1.0), height_axis());
        Self {
            name: "Precision and recall of the images",
            caption: "Of the images called anomalous, the share that is defective; it depends on \
                      how many defective images there are, here far more than on a line."
                .to_owned(),
            x_label: "defective images found (recall)",
            y_label: "of those called anomalous (precision)",
            path: path(points.map(|point| (point.recall, point.precision)), x, y),
            operating_point: operating_point.and_then(|point| {
                point.precision.map(|precision| (x.at(point.recall), y.at(precision)))
            }),
            ..Self::empty(x, y)
        }
    }

    fn pro(curves: &Curves) -> Self {
        let points = curves.pro.iter();
        let (x, y) = (share_axis(AUPRO_FPR_LIMIT), height_axis());
        Self {
            name: "PRO: how well defects are marked",
            caption: "The mean share of each defect's area that is marked, against the share of \
                      good area marked by mistake, up to 30\u{a0}%."
                .to_owned(),
            x_label: "good area marked",
            y_label: "defects' area marked",
            path: path(points.map(|point| (point.false_positive_rate, point.mean_overlap)), x, y),
            ..Self::empty(x, y)
        }
    }

    fn empty(x: Axis, y: Axis) -> Self {
        Self {
            name: "",
            caption: String::new(),
            x_label: "",
            y_label: "",
            x_ticks: percent_ticks(x, if x.high < 1.0 { 3 } else { 5 }),
            y_ticks: percent_ticks(y, 5),
            path: String::new(),
            chance: None,
            operating_point: None,
        }
    }
}

/// Rates of the verdicts, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OperatingPoint {
    pub false_positive_rate: f64,
    pub recall: f64,
    /// None if nothing was called anomalous.
    pub precision: Option<f64>,
}

fn share_axis(high: f64) -> Axis {
    Axis { low: 0.0, high, from: LEFT, to: RIGHT }
}

fn height_axis() -> Axis {
    Axis { low: 0.0, high: 1.0, from: BOTTOM, to: TOP }
}

fn percent_ticks(axis: Axis, count: usize) -> Vec<Tick> {
    let percents = Axis { low: 100.0 * axis.low, high: 100.0 * axis.high, ..axis };
    let ticks = percents.ticks(count).into_iter();
    ticks.map(|tick| Tick { label: format!("{}\u{a0}%", tick.label), ..tick }).collect()
}

fn path(points: impl Iterator<Item = (f64, f64)>, x: Axis, y: Axis) -> String {
    let mut data = String::new();
    for (index, (across, up)) in points.enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        // Writing into a string does not fail.
        let _ = write!(data, "{command}{} {}", x.at(across), y.at(up));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, count: usize) -> Vec<String> {
        let axis = Axis { low, high, from: 0.0, to: 100.0 };
        axis.ticks(count).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(0.0, 1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.0, 12.0, 4), ["0", "5", "10"]);
        assert_eq!(labels(-0.013, 0.027, 4), ["-0.01", "0.00", "0.01", "0.02"]);
        assert_eq!(labels(0.0, 1.0, 1), ["0", "1"]);
        assert_eq!(labels(1e6, 4e6, 3), ["1000000", "2000000", "3000000", "4000000"]);
    }

    #[test]
    fn curves_start_at_the_lower_left() {
        let (x, y) = (share_axis(1.0), height_axis());
        let data = path([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)].into_iter(), x, y);
        assert_eq!(data, "M52 264L52 30L408 30");
        assert!(CurvePlot::of(&Curves::default(), None).is_empty());
    }
}
