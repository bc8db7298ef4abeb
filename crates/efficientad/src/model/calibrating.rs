//! From trained networks to a model: quantiles and threshold from good images.

use super::{Model, Provenance};
use crate::anomaly_map::PhotoMaps;
use crate::calibration::{Calibration, Quantiles, check_count};
use crate::error::Error;
use crate::inspection::{Inspector, NetworkWeights};
use crate::progress::{Progress, ProgressFn, Stage, report};
use crate::source::{ImageSource, load};
use efficientad_engine::{InspectionEngine, Share};
use std::sync::Arc;

/// Calibrates networks on good images that they were not trained on: quantiles of the maps over all
/// images, then the threshold from the image scores.
pub(crate) fn calibrate(
    engine: Arc<dyn InspectionEngine>,
    weights: NetworkWeights,
    provenance: Provenance,
    validation: &dyn ImageSource,
    progress: &mut ProgressFn<'_>,
) -> Result<Model, Error> {
    let total = validation.len();
    check_count(total)?;
    let inspector = Inspector::new(engine, &weights)?;
    let mut maps = Vec::with_capacity(total);
    for index in 0..total {
        report(progress, Progress { stage: Stage::Calibration, done: index, total })?;
        let image = load(validation, index)?;
        let of_image = inspector.compare(&image, Share::Whole);
        maps.push(of_image.map_err(|error| error.of_image(validation.name(index)))?);
    }
    report(progress, Progress { stage: Stage::Calibration, done: total, total })?;
    let quantiles = Quantiles::of(&maps)?;
    let score = |maps: &PhotoMaps| inspector.anomaly_map(maps, &quantiles, Share::Whole).max();
    let scores = Calibration::new(maps.iter().map(score).collect())?;
    let mut model = Model::uncalibrated(weights, quantiles);
    model.info.recipe = provenance.recipe;
    model.info.data = provenance.data;
    model.info.continuations = provenance.continuations;
    model.info.threshold = Some(scores.usual_threshold()?);
    model.info.engine = Some(inspector.engine_id());
    model.calibration = Some(scores);
    Ok(model)
}

impl Model {
    /// Takes the quantiles and the threshold anew from good images that it was not trained on.
    ///
    /// # Errors
    /// When one of them can't be read, they give no spread of values, or the engine fails.
    pub fn recalibrate(
        &self,
        engine: Arc<dyn InspectionEngine>,
        validation: &dyn ImageSource,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self, Error> {
        calibrate(engine, self.networks.clone(), self.provenance(), validation, progress)
    }
}
