//! MVTec LOCO's saturation thresholds (Bergmann et al., IJCV 2022): how much of a region must be found for the
//! region to count as found completely. For a missing part, say, any place where it could have been will do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::DatasetError;
use crate::files::read_text;

/// Name of the file with the saturation thresholds, in the data set's root.
pub(crate) const CONFIG_NAME: &str = "defects_config.json";

/// One entry of `defects_config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefectSaturation {
    /// Name of the defect.
    pub defect_name: String,
    /// Value of the defect's pixels in mask files, 1 to 255.
    pub pixel_value: u8,
    /// Pixels, or if relative the share of the region's pixels, that must be found.
    pub saturation_threshold: f64,
    /// Whether the threshold is a share.
    pub relative_saturation: bool,
}

impl DefectSaturation {
    fn fault(&self) -> Option<&'static str> {
        let threshold = self.saturation_threshold;
        if self.pixel_value == 0 {
            Some("pixel_value must be 1 to 255")
        } else if self.relative_saturation && !(threshold > 0.0 && threshold <= 1.0) {
            Some("a relative saturation_threshold must be above 0 and at most 1")
        } else if !self.relative_saturation && threshold < 1.0 {
            Some("an absolute saturation_threshold must be at least 1 pixel")
        } else {
            None
        }
    }

    /// Pixels of a region of `area` pixels that must be found: at least 1, at most all.
    fn area(&self, area: u64) -> u64 {
        let pixels = if self.relative_saturation {
            self.saturation_threshold * area as f64
        } else {
            self.saturation_threshold
        };
        (pixels as u64).clamp(1, area.max(1))
    }
}

/// The content of `defects_config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct DefectsConfig {
    path: PathBuf,
    defects: Vec<DefectSaturation>,
}

impl DefectsConfig {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// The file can't be read, is not the expected JSON, holds a threshold out of range, or one pixel value twice.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let text = read_text(path)?;
        let defects: Vec<DefectSaturation> = serde_json::from_str(&text)
            .map_err(|error| DatasetError::malformed(path, error.to_string()))?;
        for (index, defect) in defects.iter().enumerate() {
            let twice =
                defects[..index].iter().any(|other| other.pixel_value == defect.pixel_value);
            let fault = defect.fault().or(twice.then_some("pixel_value is used twice"));
            if let Some(fault) = fault {
                return Err(DatasetError::malformed(
                    path,
                    format!("{}: {fault}", defect.defect_name),
                ));
            }
        }
        Ok(Self { path: path.to_owned(), defects })
    }

    /// The defects, as listed.
    pub fn defects(&self) -> &[DefectSaturation] {
        &self.defects
    }
}

/// One defect region's mask file.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// An image file in which the region's pixels, connected or not, all have one value above zero.
    pub mask: PathBuf,
    /// What the values mean.
    pub config: Arc<DefectsConfig>,
}

impl Region {
    /// The saturation area in pixels of this region, whose pixels have the value `pixel_value` and number `area`:
    /// a relative threshold times the area, rounded down, or an absolute threshold; at least 1, at most `area`.
    ///
    /// # Errors
    /// No defect has that pixel value.
    pub fn saturation_area(&self, pixel_value: u8, area: u64) -> Result<u64, DatasetError> {
        let known = self.config.defects.iter().find(|defect| defect.pixel_value == pixel_value);
        let defect = known.ok_or_else(|| {
            let config = self.config.path.display();
            DatasetError::malformed(
                &self.mask,
                format!("pixel value {pixel_value} is not in {config}"),
            )
        })?;
        Ok(defect.area(area))
    }
}
