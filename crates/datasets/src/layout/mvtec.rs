//! MVTec AD and MVTec LOCO.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::GOOD;
use crate::files::{Listing, by_stem, images_in, name, stem};
use crate::loco::{CONFIG_NAME, DefectsConfig, Region};
use crate::{Dataset, DatasetError, GroundTruth, Layout, LeftOut, TestImage};

pub(super) fn open(root: &Path) -> Result<Dataset, DatasetError> {
    let config_path = root.join(CONFIG_NAME);
    let config = config_path.is_file().then(|| DefectsConfig::read(&config_path)).transpose()?;
    let layout = if config.is_some() { Layout::MvtecLoco } else { Layout::MvtecAd };
    let train = root.join("train");
    if !train.join(GOOD).is_dir() {
        return Err(DatasetError::MissingGood(train));
    }
    let (train, mut left_out) = images_in(&train.join(GOOD))?;
    let validation = Listing::read_optional(&root.join("validation").join(GOOD))?;
    left_out.extend(&validation.left_out);
    Ok(Dataset {
        root: root.to_owned(),
        layout,
        train,
        validation: validation.images,
        test: test_images(root, config.map(Arc::new).as_ref(), &mut left_out)?,
        left_out,
    })
}

fn test_images(
    root: &Path,
    config: Option<&Arc<DefectsConfig>>,
    left_out: &mut LeftOut,
) -> Result<Vec<TestImage>, DatasetError> {
    let test = root.join("test");
    let listing = Listing::read_optional(&test)?;
    if !listing.images.is_empty() {
        return Err(DatasetError::TestWithoutKinds(test));
    }
    let mut images = Vec::new();
    for folder in &listing.folders {
        let truth = KindTruth::read(root, &name(folder), config)?;
        let listing = Listing::read(folder)?;
        left_out.extend(&listing.left_out);
        for path in listing.images {
            images.push(test_image(root, path, &truth)?);
        }
    }
    Ok(images)
}

fn test_image(
    root: &Path,
    path: PathBuf,
    truth: &KindTruth<'_>,
) -> Result<TestImage, DatasetError> {
    let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
    let anomalous = truth.kind != GOOD;
    let ground_truth = if anomalous { truth.find(&stem(&path))? } else { GroundTruth::Good };
    Ok(TestImage { path, relative, kind: truth.kind.clone(), anomalous, ground_truth })
}

/// The content of `ground_truth/<kind>`.
struct KindTruth<'a> {
    kind: String,
    masks: BTreeMap<String, PathBuf>,
    regions: BTreeMap<String, PathBuf>,
    config: Option<&'a Arc<DefectsConfig>>,
    config_path: PathBuf,
}

impl<'a> KindTruth<'a> {
    fn read(
        root: &Path,
        kind: &str,
        config: Option<&'a Arc<DefectsConfig>>,
    ) -> Result<Self, DatasetError> {
        let listing = Listing::read_optional(&root.join("ground_truth").join(kind))?;
        let regions = listing.folders.into_iter().map(|folder| (name(&folder), folder)).collect();
        Ok(Self {
            kind: kind.to_owned(),
            masks: by_stem(listing.images),
            regions,
            config,
            config_path: root.join(CONFIG_NAME),
        })
    }

    fn find(&self, stem: &str) -> Result<GroundTruth, DatasetError> {
        if let Some(folder) = self.regions.get(stem) {
            let config = self
                .config
                .ok_or_else(|| DatasetError::MissingDefectsConfig(self.config_path.clone()))?;
            let masks = images_in(folder)?.0.into_iter();
            let regions = masks.map(|mask| Region { mask, config: Arc::clone(config) }).collect();
            return Ok(GroundTruth::Regions(regions));
        }
        let mask = self.masks.get(&format!("{stem}_mask")).or_else(|| self.masks.get(stem));
        Ok(mask.cloned().map_or(GroundTruth::Missing, GroundTruth::Mask))
    }
}
