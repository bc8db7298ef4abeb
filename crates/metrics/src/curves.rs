//! Curves with no more points than the eye can tell apart.

use serde::Serialize;

use crate::{
    AUPRO_FPR_LIMIT, ImageScore, PrecisionRecallPoint, ProPoint, RocPoint, SortedPixels,
    precision_recall_curve, roc_curve,
};

/// The curves behind the metrics of a test set, to be drawn. A curve that is not defined (a class is missing, no
/// masks) has no points.
///
/// Points are left out where the line between their neighbours stays within [`CURVE_TOLERANCE`] of them on both axes,
/// so that the number of points is bounded whatever the number of images and pixels: 4 / tolerance for a curve that
/// rises on both axes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Curves {
    /// ROC curve of the image scores.
    pub image_roc: Vec<RocPoint>,
    /// Precision-recall curve of the image scores.
    pub image_precision_recall: Vec<PrecisionRecallPoint>,
    /// PRO curve of the pixel scores up to [`AUPRO_FPR_LIMIT`].
    pub pro: Vec<ProPoint>,
}

/// How far the curves of [`Curves`] may lie from the exact ones, in shares on either axis.
pub const CURVE_TOLERANCE: f64 = 1.0 / 500.0;

impl Curves {
    pub(crate) fn of(images: &[ImageScore], pixels: &SortedPixels) -> Self {
        let (scores, anomalous): (Vec<f32>, Vec<bool>) =
            images.iter().map(|image| (image.score, image.anomalous)).unzip();
        Self {
            image_roc: thin(roc_curve(&scores, &anomalous).unwrap_or_default()),
            image_precision_recall: thin(
                precision_recall_curve(&scores, &anomalous).unwrap_or_default(),
            ),
            pro: pixels.pro_curve(AUPRO_FPR_LIMIT, CURVE_TOLERANCE).unwrap_or_default(),
        }
    }
}

/// A point in a plane whose axes go from 0 to 1.
pub(crate) trait CurvePoint: Copy {
    fn position(&self) -> [f64; 2];
}

impl CurvePoint for RocPoint {
    fn position(&self) -> [f64; 2] {
        [self.false_positive_rate, self.true_positive_rate]
    }
}

impl CurvePoint for PrecisionRecallPoint {
    fn position(&self) -> [f64; 2] {
        [self.recall, self.precision]
    }
}

fn thin<P: CurvePoint>(points: Vec<P>) -> Vec<P> {
    let mut thinned = Thinned::new(CURVE_TOLERANCE);
    points.into_iter().for_each(|point| thinned.push(point));
    thinned.finish()
}

/// The points of a curve that are worth keeping.
///
/// A run of points is left out while it stays in a square of the tolerance around the last point kept; the last of
/// the run is kept, so that corners stay where they are.
pub(crate) struct Thinned<P> {
    tolerance: f64,
    kept: Vec<P>,
    run_end: Option<P>,
}

impl<P: CurvePoint> Thinned<P> {
    pub fn new(tolerance: f64) -> Self {
        Self { tolerance, kept: Vec::new(), run_end: None }
    }

    pub fn push(&mut self, point: P) {
        if self.kept.last().is_some_and(|last| self.is_near(last, &point)) {
            self.run_end = Some(point);
            return;
        }
        self.kept.extend(self.run_end.take());
        self.kept.push(point);
    }

    pub fn finish(mut self) -> Vec<P> {
        self.kept.extend(self.run_end);
        self.kept
    }

    fn is_near(&self, a: &P, b: &P) -> bool {
        a.position().iter().zip(b.position()).all(|(a, b)| (a - b).abs() < self.tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Point(f64, f64);

    impl CurvePoint for Point {
        fn position(&self) -> [f64; 2] {
            [self.0, self.1]
        }
    }

    fn thinned(tolerance: f64, points: &[Point]) -> Vec<Point> {
        let mut thinned = Thinned::new(tolerance);
        points.iter().for_each(|&point| thinned.push(point));
        thinned.finish()
    }

    /// A staircase from (0, 0) to (1, 1) of `n` steps in pseudorandom directions.
    fn staircase(n: usize) -> Vec<Point> {
        let mut state = 1_u64;
        let right: Vec<bool> = (0..n)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 63 == 0
            })
            .collect();
        let total = right.iter().filter(|&&right| right).count();
        let (mut x, mut y) = (0, 0);
        let mut points = vec![Point(0.0, 0.0)];
        for right in right {
            if right {
                x += 1
            } else {
                y += 1
            }
            points.push(Point(x as f64 / total as f64, y as f64 / (n - total) as f64));
        }
        points
    }

    #[test]
    fn a_curve_of_many_points_keeps_few() {
        let tolerance = 0.01;
        let points = staircase(200_000);
        let kept = thinned(tolerance, &points);
        assert!(kept.len() <= 400, "{}", kept.len());
        assert_eq!((kept[0], kept[kept.len() - 1]), (Point(0.0, 0.0), Point(1.0, 1.0)));
        let mut segment = 0;
        for point in points {
            while point.0 + point.1 > kept[segment + 1].0 + kept[segment + 1].1 {
                segment += 1;
            }
            let (from, to) = (kept[segment], kept[segment + 1]);
            let share = (point.0 + point.1 - from.0 - from.1) / (to.0 + to.1 - from.0 - from.1);
            let distance = (point.0 - from.0 - share * (to.0 - from.0)).abs();
            assert!(distance <= tolerance, "{point:?} is {distance} off");
        }
    }

    #[test]
    fn corners_stay_and_without_tolerance_every_point() {
        let corner = [Point(0.0, 0.0), Point(0.0, 0.005), Point(0.5, 0.005), Point(1.0, 1.0)];
        assert_eq!(thinned(0.01, &corner), corner);
        let points = staircase(50);
        assert_eq!(thinned(0.0, &points), points);
        assert!(thinned(0.01, &[]).is_empty());
    }
}
