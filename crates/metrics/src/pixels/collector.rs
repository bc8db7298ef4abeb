//! Feeding anomaly maps, image by image.

use std::collections::BTreeMap;

use super::exact::ExactPixels;
use super::histogram::Histogram;
use super::{DEFAULT_EXACT_LIMIT, SortedPixels};
use crate::MetricError;
use crate::components::connected_components;
use crate::error::same_length;
use crate::key::{refuse_nan, score_key};
use crate::steps::Totals;

/// One image's anomaly map, checked.
#[derive(Clone, Copy, Debug)]
pub struct PixelScores<'a> {
    scores: &'a [f32],
    width: usize,
    height: usize,
}

impl<'a> PixelScores<'a> {
    /// A map of `width × height` scores, row by row; higher is more anomalous.
    ///
    /// # Errors
    /// The number of scores is not `width × height`, or one is NaN.
    pub fn new(scores: &'a [f32], width: usize, height: usize) -> Result<Self, MetricError> {
        same_length(width.saturating_mul(height), scores.len())?;
        refuse_nan(scores)?;
        Ok(Self { scores, width, height })
    }
}

/// A defect region with its saturation area (sPRO, Bergmann et al., IJCV 2022).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaturatedRegion {
    /// Pixels of the region, row by row, as many as the map has. The pixels need not be connected, and regions may
    /// overlap.
    pub mask: Vec<bool>,
    /// Pixels that must be found for the region to count as found completely, at least 1. More than the region has
    /// means all of them.
    pub saturation: u64,
}

/// What is defective in one image.
#[derive(Clone, Copy, Debug)]
pub enum GroundTruth<'a> {
    /// Nothing: all pixels are good.
    Good,
    /// The defect pixels, row by row, as many as the map has. Each 8-connected component is one region. A mask
    /// without any defect pixel counts as good.
    Mask(&'a [bool]),
    /// The regions with their saturation areas; pixels outside all of them are good.
    Regions(&'a [SaturatedRegion]),
}

/// Collects the pixels of anomaly maps, by defect kind, for pixel AU-ROC, pixel AU-PR and AU-PRO.
///
/// # Memory
/// Up to [`DEFAULT_EXACT_LIMIT`] pixels (or the limit given to [`with_exact_limit`](Self::with_exact_limit)) each
/// score is kept: 4 bytes for a good pixel, 12 for a defect pixel (twice that for a moment while a buffer grows),
/// and the metrics are exact. Beyond it, scores are counted in 2²⁰ buckets, 24 MiB for each defect kind and as much
/// for the good images, whatever the number of pixels; the scores of a bucket differ by less than 1 part in 2048.
/// The metrics then treat a bucket as a tie and [`PixelMetrics`](super::PixelMetrics) states by how much that can
/// have moved each.
#[derive(Debug)]
pub struct PixelCollector {
    exact_limit: u64,
    pixels: u64,
    groups: BTreeMap<Option<String>, Group>,
}

/// The pixels of all images of one kind.
#[derive(Debug)]
pub(super) struct Group {
    pub totals: Totals,
    pub store: Store,
}

#[derive(Debug)]
pub(super) enum Store {
    Exact(ExactPixels),
    Buckets(Histogram),
}

impl Default for PixelCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl PixelCollector {
    /// A collector that is exact up to [`DEFAULT_EXACT_LIMIT`] pixels.
    pub fn new() -> Self {
        Self::with_exact_limit(DEFAULT_EXACT_LIMIT)
    }

    /// A collector that is exact up to `exact_limit` pixels over all images.
    pub fn with_exact_limit(exact_limit: u64) -> Self {
        Self { exact_limit, pixels: 0, groups: BTreeMap::new() }
    }

    /// Adds one image: `kind` is the defect kind it belongs to, `None` for a good image.
    ///
    /// # Errors
    /// A mask has another size than the map, or a region's saturation is zero; nothing is added then.
    pub fn add(
        &mut self,
        kind: Option<&str>,
        map: PixelScores<'_>,
        truth: GroundTruth<'_>,
    ) -> Result<(), MetricError> {
        let image = ImagePixels::new(map, truth)?;
        self.pixels += map.scores.len() as u64;
        if self.pixels > self.exact_limit {
            self.groups.values_mut().for_each(Group::count_in_buckets);
        }
        let exact = self.pixels <= self.exact_limit;
        self.groups.entry(kind.map(str::to_owned)).or_insert_with(|| Group::new(exact)).add(&image);
        Ok(())
    }

    /// Sorts what was collected, ready for metrics: about 2 s for 10⁸ pixels on one core.
    pub fn sort(self) -> SortedPixels {
        let mut groups = self.groups;
        for group in groups.values_mut() {
            if let Store::Exact(pixels) = &mut group.store {
                pixels.sort();
            }
        }
        SortedPixels { groups }
    }
}

impl Group {
    fn new(exact: bool) -> Self {
        let store = if exact {
            Store::Exact(ExactPixels::default())
        } else {
            Store::Buckets(Histogram::new())
        };
        Self { totals: Totals::default(), store }
    }

    fn add(&mut self, image: &ImagePixels<'_>) {
        let anomalous = image.anomalous_keys().count() as u64;
        self.totals.anomalous += anomalous;
        self.totals.good += image.scores.len() as u64 - anomalous;
        self.totals.regions += image.regions.len() as u64;
        match &mut self.store {
            Store::Exact(pixels) => pixels.add(image),
            Store::Buckets(histogram) => histogram.add(image),
        }
    }

    fn count_in_buckets(&mut self) {
        if let Store::Exact(pixels) = &self.store {
            self.store = Store::Buckets(pixels.to_histogram());
        }
    }
}

/// One image's pixels, sorted out.
pub(super) struct ImagePixels<'a> {
    scores: &'a [f32],
    anomalous: Vec<bool>,
    pub regions: Vec<RegionPixels>,
}

/// The keys of one region's pixels that count, highest first.
pub(super) struct RegionPixels {
    keys: Vec<u32>,
}

impl RegionPixels {
    /// The overlap grows with each pixel found until `saturation` are, in falling order of score; later ones add
    /// nothing.
    fn new(mut keys: Vec<u32>, saturation: u64) -> Self {
        keys.sort_unstable_by(|a, b| b.cmp(a));
        keys.truncate(usize::try_from(saturation).unwrap_or(usize::MAX));
        Self { keys }
    }

    /// Keys of the pixels that add to the overlap.
    pub fn counted_keys(&self) -> &[u32] {
        &self.keys
    }

    /// What each of them adds.
    pub fn weight(&self) -> f64 {
        1.0 / self.keys.len() as f64
    }
}

impl<'a> ImagePixels<'a> {
    fn new(map: PixelScores<'a>, truth: GroundTruth<'_>) -> Result<Self, MetricError> {
        let (anomalous, regions) = match truth {
            GroundTruth::Good => (vec![false; map.scores.len()], Vec::new()),
            GroundTruth::Mask(mask) => (mask.to_vec(), component_pixels(map, mask)?),
            GroundTruth::Regions(regions) => saturated_pixels(map, regions)?,
        };
        Ok(Self { scores: map.scores, anomalous, regions })
    }

    /// Keys of the pixels outside all defects.
    pub fn good_keys(&self) -> impl Iterator<Item = u32> {
        self.keys(false)
    }

    /// Keys of the pixels inside a defect.
    pub fn anomalous_keys(&self) -> impl Iterator<Item = u32> {
        self.keys(true)
    }

    fn keys(&self, wanted: bool) -> impl Iterator<Item = u32> {
        let pixels = self.scores.iter().zip(&self.anomalous);
        pixels
            .filter(move |(_, anomalous)| **anomalous == wanted)
            .map(|(&score, _)| score_key(score))
    }
}

fn component_pixels(map: PixelScores<'_>, mask: &[bool]) -> Result<Vec<RegionPixels>, MetricError> {
    let components = connected_components(mask, map.width, map.height)?;
    let mut keys: Vec<Vec<u32>> =
        components.areas.iter().map(|&area| Vec::with_capacity(area as usize)).collect();
    for (&label, &score) in
        components.labels.iter().zip(map.scores).filter(|(label, _)| **label > 0)
    {
        keys[label as usize - 1].push(score_key(score));
    }
    Ok(keys.into_iter().map(|keys| RegionPixels::new(keys, u64::MAX)).collect())
}

fn saturated_pixels(
    map: PixelScores<'_>,
    regions: &[SaturatedRegion],
) -> Result<(Vec<bool>, Vec<RegionPixels>), MetricError> {
    let mut union = vec![false; map.scores.len()];
    let mut pixels = Vec::with_capacity(regions.len());
    for (index, region) in regions.iter().enumerate() {
        same_length(map.scores.len(), region.mask.len())?;
        if region.saturation == 0 {
            return Err(MetricError::ZeroSaturation(index));
        }
        let inside = region.mask.iter().zip(map.scores).filter(|(inside, _)| **inside);
        let keys: Vec<u32> = inside.map(|(_, &score)| score_key(score)).collect();
        union.iter_mut().zip(&region.mask).for_each(|(any, &inside)| *any |= inside);
        if !keys.is_empty() {
            pixels.push(RegionPixels::new(keys, region.saturation));
        }
    }
    Ok((union, pixels))
}
