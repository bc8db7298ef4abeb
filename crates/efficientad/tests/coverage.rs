//! What thresholds and p-values promise, simulated: calibrations drawn from distributions whose
//! tails are known, through the code that models are calibrated by.

use efficientad::{Basis, Calibration, FalseRejectRate, Threshold};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Simulated calibrations.
const TRIALS: usize = 10_000;
/// A simulated share may be off by so many of its standard errors.
const ERRORS: f64 = 4.0;

/// A distribution of image scores.
struct Distribution {
    name: &'static str,
    /// A score from a uniform number in (0, 1).
    score: fn(f64) -> f32,
    /// P(score ≥ threshold).
    tail: fn(f64) -> f64,
    /// Whether scores can be equal: then the promise is kept with room to spare.
    has_ties: bool,
}

const DISTRIBUTIONS: [Distribution; 5] = [
    Distribution {
        name: "uniform",
        score: |u| u as f32,
        tail: |t| (1.0 - t).clamp(0.0, 1.0),
        has_ties: false,
    },
    Distribution {
        name: "exponential",
        score: |u| -(1.0 - u).ln() as f32,
        tail: |t| (-t).exp().min(1.0),
        has_ties: false,
    },
    Distribution {
        name: "negative, with a heavy tail (Pareto)",
        score: |u| ((1.0 - u).powf(-2.0) - 100.0) as f32,
        tail: |t| (t + 100.0).powf(-0.5).min(1.0),
        has_ties: false,
    },
    Distribution {
        name: "two kinds of parts, one of them rare",
        score: |u| if u < 0.97 { (u / 0.97) as f32 } else { (2.0 + (u - 0.97) / 0.03) as f32 },
        tail: |t| {
            if t < 1.0 { 1.0 - 0.97 * t } else { 0.03 * (3.0 - t.max(2.0)).max(0.0) }
        },
        has_ties: false,
    },
    Distribution {
        name: "in steps of 1/64",
        score: |u| ((64.0 * u).floor() / 64.0) as f32,
        // From the lowest step at or above the threshold.
        tail: |t| 1.0 - (64.0 * t).ceil().clamp(0.0, 64.0) / 64.0,
        has_ties: true,
    },
];

/// Numbers of calibration images and wished rates.
const WISHES: [(usize, f64); 4] = [(299, 0.01), (59, 0.05), (500, 0.05), (200, 0.1)];

struct Uniform(ChaCha8Rng);

impl Uniform {
    fn next(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn scores(&mut self, distribution: &Distribution, count: usize) -> Vec<f32> {
        (0..count).map(|_| (distribution.score)(self.next())).collect()
    }
}

fn uniform(seed: u64) -> Uniform {
    Uniform(ChaCha8Rng::seed_from_u64(seed))
}

/// P(X ≤ `most`) of a binomial X, term by term.
fn binomial(most: usize, n: usize, rate: f64) -> f64 {
    let mut term = (1.0 - rate).powi(n as i32);
    let mut sum = term;
    for k in 0..most {
        term *= (n - k) as f64 / (k + 1) as f64 * rate / (1.0 - rate);
        sum += term;
    }
    sum
}

/// Thresholds of simulated calibrations, each with its true false-reject rate.
fn simulate(distribution: &Distribution, (n, rate): (usize, f64)) -> Vec<(Threshold, f64)> {
    let rate = FalseRejectRate::new(rate).unwrap();
    simulate_by(distribution, n, |calibration| calibration.threshold(rate).unwrap())
}

fn simulate_by(
    distribution: &Distribution,
    n: usize,
    threshold: impl Fn(&Calibration) -> Threshold,
) -> Vec<(Threshold, f64)> {
    let mut random = uniform(n as u64);
    let trials = (0..TRIALS).map(|_| {
        let threshold = threshold(&Calibration::new(random.scores(distribution, n)).unwrap());
        let true_rate = (distribution.tail)(f64::from(threshold.value));
        (threshold, true_rate)
    });
    trials.collect()
}

/// The share of calibrations whose true rate is above the wish is what theory says, which is 5 % at
/// most; were the threshold one order statistic lower or higher, it would be another.
#[test]
fn the_wished_rate_is_kept_with_the_stated_confidence() {
    for (distribution, wish) in pairs() {
        let (n, rate) = wish;
        let trials = simulate(distribution, wish);
        let above = trials[0].0.above;
        assert!(trials.iter().all(|(threshold, _)| {
            threshold.basis == Basis::DistributionFree && threshold.above == above
        }));
        let broken = trials.iter().filter(|&&(_, true_rate)| true_rate > rate).count();
        let broken = broken as f64 / TRIALS as f64;
        let theory = binomial(above, n, rate);
        let error = |share: f64| ERRORS * (share * (1.0 - share) / TRIALS as f64).sqrt();
        let case = format!("{} {wish:?}: {broken}, theory {theory}", distribution.name);
        assert!(theory <= 0.05 && broken <= theory + error(theory), "{case}");
        assert!(distribution.has_ties || broken >= theory - error(theory), "{case}");
        // The simulation can tell the rule from its neighbours.
        let higher = binomial(above + 1, n, rate);
        assert!(higher > 0.05 && higher - error(higher) > theory + error(theory), "{case}");
        if above > 0 {
            let lower = binomial(above - 1, n, rate);
            assert!(lower + error(lower) < theory - error(theory), "{case}");
        }
    }
}

/// On average over calibrations a good image is rejected with the stated probability.
#[test]
fn the_expected_rate_is_kept_on_average() {
    for (distribution, wish) in pairs() {
        let trials = simulate(distribution, wish);
        let expected = trials[0].0.expected.unwrap();
        let (mean, error) = mean_and_error(&trials);
        let case = format!("{} {wish:?}: {mean}, stated {expected}", distribution.name);
        assert!(mean <= expected + error, "{case}");
        assert!(distribution.has_ties || mean >= expected - error, "{case}");
    }
}

/// Where there are too few images, the bound without assumption is still kept.
#[test]
fn the_fallback_keeps_its_bound() {
    for distribution in &DISTRIBUTIONS {
        for n in [1, 2, 10, 50] {
            let trials = simulate(distribution, (n, 0.01));
            assert!(trials.iter().all(|(t, _)| t.basis != Basis::DistributionFree));
            let broken = trials.iter().filter(|(t, true_rate)| *true_rate > t.bound).count();
            let error = ERRORS * (0.05 * 0.95 / TRIALS as f64).sqrt();
            let broken = broken as f64 / TRIALS as f64;
            assert!(broken <= 0.05 + error, "{} {n}: {broken}", distribution.name);
        }
    }
}

/// The fallback's assumption, where it holds: normally distributed scores.
#[test]
fn the_fallback_rejects_the_wished_share_of_normal_scores() {
    let (mut random, n, rate) = (uniform(3), 15, FalseRejectRate::new(0.05).unwrap());
    let mut normal = || {
        let radius = (-2.0 * random.next().ln()).sqrt();
        (radius * (std::f64::consts::TAU * random.next()).cos()) as f32
    };
    let mut rejected = 0;
    for _ in 0..TRIALS {
        let calibration = Calibration::new((0..n).map(|_| normal()).collect()).unwrap();
        let threshold = calibration.threshold(rate).unwrap();
        assert_eq!(threshold.basis, Basis::Normal);
        rejected += usize::from(normal() >= threshold.value);
    }
    // Never below the largest score, the threshold rejects a little less than the wish.
    let share = rejected as f64 / TRIALS as f64;
    assert!((0.03..0.05 + ERRORS * 0.0022).contains(&share), "{share}");
}

/// Numbers of calibration images, and wished rates that these can show on average.
const SHOWN: [(usize, f64); 4] = [(31, 0.032), (48, 0.03), (99, 0.01), (298, 0.01)];

/// A further good image is rejected with the stated probability.
#[test]
fn what_images_show_is_kept_on_average() {
    for distribution in &DISTRIBUTIONS {
        for (images, rate) in SHOWN {
            check_average(distribution, rate, &simulate(distribution, (images, rate)));
        }
        for images in [19, 59, 300] {
            let usual = |calibration: &Calibration| calibration.usual_threshold().unwrap();
            check_average(distribution, 0.05, &simulate_by(distribution, images, usual));
        }
    }
}

fn check_average(distribution: &Distribution, rate: f64, trials: &[(Threshold, f64)]) {
    assert!(trials.iter().all(|(threshold, _)| threshold.basis == Basis::OnAverage));
    let Threshold { expected: Some(expected), images, .. } = trials[0].0 else { panic!() };
    let (mean, error) = mean_and_error(trials);
    let case = format!("{} {images}: {mean}, stated {expected}", distribution.name);
    assert!(expected <= rate && mean <= expected + error, "{case}");
    assert!(distribution.has_ties || mean >= expected - error, "{case}");
}

/// The mean true rate, and how far it may be off by chance.
fn mean_and_error(trials: &[(Threshold, f64)]) -> (f64, f64) {
    let count = trials.len() as f64;
    let mean = trials.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = trials.iter().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>() / count;
    (mean, ERRORS * (variance / count).sqrt())
}

/// Beyond the highest of few scores: kept exactly by a Pareto tail, and by those that fall off faster.
#[test]
fn the_tail_keeps_the_wished_rate() {
    let pareto = Distribution {
        name: "Pareto",
        score: |u| (1.0 - u).powf(-0.25) as f32,
        tail: |t| t.powf(-4.0).min(1.0),
        has_ties: false,
    };
    for (distribution, least) in
        [(&pareto, 0.5), (&DISTRIBUTIONS[0], 0.0), (&DISTRIBUTIONS[1], 0.0)]
    {
        for images in [19, 31, 48, 98] {
            let trials = simulate(distribution, (images, 0.01));
            assert!(trials.iter().all(|(threshold, _)| threshold.basis == Basis::Tail));
            let mean = trials.iter().map(|(_, rate)| rate).sum::<f64>() / TRIALS as f64;
            let case = format!("{} {images}: {mean}", distribution.name);
            assert!(mean <= 0.0105 && mean >= 0.01 * least, "{case}");
        }
    }
}

/// A good image has a p-value of p or less with probability p.
#[test]
fn p_values_are_uniform_on_good_images() {
    let n = 19;
    for distribution in &DISTRIBUTIONS {
        let mut random = uniform(19);
        let mut counts = [0_usize; 20];
        for _ in 0..TRIALS {
            let calibration = Calibration::new(random.scores(distribution, n)).unwrap();
            let p = calibration.p_value(random.scores(distribution, 1)[0]);
            counts[(20.0 * p).round() as usize - 1] += 1;
        }
        let mut at_most = 0;
        for (twentieths, count) in counts.into_iter().enumerate() {
            at_most += count;
            let (p, share) = ((twentieths + 1) as f64 / 20.0, at_most as f64 / TRIALS as f64);
            let error = ERRORS * (p * (1.0 - p) / TRIALS as f64).sqrt();
            let case = format!("{}: {share} have p of {p} or less", distribution.name);
            assert!(share <= p + error, "{case}");
            assert!(distribution.has_ties || share >= p - error, "{case}");
        }
    }
}

/// Images of two kinds in fixed numbers, as after a continuation: the promise holds for a mixture in
/// that proportion, and never less often than for images that are drawn from it.
#[test]
fn two_kinds_in_fixed_numbers_keep_the_promise_for_their_mixture() {
    let kinds = [(&DISTRIBUTIONS[0], &DISTRIBUTIONS[1]), (&DISTRIBUTIONS[3], &DISTRIBUTIONS[0])];
    for (old, new) in kinds {
        for (n_old, n_new, rate) in [(280, 19, 0.01), (150, 149, 0.01), (30, 170, 0.1)] {
            let n = n_old + n_new;
            let mut random = uniform((n_old * n_new) as u64);
            let wish = FalseRejectRate::new(rate).unwrap();
            let mut broken = 0;
            let mut above = 0;
            for _ in 0..TRIALS {
                let scores = [random.scores(old, n_old), random.scores(new, n_new)].concat();
                let threshold = Calibration::new(scores).unwrap().threshold(wish).unwrap();
                assert_eq!(threshold.basis, Basis::DistributionFree);
                above = threshold.above;
                let [of_old, of_new] =
                    [old, new].map(|kind| (kind.tail)(f64::from(threshold.value)));
                let mixture = (n_old as f64 * of_old + n_new as f64 * of_new) / n as f64;
                broken += usize::from(mixture > rate);
            }
            let share = broken as f64 / TRIALS as f64;
            let theory = binomial(above, n, rate);
            let error = ERRORS * (theory * (1.0 - theory) / TRIALS as f64).sqrt();
            let case = format!("{} and {}, {n_old} + {n_new}: {share}", old.name, new.name);
            assert!(share <= theory + error, "{case}, theory {theory}");
        }
    }
}

fn pairs() -> impl Iterator<Item = (&'static Distribution, (usize, f64))> {
    DISTRIBUTIONS.iter().flat_map(|distribution| WISHES.map(|wish| (distribution, wish)))
}
