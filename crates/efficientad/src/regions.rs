//! Where the defects are: the connected regions of an anomaly map that reach the threshold.

use crate::anomaly_map::AnomalyMap;
use efficientad_metrics::{Components, connected_components};
use serde::{Deserialize, Serialize};

/// Regions that are listed of one image, those of the highest peaks.
pub const MAX_REGIONS: usize = 100;

/// Pixels of an anomaly map that reach the threshold and touch by side or corner.
///
/// Pixels are counted from 0 at the image's upper left, x to the right and y down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The smallest upright rectangle that holds it.
    #[serde(rename = "box")]
    pub bounds: Bounds,
    /// Number of pixels.
    pub area: u64,
    /// Where the map is highest.
    pub peak: Peak,
    /// The mean of its pixels' positions.
    pub centroid: Centroid,
}

/// An upright rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Its leftmost column.
    pub x: u32,
    /// Its uppermost row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// The highest value of a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The map's value.
    pub value: f32,
    /// Its column.
    pub x: u32,
    /// Its row; of equal values the first in reading order.
    pub y: u32,
}

/// A position between pixels, whose centres are whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Centroid {
    /// Columns from the left.
    pub x: f64,
    /// Rows from the top.
    pub y: f64,
}

/// The regions of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regions {
    /// By falling peak, [`MAX_REGIONS`] of them at most.
    pub listed: Vec<Region>,
    /// Number of all.
    pub count: usize,
}

impl Regions {
    /// The regions of a map where it is `threshold` or more. There are none exactly if the image
    /// score, the map's largest value, is below the threshold.
    pub fn of(map: &AnomalyMap, threshold: f32) -> Self {
        let width = map.width as usize;
        let mask: Vec<bool> = map.values.iter().map(|&value| value >= threshold).collect();
        let Ok(Components { labels, areas }) =
            connected_components(&mask, width, map.height as usize)
        else {
            return Self::default();
        };
        let mut sums = vec![RegionSums::EMPTY; areas.len()];
        for (index, &label) in labels.iter().enumerate().filter(|&(_, &label)| label > 0) {
            let (x, y) = ((index % width) as u32, (index / width) as u32);
            sums[label as usize - 1].add(x, y, map.values[index]);
        }
        let mut order: Vec<u32> = (0..areas.len() as u32).collect();
        let by_peak = |&a: &u32, &b: &u32| {
            let [first, second] = [a, b].map(|region| sums[region as usize].peak.value);
            second.total_cmp(&first).then(a.cmp(&b))
        };
        if order.len() > MAX_REGIONS {
            order.select_nth_unstable_by(MAX_REGIONS, by_peak);
            order.truncate(MAX_REGIONS);
        }
        order.sort_unstable_by(by_peak);
        let region = |region: u32| sums[region as usize].region(areas[region as usize]);
        Self { listed: order.into_iter().map(region).collect(), count: areas.len() }
    }
}

/// What is collected of a region, pixel by pixel in reading order.
#[derive(Clone)]
struct RegionSums {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
    x: u64,
    y: u64,
    peak: Peak,
}

impl RegionSums {
    const EMPTY: Self = Self {
        left: u32::MAX,
        top: u32::MAX,
        right: 0,
        bottom: 0,
        x: 0,
        y: 0,
        peak: Peak { value: f32::NEG_INFINITY, x: 0, y: 0 },
    };

    fn add(&mut self, x: u32, y: u32, value: f32) {
        self.left = self.left.min(x);
        self.top = self.top.min(y);
        self.right = self.right.max(x);
        self.bottom = self.bottom.max(y);
        self.x += u64::from(x);
        self.y += u64::from(y);
        if value > self.peak.value {
            self.peak = Peak { value, x, y };
        }
    }

    fn region(&self, area: u64) -> Region {
        Region {
            bounds: Bounds {
                x: self.left,
                y: self.top,
                width: self.right + 1 - self.left,
                height: self.bottom + 1 - self.top,
            },
            area,
            peak: self.peak,
            centroid: Centroid { x: self.x as f64 / area as f64, y: self.y as f64 / area as f64 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[&[f32]]) -> AnomalyMap {
        let (width, height) = (rows[0].len() as u32, rows.len() as u32);
        AnomalyMap { values: rows.concat(), width, height }
    }

    #[test]
    fn regions_touch_by_side_or_corner() {
        let map = map(&[
            &[0.0, 0.5, 0.0, 0.0, 0.7],
            &[0.6, 0.0, 0.0, 0.0, 0.4],
            &[0.0, 0.0, 0.0, 0.0, 0.9],
            &[0.5, 0.0, 0.0, 0.0, 0.9],
        ]);
        let Regions { listed, count } = Regions::of(&map, 0.5);
        assert_eq!(count, 4);
        let peaks: Vec<f32> = listed.iter().map(|region| region.peak.value).collect();
        assert_eq!(peaks, [0.9, 0.7, 0.6, 0.5]);
        assert_eq!(
            listed[0],
            Region {
                bounds: Bounds { x: 4, y: 2, width: 1, height: 2 },
                area: 2,
                peak: Peak { value: 0.9, x: 4, y: 2 },
                centroid: Centroid { x: 4.0, y: 2.5 },
            }
        );
        assert_eq!(
            listed[2],
            Region {
                bounds: Bounds { x: 0, y: 0, width: 2, height: 2 },
                area: 2,
                peak: Peak { value: 0.6, x: 0, y: 1 },
                centroid: Centroid { x: 0.5, y: 0.5 },
            }
        );
    }

    #[test]
    fn there_are_regions_exactly_when_the_largest_value_reaches_the_threshold() {
        let map = map(&[&[0.1, 0.2], &[0.3, 0.2]]);
        assert_eq!(Regions::of(&map, 0.3_f32.next_up()), Regions::default());
        assert_eq!(Regions::of(&map, 0.3).count, 1);
        assert_eq!(Regions::of(&map, -1.0).listed[0].area, 4);
    }

    #[test]
    fn the_list_is_bounded_but_the_count_is_not() {
        let values = (0..40 * 40).map(|i| {
            let (x, y) = (i % 40, i / 40);
            if x % 2 == 0 && y % 2 == 0 { 1.0 + i as f32 } else { 0.0 }
        });
        let map = AnomalyMap { values: values.collect(), width: 40, height: 40 };
        let Regions { listed, count } = Regions::of(&map, 1.0);
        assert_eq!((count, listed.len()), (400, MAX_REGIONS));
        assert_eq!((listed[0].peak.x, listed[0].peak.y), (38, 38));
    }
}
