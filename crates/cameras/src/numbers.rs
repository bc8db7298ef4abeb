//! Gaps in the numbers of frames.

use std::collections::VecDeque;

/// A gap longer than this is a camera that counts anew.
const LONGEST_GAP: u64 = 1 << 20;

/// The largest number of GigE Vision without extended ids; 1 comes next.
const GIGE_LAST: u64 = 65_535;

/// Missing numbers that are remembered, in case their frames come late.
const MAX_REMEMBERED: usize = 4096;

/// Numbers that have come and are remembered, in case more of their packets come late.
const MAX_SEEN: usize = 256;

/// How near to its end a 16-bit count must be to be taken for one that begins again.
const NEAR_THE_END: u64 = 4_096;

/// How a camera numbers its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// On and on, also after it was away.
    OnAndOn,
    /// From the start for each connection; after 65535 comes 65536 or, as in GigE Vision without
    /// extended ids, 1.
    #[cfg_attr(not(any(feature = "genicam", feature = "gstreamer")), allow(dead_code))]
    EachConnection,
}

/// The numbers of a camera's frames.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    counting: Counting,
    last: Option<u64>,
    /// The latest that are missing.
    missing: VecDeque<u64>,
    /// The latest that have come.
    seen: VecDeque<u64>,
    /// Frames without number that have come since the last one with a number.
    unnumbered: u64,
}

/// What a number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is the next, or the first.
    Next,
    /// So many are missing before it.
    Missing(u64),
    /// It was told to be missing, and comes late.
    Late,
    /// It can't follow the number named: the camera counts anew.
    Anew(u64),
}

impl Numbers {
    pub(crate) fn new(counting: Counting) -> Self {
        let (missing, seen) = (VecDeque::new(), VecDeque::new());
        Self { counting, last: None, missing, seen, unnumbered: 0 }
    }

    /// A connection begins.
    pub(crate) fn connected(&mut self) {
        if self.counting == Counting::EachConnection {
            self.last = None;
            self.missing.clear();
            self.seen.clear();
            self.unnumbered = 0;
        }
    }

    /// Whether a frame of this number has come before: packets that come late may look like another
    /// frame that did not arrive whole.
    pub(crate) fn has_seen(&self, number: u64) -> bool {
        self.counting == Counting::EachConnection && self.seen.contains(&number)
    }

    /// A frame has come whose number is not known: the gap that it leaves is none.
    pub(crate) fn see_unnumbered(&mut self) {
        self.unnumbered += 1;
    }

    /// A frame has come.
    pub(crate) fn see(&mut self, number: u64) -> Step {
        self.seen.push_back(number);
        self.seen.drain(..self.seen.len().saturating_sub(MAX_SEEN));
        if let Some(place) = self.missing.iter().position(|&missing| missing == number) {
            self.missing.remove(place);
            return Step::Late;
        }
        let unnumbered = std::mem::take(&mut self.unnumbered);
        let Some(last) = self.last.replace(number) else { return Step::Next };
        let advance = match self.counting {
            _ if number > last => number - last,
            Counting::EachConnection if begins_again(last, number) => number + GIGE_LAST - last,
            _ => 0,
        };
        match advance {
            1 => Step::Next,
            2..=LONGEST_GAP => {
                self.remember(last, advance, number < last);
                match (advance - 1).saturating_sub(unnumbered) {
                    0 => Step::Next,
                    missing => Step::Missing(missing),
                }
            }
            _ => {
                self.missing.clear();
                Step::Anew(last)
            }
        }
    }

    fn remember(&mut self, last: u64, advance: u64, begins_again: bool) {
        let numbers = (last + 1..last + advance).rev().take(MAX_REMEMBERED);
        let numbers = numbers.map(|number| match begins_again && number > GIGE_LAST {
            true => number - GIGE_LAST,
            false => number,
        });
        self.missing.extend(numbers);
        self.missing.drain(..self.missing.len().saturating_sub(MAX_REMEMBERED));
    }
}

fn begins_again(last: u64, number: u64) -> bool {
    let is_near_end = last <= GIGE_LAST && last > GIGE_LAST - NEAR_THE_END;
    is_near_end && (1..NEAR_THE_END).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(counting: Counting, numbers: &[u64], expected: &[Step]) {
        let mut all = Numbers::new(counting);
        let steps: Vec<_> = numbers.iter().map(|&number| all.see(number)).collect();
        assert_eq!(steps, expected);
    }

    use Step::{Anew, Late, Missing, Next};

    #[test]
    fn a_frame_without_number_is_no_gap() {
        for counting in [Counting::OnAndOn, Counting::EachConnection] {
            let mut all = Numbers::new(counting);
            all.see_unnumbered();
            assert_eq!(all.see(65_402), Next);
            all.see_unnumbered();
            all.see_unnumbered();
            assert_eq!([all.see(65_406), all.see(65_408)], [Missing(1), Missing(1)]);
            all.see_unnumbered();
            assert_eq!([all.see(65_410), all.see(65_411)], [Next, Next]);
        }
    }

    #[test]
    fn what_is_missing_is_counted() {
        for counting in [Counting::OnAndOn, Counting::EachConnection] {
            check(counting, &[7, 8, 11, 12], &[Next, Next, Missing(2), Next]);
            check(counting, &[7, 7, 3, 4], &[Next, Anew(7), Anew(7), Next]);
            check(counting, &[0, 1 << 21], &[Next, Anew(0)]);
        }
    }

    #[test]
    fn what_comes_late_is_counted_once() {
        let counting = Counting::EachConnection;
        check(counting, &[5, 9, 7, 10, 7], &[Next, Missing(3), Late, Next, Anew(10)]);
        check(counting, &[65_534, 3, 65_535, 1, 4], &[Next, Missing(3), Late, Late, Next]);
        let mut numbers = Numbers::new(counting);
        assert_eq!([numbers.see(0), numbers.see(1 << 20)], [Next, Missing((1 << 20) - 1)]);
        assert_eq!(numbers.missing.len(), MAX_REMEMBERED);
    }

    #[test]
    fn numbers_that_came_are_remembered_for_a_while() {
        let mut numbers = Numbers::new(Counting::EachConnection);
        for number in 0..300 {
            numbers.see(number);
        }
        assert!(numbers.has_seen(299) && numbers.has_seen(44) && !numbers.has_seen(43));
        assert!(!Numbers { counting: Counting::OnAndOn, ..numbers }.has_seen(299));
    }

    #[test]
    fn sixteen_bits_begin_again_at_one() {
        let counting = Counting::EachConnection;
        check(counting, &[65_534, 65_535, 1, 2], &[Next; 4]);
        check(counting, &[65_533, 2], &[Next, Missing(3)]);
        check(counting, &[65_535, 65_536, 65_537], &[Next; 3]);
        check(counting, &[60_000, 1], &[Next, Anew(60_000)]);
        check(Counting::OnAndOn, &[65_535, 1], &[Next, Anew(65_535)]);
    }

    #[test]
    fn a_connection_begins_anew_or_not() {
        for (counting, expected) in
            [(Counting::OnAndOn, Missing(4)), (Counting::EachConnection, Next)]
        {
            let mut numbers = Numbers::new(counting);
            numbers.connected();
            assert_eq!(numbers.see(5), Next);
            numbers.connected();
            assert_eq!(numbers.see(10), expected);
        }
    }
}
