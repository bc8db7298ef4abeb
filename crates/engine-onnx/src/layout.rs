//! Channels innermost, as everywhere else, and outermost, as ONNX has them.

/// An image of `channels` values a location, rows of locations, to `channels` images of one value.
pub(crate) fn channels_first(image: &[f32], channels: usize) -> Vec<f32> {
    transposed(image, image.len() / channels, channels)
}

/// The reverse of [`channels_first`].
pub(crate) fn channels_last(image: &[f32], channels: usize) -> Vec<f32> {
    transposed(image, channels, image.len() / channels)
}

/// Rows become columns.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(matrix.len());
    for column in 0..columns {
        result.extend((0..rows).map(|row| matrix[row * columns + column]));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_move_and_return() {
        let pixels = [1.0, 10.0, 100.0, 2.0, 20.0, 200.0];
        let planes = channels_first(&pixels, 3);
        assert_eq!(planes, [1.0, 2.0, 10.0, 20.0, 100.0, 200.0]);
        assert_eq!(channels_last(&planes, 3), pixels);
    }
}
