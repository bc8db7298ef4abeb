//! Where a threshold lies, and on what grounds.

use super::{Basis, Count, FalseRejectRate, bound};
use crate::calibration::Calibration;
use statrs::distribution::{ContinuousCDF, DiscreteCDF, Hypergeometric, StudentsT};

/// Images that it takes to see how scores fall off.
const TAIL_NEEDS: usize = 19;
/// The share of scores, the highest ones, that show how they fall off, and the fewest of them.
const TAIL_SHARE: f64 = 0.15;
const TAIL_LEAST: usize = 4;
/// A coincidence less probable than this is none.
const SIGNIFICANCE: f64 = 0.05;

/// A threshold, and what it was chosen by.
pub(super) struct Choice {
    pub value: f32,
    pub basis: Basis,
    /// Of the calibration images.
    pub held_back: Count,
    /// Of the images trained on that had a say.
    pub trained: Count,
}

impl Choice {
    /// The lowest threshold that keeps `rate` by the strongest grounds there are. It may be no finite number.
    pub(super) fn for_rate(rate: FalseRejectRate, calibration: &Calibration) -> Self {
        let held_back = calibration.scores();
        if let Some(above) = rejectable(held_back.len(), rate) {
            let pool = Pool::of(held_back, &[]);
            return pool.choose(at(pool.highest(above)), Basis::DistributionFree, above);
        }
        let pool = pool_of(calibration).filter(|pool| {
            let most = pool.most_on_average(rate).unwrap_or(0);
            pool.is_alike(most)
        });
        pool.unwrap_or_else(|| Pool::of(held_back, &[])).at_rate(rate)
    }
}

/// The scores of all images, if those trained on look like those held back. Where they are lower on average,
/// they are raised in proportion: a little overfitting is not seen in few images.
fn pool_of(calibration: &Calibration) -> Option<Pool> {
    let (held_back, trained) = (calibration.scores(), calibration.trained_scores());
    let all = Pool::of(held_back, trained);
    if !all.is_alike(all.quarter()) {
        return None;
    }
    let mean = |scores: &[f32]| {
        scores.iter().map(|&score| f64::from(score)).sum::<f64>() / scores.len() as f64
    };
    let ratio = mean(held_back) / mean(trained);
    if mean(trained) <= 0.0 || !(ratio > 1.0 && ratio.is_finite()) {
        return Some(all);
    }
    let raised: Vec<f32> = trained.iter().map(|&score| (f64::from(score) * ratio) as f32).collect();
    Some(Pool::of(held_back, &raised))
}

/// The lowest rate that a calibration can show on average, but 1 % at least; 1 %, too, of so few images
/// that it would be more than 5 %.
pub(crate) fn usual_rate(calibration: &Calibration) -> FalseRejectRate {
    let images = pool_of(calibration).map_or(calibration.scores().len(), |pool| pool.len());
    let usual = FalseRejectRate::default();
    if images < TAIL_NEEDS {
        return usual;
    }
    // In steps of a thousandth, which people can read.
    let lowest = (1000.0 / (images + 1) as f64).ceil() / 1000.0;
    FalseRejectRate::new(lowest.max(usual.get())).unwrap_or(usual)
}

/// Scores of good images from the highest to the lowest, and whether each image was held back.
struct Pool {
    scores: Vec<(f32, bool)>,
    held_back: usize,
}

impl Pool {
    fn of(held_back: &[f32], trained: &[f32]) -> Self {
        let mark = |scores: &[f32], is_held_back| -> Vec<_> {
            scores.iter().map(|&score| (score, is_held_back)).collect()
        };
        let mut scores = [mark(trained, false), mark(held_back, true)].concat();
        scores.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        Self { scores, held_back: held_back.len() }
    }

    fn len(&self) -> usize {
        self.scores.len()
    }

    /// The score that `above` are before.
    fn highest(&self, above: usize) -> f32 {
        self.scores[above].0
    }

    fn quarter(&self) -> usize {
        self.len().div_ceil(4)
    }

    fn held_back_among(&self, highest: usize) -> usize {
        self.scores[..highest].iter().filter(|(_, is_held_back)| *is_held_back).count()
    }

    /// Whether images held back are among the `highest` scores no more often than they may be if all
    /// images score alike. Training too long on too few images makes those images score lower than others.
    fn is_alike(&self, highest: usize) -> bool {
        let found = self.held_back_among(highest);
        let numbers = [self.len(), self.held_back, highest].map(|number| number as u64);
        let [images, held_back, highest] = numbers;
        let as_many = Hypergeometric::new(images, held_back, highest)
            .map_or(1.0, |alike| found.checked_sub(1).map_or(1.0, |less| alike.sf(less as u64)));
        as_many >= SIGNIFICANCE
    }

    /// How many images may reach a threshold that a further one reaches with probability `rate` at most;
    /// `None` if not even 0 may.
    fn most_on_average(&self, rate: FalseRejectRate) -> Option<usize> {
        // The product of a decimal number may be a little less than it should be.
        let rank = ((self.len() + 1) as f64 * rate.get() + 1e-9) as usize;
        rank.min(self.len()).checked_sub(1)
    }

    fn at_rate(&self, rate: FalseRejectRate) -> Choice {
        if let Some(above) = self.most_on_average(rate) {
            return self.choose(at(self.highest(above)), Basis::OnAverage, above);
        }
        let highest = self.highest(0);
        let (value, basis) = if self.len() >= TAIL_NEEDS && self.highest(self.len() - 1) > 0.0 {
            (self.tail_bound(rate), Basis::Tail)
        } else if self.len() == 1 {
            (at(highest + highest.abs()), Basis::SingleImage)
        } else {
            (self.normal_bound(rate), Basis::Normal)
        };
        // A single score of 0 doubled is still 0: no known good image may reach what is extrapolated.
        self.choose(value.max(at(highest)), basis, 0)
    }

    /// A threshold that the `above` highest scores reach.
    fn choose(&self, value: f32, basis: Basis, above: usize) -> Choice {
        let of_held_back = self.held_back_among(above);
        let trained = self.len() - self.held_back;
        Choice {
            value,
            basis,
            held_back: Count { above: of_held_back, images: self.held_back },
            trained: Count { above: above - of_held_back, images: trained },
        }
    }

    /// The bound that a further good image stays below with probability 1 − `rate`, if logarithms of scores
    /// are distributed exponentially beyond the k + 1 highest ones.
    ///
    /// A further image is beyond them with probability (k + 1) / (n + 1), and then by more than x with
    /// probability (1 + x / (k · mean excess))⁻ᵏ.
    fn tail_bound(&self, rate: FalseRejectRate) -> f32 {
        let logarithm = |at: usize| f64::from(self.highest(at)).ln();
        let k = ((TAIL_SHARE * self.len() as f64).round() as usize).max(TAIL_LEAST);
        let begin = logarithm(k);
        let mean_excess = (0..k).map(|at| logarithm(at) - begin).sum::<f64>() / k as f64;
        let is_beyond = (k + 1) as f64 / (self.len() + 1) as f64;
        let excess = k as f64 * mean_excess * ((is_beyond / rate.get()).powf(1.0 / k as f64) - 1.0);
        (begin + excess).exp() as f32
    }

    /// The bound that a further good image stays below with probability 1 − `rate`, if scores are
    /// normally distributed: mean + t·std·√(1 + 1/n) with t the 1 − `rate` quantile of Student's
    /// distribution with n − 1 degrees of freedom.
    fn normal_bound(&self, rate: FalseRejectRate) -> f32 {
        let n = self.len() as f64;
        let scores = || self.scores.iter().map(|&(score, _)| f64::from(score));
        let mean = scores().sum::<f64>() / n;
        let std = (scores().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let t = StudentsT::new(0.0, 1.0, n - 1.0).map_or(0.0, |t| t.inverse_cdf(1.0 - rate.get()));
        (mean + t * std * (1.0 + 1.0 / n).sqrt()) as f32
    }
}

/// The lowest threshold that `score` does not reach.
fn at(score: f32) -> f32 {
    score.next_up()
}

/// How many of the calibration images may reach the threshold so that its bound is still `rate` at
/// most; `None` if not even 0 may.
pub(super) fn rejectable(images: usize, rate: FalseRejectRate) -> Option<usize> {
    let (mut possible, mut impossible) = (None, images);
    while impossible > possible.map_or(0, |above: usize| above + 1) {
        let middle = possible.map_or(0, |above| (above + impossible) / 2);
        if bound(middle, images) <= rate.get() {
            possible = Some(middle);
        } else {
            impossible = middle;
        }
    }
    possible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> FalseRejectRate {
        FalseRejectRate::new(rate).unwrap()
    }

    /// Scores from 1 up to a number.
    fn up_to(images: usize) -> Vec<f32> {
        (1..=images).map(|score| score as f32).collect()
    }

    fn choose(held_back: Vec<f32>, trained: Vec<f32>, share: f64) -> Choice {
        let calibration = Calibration::new(held_back).unwrap().with_trained(trained).unwrap();
        Choice::for_rate(rate(share), &calibration)
    }

    #[test]
    fn so_many_images_promise_a_rate() {
        for (share, needed) in [(0.5, 5), (0.1, 29), (0.05, 59), (0.01, 299), (0.001, 2995)] {
            assert_eq!(rate(share).images_needed(), needed);
            assert_eq!(rejectable(needed - 1, rate(share)), None);
            assert_eq!(rejectable(needed, rate(share)), Some(0));
        }
    }

    /// Against sums of exact probabilities: the largest m with P(Bin(n, rate) ≤ m) ≤ 0.05.
    #[test]
    fn so_many_images_may_be_rejected() {
        for (images, share) in [(299, 0.01), (473, 0.01), (474, 0.01), (1000, 0.05), (93, 0.05)] {
            let mut probability = (1.0_f64 - share).powi(images as i32);
            let (mut cumulated, mut most) = (probability, None);
            while cumulated <= 0.05 {
                let above = most.map_or(0, |above| above + 1);
                most = Some(above);
                let odds = share / (1.0 - share);
                probability *= (images - above) as f64 / (above + 1) as f64 * odds;
                cumulated += probability;
            }
            assert_eq!(rejectable(images, rate(share)), most, "{images} images, {share}");
        }
    }

    #[test]
    fn without_enough_images_for_a_promise_their_order_keeps_the_rate_on_average() {
        let choice = choose(up_to(298), Vec::new(), 0.01);
        assert_eq!((choice.basis, choice.value), (Basis::OnAverage, 297.0_f32.next_up()));
        assert_eq!((choice.held_back.above, choice.trained), (1, Count::default()));
        for (images, share, above) in [(99, 0.01, 0), (100, 0.01, 0), (199, 0.01, 1), (49, 0.02, 0)]
        {
            let choice = choose(up_to(images), Vec::new(), share);
            assert_eq!(
                (choice.basis, choice.held_back.above),
                (Basis::OnAverage, above),
                "{images}"
            );
        }
        assert_eq!(choose(up_to(98), Vec::new(), 0.01).basis, Basis::Tail);
        // As good as 1, so that every image may reach the threshold but the lowest.
        assert_eq!(choose(up_to(3), Vec::new(), 1.0 - 1e-12).held_back.above, 2);
    }

    #[test]
    fn one_outlier_among_many_does_not_decide() {
        let mut scores = up_to(148);
        scores[0] = 9000.0;
        let alone = choose(scores, Vec::new(), 0.02);
        assert_eq!((alone.value, alone.held_back.above), (148.0_f32.next_up(), 1));
        let trained = choose(vec![150.5, 10.0, 20.0, 30.0], up_to(150), 0.02);
        assert_eq!((trained.value, trained.trained.above), (149.0_f32.next_up(), 1));
    }

    #[test]
    fn images_trained_on_count_only_if_they_score_like_others() {
        let alike = choose(vec![3.0, 12.0, 27.0, 41.0], up_to(44), 0.021);
        assert_eq!((alike.basis, alike.trained.images), (Basis::OnAverage, 44));
        assert_eq!(alike.value, 44.0_f32.next_up());
        let overfitted = choose(vec![41.0, 45.0, 51.0, 60.0], up_to(44), 0.021);
        assert_eq!((overfitted.basis, overfitted.trained.images), (Basis::Normal, 0));
        // Where they score higher, more photos are passed over than need be, and no good one rejected.
        let higher = choose(vec![1.0, 2.0, 3.0, 4.0], up_to(44), 0.021);
        assert_eq!((higher.value, higher.trained.images), (44.0_f32.next_up(), 44));
    }

    #[test]
    fn images_trained_on_that_score_a_little_lower_are_raised() {
        let choice =
            choose(vec![30.0, 32.0, 12.0, 16.0], [10.0, 15.0, 20.0, 15.0].repeat(10), 0.03);
        // Means are 22.5 and 15; the raised scores, 30 at most, stay below one that was held back.
        assert_eq!((choice.basis, choice.value), (Basis::OnAverage, 32.0_f32.next_up()));
        let choice = choose(vec![22.5; 4], [10.0, 15.0, 25.0, 10.0].repeat(10), 0.03);
        assert_eq!((choice.value, choice.trained.images), (37.5_f32.next_up(), 40));
    }

    #[test]
    fn too_many_images_held_back_above_a_threshold_speak_against_those_trained_on() {
        // Not in the highest quarter, but beyond the threshold: the three highest are all held back.
        let held_back: Vec<f32> =
            (0..22).map(|i| if i < 3 { 900.0 + i as f32 } else { 9.5 * i as f32 }).collect();
        let choice = choose(held_back, up_to(278), 0.01);
        assert_eq!(choice.trained.images, 0);
    }

    #[test]
    fn the_usual_rate_is_the_lowest_that_images_show() {
        let usual = |held_back, trained| {
            let calibration = Calibration::new(held_back).unwrap().with_trained(trained).unwrap();
            let usual = calibration.usual_rate();
            let threshold = calibration.threshold(usual).unwrap();
            (usual.get(), threshold.basis)
        };
        assert_eq!(usual(up_to(18), Vec::new()), (0.01, Basis::Normal));
        assert_eq!(usual(up_to(19), Vec::new()), (0.05, Basis::OnAverage));
        assert_eq!(usual(up_to(99), Vec::new()), (0.01, Basis::OnAverage));
        assert_eq!(usual(up_to(299), Vec::new()), (0.01, Basis::DistributionFree));
        assert_eq!(usual(vec![7.0, 20.0, 30.0], up_to(28)), (0.032, Basis::OnAverage));
        assert_eq!(usual(vec![50.0, 60.0, 70.0], up_to(28)), (0.01, Basis::Normal));
    }

    /// The excess of logarithms is 1 on average over the 15 % highest of 40 scores.
    #[test]
    fn the_tail_goes_on_as_it_falls_off() {
        let scores: Vec<f32> =
            (0..40_u8).map(|i| if i < 34 { 1.0 } else { std::f32::consts::E }).collect();
        let choice = choose(scores, Vec::new(), 0.01);
        let excess = 6.0 * ((7.0 / 41.0 / 0.01_f64).powf(1.0 / 6.0) - 1.0);
        assert_eq!(choice.basis, Basis::Tail);
        assert!((f64::from(choice.value) - excess.exp()).abs() < 1e-4, "{}", choice.value);
        let flat = choose(vec![1.0; 40], Vec::new(), 0.01);
        assert_eq!((flat.basis, flat.value), (Basis::Tail, 1.0_f32.next_up()));
    }
}
