//! Ground truth, read and checked against its image.

use std::path::Path;

use efficientad_datasets::{GroundTruth, Region};
use efficientad_images::{
    LabelMap, Limits, Mask, MaskKind, load_labels, load_mask, recognise_mask,
};
use efficientad_metrics::{GroundTruth as PixelTruth, SaturatedRegion};

use crate::InspectError;

/// Which pixels of a mask are defects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MaskReading {
    /// Those that each mask's look tells ([`recognise_mask`]).
    #[default]
    Recognised,
    /// Those of stated values.
    Stated {
        /// Pixels from this value (0 to 255) on are bright.
        threshold: u8,
        /// Whether the dark pixels are the defects, and not the bright ones.
        inverted: bool,
    },
}

/// What is known about one image's pixels.
#[derive(Debug)]
pub(crate) enum Truth {
    Good,
    /// Nothing: the image counts for image metrics only.
    Unknown,
    /// The mask, and how it was told, if it was.
    Mask(Mask, Option<MaskKind>),
    /// Regions with their saturation, and their union to be drawn.
    Regions(Vec<SaturatedRegion>, Mask),
}

impl Truth {
    /// Reads the masks of an image of `(width, height)` pixels (regions have their own values).
    pub(crate) fn load(
        truth: &GroundTruth,
        reading: MaskReading,
        limits: &Limits,
        size: (u32, u32),
    ) -> Result<Self, InspectError> {
        match truth {
            GroundTruth::Good => Ok(Self::Good),
            GroundTruth::Missing => Ok(Self::Unknown),
            GroundTruth::Mask(path) => {
                let (mask, kind) = read_mask(path, reading, limits)?;
                check_size(path, (mask.width, mask.height), size)?;
                Ok(Self::Mask(mask, kind))
            }
            GroundTruth::Regions(regions) => Self::load_regions(regions, size),
        }
    }

    /// How the mask was told, if it was.
    pub(crate) fn mask_kind(&self) -> Option<MaskKind> {
        match self {
            Self::Mask(_, kind) => *kind,
            _ => None,
        }
    }

    fn load_regions(regions: &[Region], (width, height): (u32, u32)) -> Result<Self, InspectError> {
        let regions = regions
            .iter()
            .map(|region| load_region(region, (width, height)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut union =
            Mask { width, height, defect: vec![false; width as usize * height as usize] };
        for region in &regions {
            union.defect.iter_mut().zip(&region.mask).for_each(|(all, &one)| *all |= one);
        }
        Ok(Self::Regions(regions, union))
    }

    /// As the metrics take it; `None` if nothing is known.
    pub(crate) fn pixels(&self) -> Option<PixelTruth<'_>> {
        match self {
            Self::Good => Some(PixelTruth::Good),
            Self::Unknown => None,
            Self::Mask(mask, _) => Some(PixelTruth::Mask(&mask.defect)),
            Self::Regions(regions, _) => Some(PixelTruth::Regions(regions)),
        }
    }

    /// All defect pixels, to be drawn.
    pub(crate) fn defects(&self) -> Option<&Mask> {
        match self {
            Self::Good | Self::Unknown => None,
            Self::Mask(mask, _) | Self::Regions(_, mask) => Some(mask),
        }
    }

    /// Whether there is a mask that calls more than half of the image a defect.
    pub(crate) fn is_mostly_defect(&self) -> bool {
        self.defects().is_some_and(|mask| {
            let defects = mask.defect.iter().filter(|&&defect| defect).count();
            2 * defects > mask.defect.len()
        })
    }

    /// Whether there is a mask, but nothing on it.
    pub(crate) fn is_empty_mask(&self) -> bool {
        self.defects().is_some_and(|mask| !mask.defect.contains(&true))
    }
}

fn read_mask(
    path: &Path,
    reading: MaskReading,
    limits: &Limits,
) -> Result<(Mask, Option<MaskKind>), InspectError> {
    match reading {
        MaskReading::Stated { threshold, inverted } => {
            let mut mask = load_mask(path, threshold)?;
            mask.defect.iter_mut().for_each(|defect| *defect ^= inverted);
            Ok((mask, None))
        }
        MaskReading::Recognised => {
            let recognised = recognise_mask(path, limits)?;
            if !recognised.kind.is_recognised() {
                return Err(InspectError::UnclearMask { mask: path.to_owned() });
            }
            Ok((recognised.mask, Some(recognised.kind)))
        }
    }
}

fn load_region(region: &Region, size: (u32, u32)) -> Result<SaturatedRegion, InspectError> {
    let labels = load_labels(&region.mask)?;
    check_size(&region.mask, (labels.width, labels.height), size)?;
    let (value, area) = only_value(&labels).map_err(|problem| InspectError::Region {
        mask: region.mask.clone(),
        problem: problem.to_owned(),
    })?;
    let saturation = region.saturation_area(value, area)?;
    Ok(SaturatedRegion { mask: labels.values.iter().map(|&label| label > 0).collect(), saturation })
}

/// The one value above zero, and how many pixels have it.
fn only_value(labels: &LabelMap) -> Result<(u8, u64), &'static str> {
    let mut defect = labels.values.iter().filter(|&&label| label > 0);
    let first = *defect.next().ok_or("it has no pixel above 0")?;
    let area = 1 + defect.clone().count() as u64;
    if defect.any(|&label| label != first) {
        return Err("it has pixels of several values above 0");
    }
    let value = u8::try_from(first).map_err(|_| "it has pixels above 255")?;
    Ok((value, area))
}

fn check_size(mask: &Path, found: (u32, u32), image: (u32, u32)) -> Result<(), InspectError> {
    if found == image {
        return Ok(());
    }
    Err(InspectError::MaskSize {
        mask: mask.to_owned(),
        width: found.0,
        height: found.1,
        image_width: image.0,
        image_height: image.1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[u16]) -> LabelMap {
        LabelMap { width: values.len() as u32, height: 1, values: values.to_vec() }
    }

    #[test]
    fn a_region_has_one_value() {
        assert_eq!(only_value(&labels(&[0, 251, 0, 251])), Ok((251, 2)));
        assert_eq!(only_value(&labels(&[0, 0])), Err("it has no pixel above 0"));
        assert_eq!(only_value(&labels(&[0, 300])), Err("it has pixels above 255"));
        let several = Err("it has pixels of several values above 0");
        assert_eq!(only_value(&labels(&[251, 252])), several);
    }
}
