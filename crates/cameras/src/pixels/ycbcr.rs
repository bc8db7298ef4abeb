//! YCbCr as red, green and blue.

use super::{Shape, check_length};

/// Pixels of YUYV (two of Y, one of Cb and Cr, in the order Y Cb Y Cr) as RGB, by ITU-R BT.601 with Y
/// from 16 to 235, as cameras of the Linux kernel give them.
///
/// # Errors
/// The frame is too short, or its width odd.
pub fn yuyv_to_rgb(data: &[u8], shape: Shape) -> Result<Vec<u8>, String> {
    let Shape { width, height, padding } = shape;
    if !width.is_multiple_of(2) {
        return Err(format!("YUYV with a width of {width} pixels, which is odd"));
    }
    let row = u64::from(width) * 2;
    let stride = row + padding as u64;
    let needed = stride.saturating_mul(u64::from(height).saturating_sub(1)).saturating_add(row);
    check_length(data, needed, shape)?;
    let rows = data.chunks(stride as usize).take(height as usize);
    let pairs = rows.flat_map(|line| line[..row as usize].as_chunks::<4>().0);
    Ok(pairs
        .flat_map(|&[y0, cb, y1, cr]| [to_rgb(y0, cb, cr), to_rgb(y1, cb, cr)])
        .flatten()
        .collect())
}

fn to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y) - 16, i32::from(cb) - 128, i32::from(cr) - 128];
    // The standard's coefficients times 2¹⁶.
    let light = 76_309 * y;
    [light + 104_597 * cr, light - 25_675 * cb - 53_279 * cr, light + 132_201 * cb]
        .map(|sum| ((sum + 32_768) >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's definition in floating point.
    fn reference(y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let y = (f64::from(y) - 16.0) / 219.0;
        let [cb, cr] = [cb, cr].map(|it| (f64::from(it) - 128.0) / 224.0);
        let (kr, kb) = (0.299, 0.114);
        let r = y + 2.0 * (1.0 - kr) * cr;
        let b = y + 2.0 * (1.0 - kb) * cb;
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        [r, g, b].map(|it| (it * 255.0).round().clamp(0.0, 255.0) as u8)
    }

    #[test]
    fn every_colour_is_within_one_level_of_the_definition() {
        let mut largest = 0;
        for y in (0..=255).step_by(3) {
            for cb in (0..=255).step_by(5) {
                for cr in (0..=255).step_by(5) {
                    let (found, expected) = (to_rgb(y, cb, cr), reference(y, cb, cr));
                    let differences = found.iter().zip(expected).map(|(a, b)| a.abs_diff(b));
                    largest = largest.max(differences.max().unwrap());
                }
            }
        }
        assert!(largest <= 1, "{largest}");
        assert_eq!([to_rgb(16, 128, 128), to_rgb(235, 128, 128)], [[0; 3], [255; 3]]);
    }

    #[test]
    fn pixels_and_rows_are_where_they_belong() {
        let shape = Shape { width: 2, height: 2, padding: 1 };
        let data = [16, 128, 235, 128, 7, 235, 128, 16, 128];
        let rgb = yuyv_to_rgb(&data, shape).unwrap();
        assert_eq!(rgb, [[0; 3], [255; 3], [255; 3], [0; 3]].concat());
        assert!(yuyv_to_rgb(&data[..8], shape).is_err());
        assert!(yuyv_to_rgb(&data, Shape { width: 1, height: 1, padding: 0 }).is_err());
    }
}
