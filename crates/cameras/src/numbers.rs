//! Gaps in the numbers of frames.

/// A gap longer than this is a camera that counts anew.
const LONGEST_GAP: u64 = 1 << 20;

/// The largest number of GigE Vision without extended ids; 1 comes next.
const GIGE_LAST: u64 = 65_535;

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    counting: Counting,
    last: Option<u64>,
}

/// What a number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is the next, or the first.
    Next,
    /// So many are missing before it.
    Missing(u64),
    /// It can't follow the number named: the camera counts anew.
    Anew(u64),
}

impl Numbers {
    pub(crate) fn new(counting: Counting) -> Self {
        Self { counting, last: None }
    }

    /// A connection begins.
    pub(crate) fn connected(&mut self) {
        if self.counting == Counting::EachConnection {
            self.last = None;
        }
    }

    /// A frame has come.
    pub(crate) fn see(&mut self, number: u64) -> Step {
        let Some(last) = self.last.replace(number) else { return Step::Next };
        let advance = match self.counting {
            _ if number > last => number - last,
            Counting::EachConnection if begins_again(last, number) => number + GIGE_LAST - last,
            _ => 0,
        };
        match advance {
            0 => Step::Anew(last),
            1 => Step::Next,
            2..=LONGEST_GAP => Step::Missing(advance - 1),
            _ => Step::Anew(last),
        }
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

    use Step::{Anew, Missing, Next};

    #[test]
    fn what_is_missing_is_counted() {
        for counting in [Counting::OnAndOn, Counting::EachConnection] {
            check(counting, &[7, 8, 11, 12], &[Next, Next, Missing(2), Next]);
            check(counting, &[7, 7, 3, 4], &[Next, Anew(7), Anew(7), Next]);
            check(counting, &[0, 1 << 21], &[Next, Anew(0)]);
        }
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
