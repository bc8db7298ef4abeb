//! Regions of interest: which pixels of a photo are inspected.
//!
//! A region is drawn as an image (white is marked) or as polygons in JSON, on a photo of a certain
//! size, and scaled to photos of the same shape.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::RegionError;
use crate::files;
use crate::mask::load_mask;

/// Smallest 8-bit value of a mask's pixel that is marked.
const WHITE: u8 = 128;
/// Largest size of a file of polygons, in bytes.
const MAX_POLYGON_FILE: u64 = 1 << 20;
/// Most changes between inside and outside, row after row: what a model's file has room for.
const MAX_RUNS: usize = 1 << 19;

/// The pixels of a photo that are inspected; at least one.
///
/// As JSON: `width` and `height` in pixels, and `runs`, the lengths of the runs of pixels in turn
/// outside and inside, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Runs", into = "Runs")]
pub struct RegionOfInterest {
    width: u32,
    height: u32,
    inside: Vec<bool>,
}

#[derive(Serialize, Deserialize)]
struct Runs {
    width: u32,
    height: u32,
    runs: Vec<u64>,
}

impl RegionOfInterest {
    /// `inside` has `width · height` values, row by row from the top left.
    ///
    /// # Errors
    /// [`RegionError::TooLarge`], [`RegionError::Length`], [`RegionError::Empty`],
    /// [`RegionError::TooDetailed`].
    pub fn new(width: u32, height: u32, inside: Vec<bool>) -> Result<Self, RegionError> {
        let expected = u64::from(width) * u64::from(height);
        check_pixels(width, height)?;
        if inside.len() as u64 != expected {
            return Err(RegionError::Length { width, height, found: inside.len() as u64 });
        }
        if !inside.contains(&true) {
            return Err(RegionError::Empty);
        }
        let runs = 1 + inside.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if runs > MAX_RUNS {
            return Err(RegionError::TooDetailed { runs, limit: MAX_RUNS });
        }
        Ok(Self { width, height, inside })
    }

    /// What is marked by `include`, or everything, less what is marked by `exclude`, of a photo of
    /// `width × height`.
    ///
    /// # Errors
    /// As [`MarkedArea::at`] and [`RegionOfInterest::new`].
    pub fn between(
        include: Option<&MarkedArea>,
        exclude: Option<&MarkedArea>,
        (width, height): (u32, u32),
    ) -> Result<Self, RegionError> {
        check_pixels(width, height)?;
        let mut inside = match include {
            Some(area) => area.at(width, height)?,
            None => vec![true; width as usize * height as usize],
        };
        if let Some(area) = exclude {
            let excluded = area.at(width, height)?;
            inside.iter_mut().zip(excluded).for_each(|(inside, excluded)| *inside &= !excluded);
        }
        Self::new(width, height, inside)
    }

    /// Width and height of the photo it was drawn on, in pixels.
    pub fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Share of the pixels that are inside.
    pub fn share(&self) -> f64 {
        let inside = self.inside.iter().filter(|&&inside| inside).count();
        inside as f64 / self.inside.len() as f64
    }

    /// Which pixels of a photo of `width × height` are inside, by the nearest of this region's.
    ///
    /// # Errors
    /// [`RegionError::OtherShape`] when the photo's sides are in another proportion, by more than
    /// what rounding a side to whole pixels explains.
    pub fn at(&self, width: u32, height: u32) -> Result<Vec<bool>, RegionError> {
        scaled(&self.inside, (self.width, self.height), (width, height))
    }
}

/// Refuses what no model's file could be read with.
fn check_pixels(width: u32, height: u32) -> Result<(), RegionError> {
    let limit = crate::Limits::default().max_pixels;
    if u64::from(width) * u64::from(height) <= limit {
        return Ok(());
    }
    Err(RegionError::TooLarge { width, height, limit })
}

impl TryFrom<Runs> for RegionOfInterest {
    type Error = RegionError;

    fn try_from(Runs { width, height, runs }: Runs) -> Result<Self, RegionError> {
        let expected = u64::from(width) * u64::from(height);
        let found = runs.iter().fold(0_u64, |sum, &run| sum.saturating_add(run));
        check_pixels(width, height)?;
        if found != expected {
            return Err(RegionError::Length { width, height, found });
        }
        let mut inside = Vec::with_capacity(found as usize);
        for (i, run) in runs.into_iter().enumerate() {
            inside.resize(inside.len() + run as usize, i % 2 == 1);
        }
        Self::new(width, height, inside)
    }
}

impl From<RegionOfInterest> for Runs {
    fn from(region: RegionOfInterest) -> Self {
        let RegionOfInterest { width, height, inside } = region;
        let mut runs = Vec::new();
        if inside.first() == Some(&true) {
            runs.push(0);
        }
        runs.extend(inside.chunk_by(|a, b| a == b).map(|run| run.len() as u64));
        Self { width, height, runs }
    }
}

/// What a file marks, before the photos' size is known.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkedArea {
    name: String,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Mask { width: u32, height: u32, marked: Vec<bool> },
    Polygons(Polygons),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Polygons {
    unit: Unit,
    polygons: Vec<Vec<[f64; 2]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    /// From the photo's left and upper edge, in its pixels.
    Pixels,
    /// Of the photo's width and height, from 0 to 1.
    Fraction,
}

impl MarkedArea {
    /// Reads an image whose pixels from half white on are marked, or, from a file whose name ends in
    /// `.json`, polygons: `{"unit": "pixels", "polygons": [[[x, y], …], …]}`, unit `pixels` or
    /// `fraction`. A pixel is marked if its centre lies in an odd number of a polygon's windings.
    ///
    /// # Errors
    /// [`RegionError::Image`], [`RegionError::Read`], [`RegionError::Polygons`].
    pub fn open(path: &Path) -> Result<Self, RegionError> {
        let name = path.display().to_string();
        let is_json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let shape = if is_json {
            Shape::Polygons(read_polygons(path, &name)?)
        } else {
            let mask = load_mask(path, WHITE)?;
            Shape::Mask { width: mask.width, height: mask.height, marked: mask.defect }
        };
        Ok(Self { name, shape })
    }

    /// Which pixels of a photo of `width × height` it marks.
    ///
    /// # Errors
    /// [`RegionError::InFile`] when it does not fit a photo of this size or marks nothing of it.
    pub fn at(&self, width: u32, height: u32) -> Result<Vec<bool>, RegionError> {
        self.fit(width, height)
            .and_then(
                |marked| if marked.contains(&true) { Ok(marked) } else { Err(RegionError::Empty) },
            )
            .map_err(|source| RegionError::InFile {
                name: self.name.clone(),
                source: source.into(),
            })
    }

    fn fit(&self, width: u32, height: u32) -> Result<Vec<bool>, RegionError> {
        match &self.shape {
            Shape::Mask { width: w, height: h, marked } => {
                scaled(marked, (*w, *h), (width, height))
            }
            Shape::Polygons(polygons) => polygons.fill(width, height),
        }
    }
}

fn read_polygons(path: &Path, name: &str) -> Result<Polygons, RegionError> {
    let read_error = |source| RegionError::Read { name: name.to_owned(), source };
    let mut text = String::new();
    files::open(path, name)?
        .take(MAX_POLYGON_FILE + 1)
        .read_to_string(&mut text)
        .map_err(read_error)?;
    let wrong = |reason: String| RegionError::Polygons { name: name.to_owned(), reason };
    if text.len() as u64 > MAX_POLYGON_FILE {
        return Err(wrong(format!("it has more than {MAX_POLYGON_FILE} bytes")));
    }
    let polygons: Polygons = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    match polygons.polygons.iter().position(|corners| corners.len() < 3) {
        Some(i) => Err(wrong(format!("polygon {} has fewer than three corners", i + 1))),
        None => Ok(polygons),
    }
}

impl Polygons {
    fn fill(&self, width: u32, height: u32) -> Result<Vec<bool>, RegionError> {
        let (columns, rows) = (f64::from(width), f64::from(height));
        let [x_scale, y_scale] = match self.unit {
            Unit::Pixels => [1.0, 1.0],
            Unit::Fraction => [columns, rows],
        };
        let mut marked = vec![false; width as usize * height as usize];
        for polygon in &self.polygons {
            let corners: Vec<[f64; 2]> =
                polygon.iter().map(|&[x, y]| [x * x_scale, y * y_scale]).collect();
            let lies_off =
                |&[x, y]: &[f64; 2]| !((0.0..=columns).contains(&x) && (0.0..=rows).contains(&y));
            if let Some(i) = corners.iter().position(lies_off) {
                let [x, y] = polygon[i];
                return Err(RegionError::OffThePhoto { x, y, width, height });
            }
            fill_polygon(&corners, width as usize, &mut marked);
        }
        Ok(marked)
    }
}

/// Marks the pixels whose centres lie within a polygon, by the even–odd rule.
fn fill_polygon(corners: &[[f64; 2]], width: usize, marked: &mut [bool]) {
    let edges = || corners.iter().zip(corners.iter().cycle().skip(1));
    // Of many small polygons each reaches a few rows.
    let rows = marked.chunks_exact_mut(width).enumerate();
    let top = corners.iter().fold(f64::INFINITY, |top, [_, y]| top.min(*y));
    let bottom = corners.iter().fold(0.0_f64, |bottom, [_, y]| bottom.max(*y));
    for (row, marked) in rows.take(bottom.ceil() as usize).skip(top as usize) {
        let centre = row as f64 + 0.5;
        let mut crossings: Vec<f64> = edges()
            .filter(|([_, y0], [_, y1])| (*y0 <= centre) != (*y1 <= centre))
            .map(|([x0, y0], [x1, y1])| x0 + (centre - y0) / (y1 - y0) * (x1 - x0))
            .collect();
        crossings.sort_unstable_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            // Of pixel i the centre is at i + ½.
            let [start, end] = [pair[0], pair[1]].map(|x| (x - 0.5).ceil().max(0.0) as usize);
            marked[start.min(width)..end.min(width)].fill(true);
        }
    }
}

fn scaled(inside: &[bool], from: (u32, u32), to: (u32, u32)) -> Result<Vec<bool>, RegionError> {
    if from == to {
        return Ok(inside.to_vec());
    }
    if !same_shape(from, to) {
        return Err(RegionError::OtherShape { region: from, photo: to });
    }
    let nearest = |i: u32, from: u32, to: u32| {
        let middle = (2 * u64::from(i) + 1) * u64::from(from);
        (middle / (2 * u64::from(to))) as usize
    };
    let columns: Vec<usize> = (0..to.0).map(|x| nearest(x, from.0, to.0)).collect();
    let mut scaled = Vec::with_capacity(to.0 as usize * to.1 as usize);
    for y in 0..to.1 {
        let row = &inside[nearest(y, from.1, to.1) * from.0 as usize..][..from.0 as usize];
        scaled.extend(columns.iter().map(|&x| row[x]));
    }
    Ok(scaled)
}

/// Whether one size is the other scaled, a side of the smaller off by one pixel at most.
fn same_shape(a: (u32, u32), b: (u32, u32)) -> bool {
    let product = |x: u32, y: u32| u64::from(x) * u64::from(y);
    let slack = a.0.max(b.0).max(a.1).max(b.1);
    product(a.0, b.1).abs_diff(product(b.0, a.1)) <= u64::from(slack)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(
        width: u32,
        height: u32,
        x: std::ops::Range<u32>,
        y: std::ops::Range<u32>,
    ) -> Vec<bool> {
        let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (column, row)));
        pixels.map(|(column, row)| x.contains(&column) && y.contains(&row)).collect()
    }

    fn polygons(json: &str) -> Result<MarkedArea, RegionError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region.json");
        std::fs::write(&path, json).unwrap();
        MarkedArea::open(&path)
    }

    #[test]
    fn runs_hold_a_region_exactly() {
        let inside = square(7, 5, 2..5, 0..4);
        let region = RegionOfInterest::new(7, 5, inside.clone()).unwrap();
        let text = serde_json::to_string(&region).unwrap();
        assert_eq!(text, r#"{"width":7,"height":5,"runs":[2,3,4,3,4,3,4,3,9]}"#);
        assert_eq!(serde_json::from_str::<RegionOfInterest>(&text).unwrap(), region);
        let all = RegionOfInterest::new(2, 1, vec![true, true]).unwrap();
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, r#"{"width":2,"height":1,"runs":[0,2]}"#);
        assert_eq!(serde_json::from_str::<RegionOfInterest>(&text).unwrap(), all);
    }

    #[test]
    fn foreign_runs_are_refused() {
        for (runs, reason) in [
            (r#"{"width":2,"height":2,"runs":[1,2]}"#, "has 3 values for 2×2 pixels"),
            (r#"{"width":2,"height":2,"runs":[4]}"#, "no pixel"),
            (
                r#"{"width":4000000000,"height":4000000000,"runs":[0,16000000000000000000]}"#,
                "pixels at most",
            ),
            (r#"{"width":2,"height":2,"runs":[18446744073709551615,5]}"#, "values for"),
        ] {
            let error = serde_json::from_str::<RegionOfInterest>(runs).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_region_is_scaled_to_photos_of_its_shape() {
        let region = RegionOfInterest::new(8, 4, square(8, 4, 2..6, 1..3)).unwrap();
        assert_eq!(region.at(16, 8).unwrap(), square(16, 8, 4..12, 2..6));
        assert_eq!(region.at(4, 2).unwrap(), square(4, 2, 1..3, 0..1));
        assert!(region.at(17, 8).is_ok(), "sides are whole pixels");
        for (width, height) in [(4, 8), (16, 16), (100, 70)] {
            let error = region.at(width, height).unwrap_err();
            assert!(matches!(error, RegionError::OtherShape { .. }), "{width}×{height}: {error}");
        }
    }

    #[test]
    fn what_is_excluded_is_not_inside() {
        let half = polygons(r#"{"unit":"fraction","polygons":[[[0,0],[0.5,0],[0.5,1],[0,1]]]}"#);
        let top = polygons(r#"{"unit":"fraction","polygons":[[[0,0],[1,0],[1,0.5],[0,0.5]]]}"#);
        let (half, top) = (half.unwrap(), top.unwrap());
        let inside = |include, exclude| {
            RegionOfInterest::between(include, exclude, (8, 4)).map(|region| region.inside)
        };
        assert_eq!(inside(Some(&half), None).unwrap(), square(8, 4, 0..4, 0..4));
        assert_eq!(inside(None, Some(&top)).unwrap(), square(8, 4, 0..8, 2..4));
        assert_eq!(inside(Some(&half), Some(&top)).unwrap(), square(8, 4, 0..4, 2..4));
        assert!(matches!(inside(Some(&top), Some(&top)), Err(RegionError::Empty)));
    }

    #[test]
    fn polygons_mark_the_pixels_whose_centres_they_hold() {
        let area = polygons(
            r#"{"unit":"pixels","polygons":[[[2,1],[6,1],[6,3],[2,3]],[[7,3.4],[8,3.4],[8,4],[7,4]]]}"#,
        );
        let mut expected = square(8, 4, 2..6, 1..3);
        expected[3 * 8 + 7] = true;
        assert_eq!(area.unwrap().at(8, 4).unwrap(), expected);
        let triangle = polygons(r#"{"unit":"fraction","polygons":[[[0,0],[1,0],[0,1]]]}"#).unwrap();
        let marked = triangle.at(4, 4).unwrap();
        let rows: Vec<usize> =
            marked.chunks(4).map(|row| row.iter().filter(|&&m| m).count()).collect();
        assert_eq!(rows, [3, 2, 1, 0], "centres on the slanted edge belong to the pixel after it");
    }

    #[test]
    fn polygons_that_mean_nothing_are_refused() {
        for (json, reason) in [
            ("7", "invalid type"),
            (r#"{"polygons":[]}"#, "missing field `unit`"),
            (r#"{"unit":"metres","polygons":[]}"#, "unknown variant `metres`"),
            (
                r#"{"unit":"pixels","polygons":[[[0,0],[1,1]]]}"#,
                "polygon 1 has fewer than three corners",
            ),
        ] {
            let error = polygons(json).unwrap_err().to_string();
            assert!(error.contains("region.json: ") && error.contains(reason), "{error}");
        }
        let at = |json| polygons(json).unwrap().at(8, 4).unwrap_err();
        let far = at(r#"{"unit":"fraction","polygons":[[[0,0],[5,0],[0,3]]]}"#);
        let RegionError::InFile { source, .. } = &far else { panic!("{far}") };
        assert!(matches!(**source, RegionError::OffThePhoto { x: 5.0, y: 0.0, .. }), "{far}");
        let none = at(r#"{"unit":"pixels","polygons":[]}"#).to_string();
        assert!(none.contains("region.json: ") && none.contains("no pixel"), "{none}");
    }

    #[test]
    fn a_mask_is_marked_where_it_is_white() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let marked = square(6, 4, 1..3, 0..2);
        let values = marked.iter().map(|&m| if m { 255 } else { 100 }).collect();
        image::GrayImage::from_raw(6, 4, values).unwrap().save(&path).unwrap();
        let area = MarkedArea::open(&path).unwrap();
        assert_eq!(area.at(6, 4).unwrap(), marked);
        assert_eq!(area.at(12, 8).unwrap(), square(12, 8, 2..6, 0..4));
        let error = area.at(6, 6).unwrap_err().to_string();
        assert!(
            error.contains("mask.png: ") && error.contains("6×4") && error.contains("6×6"),
            "{error}"
        );
    }
}
