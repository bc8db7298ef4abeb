//! Whether the scores of the parts still are those of calibration.
//!
//! The test is one of betting against the hypothesis that nothing changed, and its false-alarm rate
//! is proved in `docs/watch.md`.

use efficientad_metrics::rate_upper_bound;
use serde::{Deserialize, Serialize};

/// Probability that a test that is started ever raises an alarm though nothing has changed.
pub const FALSE_ALARM_RATE: f64 = 0.01;
/// Calibration scores below which there is no test: it could not raise an alarm in a useful time.
pub const MIN_SCORES: usize = 3;

/// Part of the false-alarm rate that is spent on calibration scores that mislead; the rest is spent
/// on parts that do.
const MISLED_RATE: f64 = FALSE_ALARM_RATE / 2.0;
/// Wealth at which an alarm is raised.
const ALARM_WEALTH: f64 = 1.0 / (FALSE_ALARM_RATE - MISLED_RATE);
/// Rates that are betted on, as fractions of the way from the largest rate without drift to 1.
const BETS: [f64; 3] = [0.25, 0.6, 0.95];

/// Which way scores went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More scores are high than calibration explains: parts look worse.
    Higher,
    /// More scores are low than calibration explains: the camera sees less.
    Lower,
}

/// What the test found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Which way scores went.
    pub direction: Direction,
    /// The calibration score that they are compared with.
    pub level: f32,
    /// Parts since about the time of the change.
    pub parts: u64,
    /// How many of these have scores beyond the level, in the direction.
    pub beyond: u64,
    /// The largest share beyond the level that calibration and the share of defects explain, from 0
    /// to 1.
    pub explained: f64,
    /// Parts tested since the start, or since the alarm before this one.
    pub tested: u64,
}

/// A sequential test of image scores against those of calibration.
///
/// Scores above the k-th largest or below the k-th smallest calibration score, for a few k, are
/// counted. Of good parts a share beyond such a level has a beta distribution over all calibrations,
/// hence an upper bound; defects may add their share. Against that bound bets are placed for every
/// possible time of a change and several sizes of it. The wealth starts at 1, is a supermartingale
/// without drift, and raises an alarm at 200 (Ville's inequality).
#[derive(Clone, Debug)]
pub struct DriftTest {
    bets: Vec<Bet>,
    tested: u64,
}

impl DriftTest {
    /// Against the scores of good images that were not trained on, in any order, if parts are
    /// defective at a rate of `defect_rate` at most (from 0 to below 1); `None` if there are fewer
    /// than [`MIN_SCORES`].
    pub fn new(calibration_scores: &[f32], defect_rate: f64) -> Option<Self> {
        let n = calibration_scores.len();
        if n < MIN_SCORES {
            return None;
        }
        let mut ascending = calibration_scores.to_vec();
        ascending.sort_unstable_by(f32::total_cmp);
        let mut ranks = vec![1, (n + 1).div_ceil(8), n.div_ceil(2)];
        ranks.dedup();
        let misled_rate = MISLED_RATE / (2 * ranks.len()) as f64;
        let mut bets = Vec::new();
        for rank in ranks {
            // Of good parts a larger share is beyond the level with probability `misled_rate` only.
            let good = rate_upper_bound(rank as u64 - 1, n as u64, 1.0 - misled_rate);
            let explained = defect_rate + (1.0 - defect_rate) * good;
            let levels =
                [(Direction::Higher, ascending[n - rank]), (Direction::Lower, ascending[rank - 1])];
            for (direction, level) in levels {
                let bet = |way| Bet::new(direction, level, explained, way);
                bets.extend(BETS.map(bet));
            }
        }
        Some(Self { bets, tested: 0 })
    }

    /// Takes the score of the next part. After an alarm the test starts anew.
    pub fn observe(&mut self, score: f32) -> Option<Alarm> {
        let prior = tail(self.tested) - tail(self.tested + 1);
        self.tested += 1;
        self.bets.iter_mut().for_each(|bet| bet.observe(score, prior));
        if self.wealth() < ALARM_WEALTH {
            return None;
        }
        let best = self.bets.iter().max_by(|a, b| a.wealth.total_cmp(&b.wealth))?;
        let alarm = Alarm {
            direction: best.direction,
            level: best.level,
            parts: best.parts,
            beyond: best.beyond,
            explained: best.explained,
            tested: self.tested,
        };
        self.restart();
        Some(alarm)
    }

    /// What the bets have become, those on later changes included; 1 at the start.
    fn wealth(&self) -> f64 {
        let placed: f64 = self.bets.iter().map(|bet| bet.wealth).sum();
        placed / self.bets.len() as f64 + tail(self.tested)
    }

    /// Forgets all parts.
    pub fn restart(&mut self) {
        self.tested = 0;
        self.bets.iter_mut().for_each(Bet::restart);
    }
}

/// Prior probability that the change comes after `parts` parts. It falls slowly, so that a change
/// after a million parts costs little more time than an early one.
fn tail(parts: u64) -> f64 {
    1.0 / (parts as f64 + 2.0).log2()
}

/// Bets on one rate beyond one level, with one stake for each time of the change.
#[derive(Clone, Debug)]
struct Bet {
    direction: Direction,
    level: f32,
    explained: f64,
    /// What a stake is multiplied by when a score is beyond the level, and when it is not.
    payoff_beyond: f64,
    payoff_within: f64,
    /// What all stakes have become.
    wealth: f64,
    /// What the best one has become, and the parts since it was placed.
    best: f64,
    parts: u64,
    beyond: u64,
}

impl Bet {
    fn new(direction: Direction, level: f32, explained: f64, way: f64) -> Self {
        let rate = explained + (1.0 - explained) * way;
        Self {
            direction,
            level,
            explained,
            payoff_beyond: rate / explained,
            payoff_within: 1.0 - way,
            wealth: 0.0,
            best: 0.0,
            parts: 0,
            beyond: 0,
        }
    }

    fn restart(&mut self) {
        (self.wealth, self.best, self.parts, self.beyond) = (0.0, 0.0, 0, 0);
    }

    fn observe(&mut self, score: f32, stake: f64) {
        let beyond = match self.direction {
            Direction::Higher => score > self.level,
            Direction::Lower => score < self.level,
        };
        let payoff = if beyond { self.payoff_beyond } else { self.payoff_within };
        self.wealth = (self.wealth + stake) * payoff;
        if stake >= self.best {
            (self.best, self.parts, self.beyond) = (stake, 0, 0);
        }
        self.best *= payoff;
        self.parts += 1;
        self.beyond += u64::from(beyond);
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// A score of a good part: skewed, as largest values of maps are (Gumbel's distribution).
    fn good(random: &mut Rng) -> f32 {
        (-(-random.f64().max(1e-300).ln()).ln()) as f32
    }

    fn calibrated(random: &mut Rng, n: usize) -> DriftTest {
        let scores: Vec<f32> = (0..n).map(|_| good(random)).collect();
        DriftTest::new(&scores, 0.1).unwrap()
    }

    #[test]
    fn the_wealth_is_as_defined() {
        #[derive(Deserialize)]
        struct Case {
            calibration: Vec<f32>,
            defect_rate: f64,
            scores: Vec<f32>,
            wealth: Vec<f64>,
        }
        #[derive(Deserialize)]
        struct Fixture {
            cases: Vec<Case>,
        }
        let fixture: Fixture =
            serde_json::from_str(include_str!("../tests/fixtures/drift.json")).unwrap();
        let mut alarms = 0;
        for case in fixture.cases {
            let mut test = DriftTest::new(&case.calibration, case.defect_rate).unwrap();
            for (score, expected) in case.scores.into_iter().zip(case.wealth) {
                if test.observe(score).is_some() {
                    assert!(expected >= ALARM_WEALTH);
                    alarms += 1;
                    break;
                }
                assert!((test.wealth() / expected - 1.0).abs() < 1e-9, "{expected}");
            }
        }
        assert!((1..5).contains(&alarms), "{alarms} of five");
    }

    /// Shares of streams with an alarm, when defects come at the largest rate allowed.
    fn false_alarms(n: usize, defect_score: f32) -> f64 {
        const STREAMS: u64 = 2000;
        let alarmed = (0..STREAMS).filter(|&seed| {
            let mut random = Rng::with_seed(seed * 1000 + n as u64);
            let mut test = calibrated(&mut random, n);
            (0..1000).any(|_| {
                let defective = random.f64() < 0.1;
                let score = if defective { defect_score } else { good(&mut random) };
                test.observe(score).is_some()
            })
        });
        alarmed.count() as f64 / STREAMS as f64
    }

    #[test]
    fn false_alarms_are_as_rare_as_stated() {
        for n in [3, 5, 10, 30, 100] {
            for defect_score in [f32::MAX, f32::MIN] {
                let rate = false_alarms(n, defect_score);
                assert!(rate <= FALSE_ALARM_RATE, "n = {n}: {rate}");
            }
        }
    }

    /// The test with the share of good parts beyond each level at its bound, where the wealth is a
    /// martingale: it must use what it is allowed, or the test above can't fail.
    #[test]
    fn wealth_keeps_its_mean_at_the_bound() {
        let explained = 0.4;
        let bets = BETS.map(|way| Bet::new(Direction::Higher, 0.0, explained, way));
        for bet in bets {
            let mean = explained * bet.payoff_beyond + (1.0 - explained) * bet.payoff_within;
            assert!((mean - 1.0).abs() < 1e-12, "{mean}");
        }
        let stakes: f64 = (0..100_000).map(|t| tail(t) - tail(t + 1)).sum();
        assert!((stakes + tail(100_000) - 1.0).abs() < 1e-9);
        let mut random = Rng::with_seed(1);
        const STREAMS: usize = 4000;
        let alarms = (0..STREAMS).filter(|_| {
            let mut test = DriftTest {
                bets: BETS.map(|way| Bet::new(Direction::Higher, 0.0, explained, way)).to_vec(),
                tested: 0,
            };
            (0..2000).any(|_| {
                let score = if random.f64() < explained { 1.0 } else { -1.0 };
                test.observe(score).is_some()
            })
        });
        let rate = alarms.count() as f64 / STREAMS as f64;
        let allowed = FALSE_ALARM_RATE - MISLED_RATE;
        let deviation = (allowed / STREAMS as f64).sqrt();
        assert!(rate > 0.0 && rate <= allowed + 3.0 * deviation, "{rate}");
    }

    /// Parts from a change to its alarm, the median of 101 streams.
    fn delay(n: usize, parts_before: usize, change: impl Fn(f32) -> f32) -> (usize, Direction) {
        let mut delays: Vec<(usize, Direction)> = (0..101)
            .map(|seed| {
                let mut random = Rng::with_seed(seed);
                let mut test = calibrated(&mut random, n);
                for _ in 0..parts_before {
                    test.observe(good(&mut random));
                }
                let mut parts = 0;
                loop {
                    parts += 1;
                    if let Some(alarm) = test.observe(change(good(&mut random))) {
                        return (parts, alarm.direction);
                    }
                    assert!(parts < 100_000, "never found");
                }
            })
            .collect();
        delays.sort_unstable_by_key(|&(parts, _)| parts);
        delays[50]
    }

    #[test]
    fn a_changed_lamp_is_found_soon() {
        let high = |score: f32| score + 100.0;
        let low = |score: f32| score - 100.0;
        for (n, before, at_most) in
            [(5, 0, 50), (5, 10_000, 100), (30, 10_000, 20), (100, 10_000, 15)]
        {
            let (parts, direction) = delay(n, before, high);
            assert!(parts <= at_most, "n = {n}: {parts}");
            assert_eq!(direction, Direction::Higher);
            let (parts, direction) = delay(n, before, low);
            assert!(parts <= at_most, "n = {n}: {parts}");
            assert_eq!(direction, Direction::Lower);
        }
        // One interquartile range and a half, of a hundred calibration scores.
        let (parts, direction) = delay(100, 10_000, |score| score + 2.4);
        assert!(parts <= 60 && direction == Direction::Higher, "{parts}");
    }

    #[test]
    fn an_alarm_tells_what_happened() {
        let scores: Vec<f32> = (0..50).map(|i| i as f32).collect();
        let mut test = DriftTest::new(&scores, 0.1).unwrap();
        let mut random = Rng::with_seed(5);
        let mut next_good = || (random.f64() * 50.0).floor() as f32;
        assert!((0..500).all(|_| test.observe(next_good()).is_none()));
        let (bright, alarm) =
            (1..).find_map(|n| test.observe(70.0).map(|alarm| (n, alarm))).unwrap();
        assert_eq!((alarm.direction, alarm.level), (Direction::Higher, 49.0));
        assert_eq!((alarm.parts, alarm.beyond, alarm.tested), (bright, bright, 500 + bright));
        assert!(alarm.explained > 0.1 && alarm.explained < 0.3, "{alarm:?}");
        let again = (1..).find(|_| test.observe(70.0).is_some()).unwrap();
        assert!(again < bright, "the test starts anew: {again} parts after {bright}");
    }

    #[test]
    fn too_few_scores_are_no_calibration() {
        assert!(DriftTest::new(&[0.1, 0.2], 0.1).is_none());
        assert!(DriftTest::new(&[0.1, 0.2, 0.1], 0.1).is_some());
    }
}
