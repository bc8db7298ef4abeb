//! Scores as integers that sort the same way.

use crate::MetricError;

/// Maps a score to an unsigned integer with the same order; `-0.0` and `0.0` share one key.
pub(crate) fn score_key(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 0 { bits | 0x8000_0000 } else { !bits }
}

/// Inverse of [`score_key`].
pub(crate) fn key_score(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & 0x7fff_ffff } else { !key })
}

/// Refuses scores that have no place in an order.
pub(crate) fn refuse_nan(scores: &[f32]) -> Result<(), MetricError> {
    match scores.iter().position(|score| score.is_nan()) {
        Some(index) => Err(MetricError::NanScore(index)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_scores() {
        let scores = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.5,
            -1e-40,
            0.0,
            1e-40,
            0.5,
            1.0,
            f32::MAX,
            f32::INFINITY,
        ];
        assert!(scores.windows(2).all(|pair| score_key(pair[0]) < score_key(pair[1])));
        assert!(scores.iter().all(|&score| key_score(score_key(score)) == score));
        assert_eq!(score_key(-0.0), score_key(0.0));
    }
}
