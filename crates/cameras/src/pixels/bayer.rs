//! Three colours for each pixel from one.

/// The colours of the four upper left pixels, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mosaic {
    /// Red, green; green, blue.
    Rggb,
    /// Green, red; blue, green.
    Grbg,
    /// Green, blue; red, green.
    Gbrg,
    /// Blue, green; green, red.
    Bggr,
}

impl Mosaic {
    /// Column and row of the red pixel among the four, 0 or 1.
    fn red(self) -> (usize, usize) {
        match self {
            Self::Rggb => (0, 0),
            Self::Grbg => (1, 0),
            Self::Gbrg => (0, 1),
            Self::Bggr => (1, 1),
        }
    }
}

/// Red, green and blue of each pixel, bilinear: its own colour as it is, the others as the mean of
/// the two or four nearest pixels that have them, rounded half up. At the edges the picture is
/// continued as in a mirror that stands on the outermost pixels.
///
/// # Errors
/// The picture has less than two pixels along a side.
pub fn demosaic(
    samples: &[u16],
    width: usize,
    height: usize,
    mosaic: Mosaic,
) -> Result<Vec<u16>, String> {
    if width < 2 || height < 2 {
        return Err(format!("a mosaic of {width}×{height} pixels does not have all colours"));
    }
    let (red_column, red_row) = mosaic.red();
    let row = |y: usize| &samples[y * width..][..width];
    let mut rgb = Vec::with_capacity(samples.len() * 3);
    for y in 0..height {
        let (above, here, below) = (row(before(y)), row(y), row(after(y, height)));
        let is_red_row = y % 2 == red_row;
        for x in 0..width {
            let (left, right) = (before(x), after(x, width));
            let own = here[x];
            let beside = mean([here[left], here[right]]);
            let over = mean([above[x], below[x]]);
            let is_red_column = x % 2 == red_column;
            rgb.extend(match (is_red_row, is_red_column) {
                (true, false) => [beside, own, over],
                (false, true) => [over, own, beside],
                (is_red, _) => {
                    let green = mean([here[left], here[right], above[x], below[x]]);
                    let other = mean([above[left], above[right], below[left], below[right]]);
                    if is_red { [own, green, other] } else { [other, green, own] }
                }
            });
        }
    }
    Ok(rgb)
}

/// The place before, mirrored at the edge.
fn before(place: usize) -> usize {
    if place == 0 { 1 } else { place - 1 }
}

/// The place after, mirrored at the edge.
fn after(place: usize, length: usize) -> usize {
    if place + 1 == length { length - 2 } else { place + 1 }
}

fn mean<const N: usize>(samples: [u16; N]) -> u16 {
    let sum: u32 = samples.iter().map(|&sample| u32::from(sample)).sum();
    ((sum + N as u32 / 2) / N as u32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colour of a pixel as the name of the mosaic says it.
    fn colour(name: &str, x: i64, y: i64) -> usize {
        let letter = name.as_bytes()[(y.rem_euclid(2) * 2 + x.rem_euclid(2)) as usize];
        b"RGB".iter().position(|&it| it == letter).unwrap()
    }

    /// The definition: the mean of all pixels of a colour among the nine around, or the pixel itself.
    fn reference(samples: &[u16], width: i64, height: i64, name: &str) -> Vec<u16> {
        let mirror = |place: i64, length: i64| {
            let place = place.abs();
            if place >= length { 2 * (length - 1) - place } else { place }
        };
        let at = |x, y| samples[(mirror(y, height) * width + mirror(x, width)) as usize];
        let mut rgb = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for wanted in 0..3 {
                let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
                let same = around.filter(|(dx, dy)| colour(name, x + dx, y + dy) == wanted);
                let values: Vec<f64> = match colour(name, x, y) == wanted {
                    true => vec![at(x, y).into()],
                    false => same.map(|(dx, dy)| at(x + dx, y + dy).into()).collect(),
                };
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                rgb.push((mean + 0.5).floor() as u16);
            }
        }
        rgb
    }

    const ALL: [(Mosaic, &str); 4] = [
        (Mosaic::Rggb, "RGGB"),
        (Mosaic::Grbg, "GRBG"),
        (Mosaic::Gbrg, "GBRG"),
        (Mosaic::Bggr, "BGGR"),
    ];

    #[test]
    fn every_mosaic_agrees_with_the_definition() {
        let mut random = fastrand::Rng::with_seed(1);
        for (width, height) in [(2, 2), (2, 5), (5, 2), (8, 6), (7, 9)] {
            let samples: Vec<u16> = (0..width * height).map(|_| random.u16(..)).collect();
            for (mosaic, name) in ALL {
                let found = demosaic(&samples, width, height, mosaic).unwrap();
                let expected = reference(&samples, width as i64, height as i64, name);
                assert_eq!(found, expected, "{name} {width}×{height}");
            }
        }
    }

    #[test]
    fn an_even_colour_stays_what_it_is() {
        for (mosaic, name) in ALL {
            let places = (0..6 * 4).map(|place| colour(name, place % 6, place / 6));
            let samples: Vec<u16> = places.map(|it| [1000, 200, 30][it]).collect();
            let rgb = demosaic(&samples, 6, 4, mosaic).unwrap();
            assert!(rgb.as_chunks::<3>().0.iter().all(|it| *it == [1000, 200, 30]), "{name}");
        }
        assert!(demosaic(&[1, 2], 1, 2, Mosaic::Rggb).is_err());
    }
}
