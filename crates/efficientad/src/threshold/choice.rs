//! Where a threshold lies, and on what grounds.

use super::{Basis, FalseRejectRate, bound};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Images that it takes to see how scores fall off.
const TAIL_NEEDS: usize = 19;
/// The share of scores, the highest ones, that show how they fall off, and the fewest of them.
const TAIL_SHARE: f64 = 0.15;
const TAIL_LEAST: usize = 4;

/// A threshold, and on what grounds it was chosen.
pub(super) struct Choice {
    pub value: f32,
    pub basis: Basis,
    /// So many images reach it at most.
    pub above: usize,
}

impl Choice {
    /// The lowest threshold that keeps `rate` by the strongest grounds that `scores`, from the lowest to the
    /// highest, give. It may be no finite number.
    pub(super) fn for_rate(rate: FalseRejectRate, scores: &[f32]) -> Self {
        if let Some(above) = rejectable(scores.len(), rate) {
            let value = at(Good(scores).highest(above));
            return Self { value, basis: Basis::DistributionFree, above };
        }
        Self::on_average(rate, scores)
    }

    /// The lowest threshold that a further good image reaches with probability `rate` at most, without more
    /// confidence than that. Where there are too few scores for it, it takes an assumption.
    pub(super) fn on_average(rate: FalseRejectRate, scores: &[f32]) -> Self {
        let good = Good(scores);
        if let Some(above) = most_on_average(scores.len(), rate) {
            return Self { value: at(good.highest(above)), basis: Basis::OnAverage, above };
        }
        let highest = good.highest(0);
        let (value, basis) = if scores.len() >= TAIL_NEEDS && scores[0] > 0.0 {
            (good.tail_bound(rate), Basis::Tail)
        } else if scores.len() == 1 {
            (at(highest + highest.abs()), Basis::SingleImage)
        } else {
            (good.normal_bound(rate), Basis::Normal)
        };
        // A single score of 0 doubled is still 0: no known good image may reach what is extrapolated.
        Self { value: value.max(at(highest)), basis, above: 0 }
    }
}

/// How many of the images may reach a threshold that a further one reaches with probability `rate` at most;
/// `None` if not even 0 may.
fn most_on_average(images: usize, rate: FalseRejectRate) -> Option<usize> {
    // The product of a decimal number may be a little less than it should be.
    let rank = ((images + 1) as f64 * rate.get() + 1e-9) as usize;
    rank.min(images).checked_sub(1)
}

/// Scores of good images, from the lowest to the highest.
struct Good<'a>(&'a [f32]);

impl Good<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// The score that `above` are before.
    fn highest(&self, above: usize) -> f32 {
        self.0[self.len() - 1 - above]
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
        let scores = || self.0.iter().map(|&score| f64::from(score));
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

    fn choose(mut scores: Vec<f32>, share: f64) -> Choice {
        scores.sort_unstable_by(f32::total_cmp);
        Choice::for_rate(rate(share), &scores)
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
        let choice = choose(up_to(298), 0.01);
        assert_eq!((choice.basis, choice.value), (Basis::OnAverage, 297.0_f32.next_up()));
        assert_eq!(choice.above, 1);
        for (images, share, above) in [(99, 0.01, 0), (100, 0.01, 0), (199, 0.01, 1), (49, 0.02, 0)]
        {
            let choice = choose(up_to(images), share);
            assert_eq!((choice.basis, choice.above), (Basis::OnAverage, above), "{images}");
        }
        assert_eq!(choose(up_to(98), 0.01).basis, Basis::Tail);
        // As good as 1, so that every image may reach the threshold but the lowest.
        assert_eq!(choose(up_to(3), 1.0 - 1e-12).above, 2);
    }

    #[test]
    fn one_outlier_among_many_does_not_decide() {
        let mut scores = up_to(148);
        scores[0] = 9000.0;
        let alone = choose(scores, 0.02);
        assert_eq!((alone.value, alone.above), (148.0_f32.next_up(), 1));
    }

    #[test]
    fn on_average_a_rate_is_kept_by_no_more_than_it_takes() {
        let on_average = |images| {
            let choice = Choice::on_average(rate(0.05), &up_to(images));
            (choice.above, choice.basis)
        };
        assert_eq!(on_average(18), (0, Basis::Normal));
        assert_eq!(on_average(19), (0, Basis::OnAverage));
        assert_eq!(
            on_average(59),
            (2, Basis::OnAverage),
            "none may reach the threshold that promises it"
        );
        assert_eq!(on_average(999), (49, Basis::OnAverage));
    }

    /// The excess of logarithms is 1 on average over the 15 % highest of 40 scores.
    #[test]
    fn the_tail_goes_on_as_it_falls_off() {
        let scores: Vec<f32> =
            (0..40_u8).map(|i| if i < 34 { 1.0 } else { std::f32::consts::E }).collect();
        let choice = choose(scores, 0.01);
        let excess = 6.0 * ((7.0 / 41.0 / 0.01_f64).powf(1.0 / 6.0) - 1.0);
        assert_eq!(choice.basis, Basis::Tail);
        assert!((f64::from(choice.value) - excess.exp()).abs() < 1e-4, "{}", choice.value);
        let flat = choose(vec![1.0; 40], 0.01);
        assert_eq!((flat.basis, flat.value), (Basis::Tail, 1.0_f32.next_up()));
    }
}
