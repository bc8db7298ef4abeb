//! Numbers as people read them.

use efficientad_metrics::rate_interval;

/// Confidence of the intervals around counted shares.
const CONFIDENCE: f64 = 0.95;

/// A share in percent with one digit after the point; nothing that is not everything is 100.0 %, and
/// nothing that is not nothing is 0.0 %.
pub(crate) fn percent(share: f64) -> String {
    match format!("{:.1}", 100.0 * share).as_str() {
        "100.0" if share < 1.0 => ">\u{a0}99.9\u{a0}%".to_owned(),
        "0.0" if share > 0.0 => "<\u{a0}0.1\u{a0}%".to_owned(),
        digits => format!("{digits}\u{a0}%"),
    }
}

/// An upper bound in percent, rounded up.
pub(crate) fn percent_at_most(share: f64) -> String {
    percent((1000.0 * share - 1e-9).ceil().min(1000.0) / 1000.0)
}

/// An image score or a value of an anomaly map.
pub(crate) fn score(score: f32) -> String {
    format!("{score:.4}")
}

/// An area under a curve, an F1, or a p-value.
pub(crate) fn measure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

/// "1 image", "2 images".
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A share that was counted, and what the count says about images that were not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Share {
    pub hits: u64,
    pub total: u64,
}

impl Share {
    pub fn new(hits: u64, total: u64) -> Self {
        Self { hits, total }
    }

    pub fn percent(&self) -> String {
        if self.total == 0 {
            "–".to_owned()
        } else {
            percent(self.hits as f64 / self.total as f64)
        }
    }

    /// The exact interval of Clopper and Pearson.
    pub fn bounds(&self) -> (f64, f64) {
        rate_interval(self.hits, self.total, CONFIDENCE)
    }

    pub fn interval(&self) -> String {
        if self.total == 0 {
            return "–".to_owned();
        }
        let (low, high) = self.bounds();
        let digits = |share: f64| percent(share).trim_end_matches("\u{a0}%").to_owned();
        format!("{} to {}", digits(low), percent(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_to_all_or_nothing() {
        assert_eq!(percent(1.0), "100.0\u{a0}%");
        assert_eq!(percent(0.9999), ">\u{a0}99.9\u{a0}%");
        assert_eq!(percent(0.0), "0.0\u{a0}%");
        assert_eq!(percent(0.0001), "<\u{a0}0.1\u{a0}%");
        assert_eq!(percent(0.12345), "12.3\u{a0}%");
        assert_eq!(
            [0.0601, 0.01, 0.07, 1.0].map(percent_at_most),
            ["6.1\u{a0}%", "1.0\u{a0}%", "7.0\u{a0}%", "100.0\u{a0}%"]
        );
    }

    #[test]
    fn a_share_of_few_is_uncertain() {
        assert_eq!(Share::new(0, 12).interval(), "0.0 to 26.5\u{a0}%");
        assert_eq!(Share::new(28, 30).interval(), "77.9 to 99.2\u{a0}%");
        assert_eq!(
            (Share::new(28, 30).percent(), Share::new(0, 0).percent()),
            ("93.3\u{a0}%".into(), "–".into())
        );
    }
}
