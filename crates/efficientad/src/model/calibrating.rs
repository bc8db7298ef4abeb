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

/// Windows of images trained on that are judged, at most; but never fewer images than
/// [`FEWEST_TRAINED`].
const TRAINED_WINDOWS: usize = 2048;
const FEWEST_TRAINED: usize = 64;

/// Good images to calibrate networks on.
pub(crate) struct GoodImages<'a> {
    /// Those that they were not trained on.
    pub held_back: &'a dyn ImageSource,
    /// Those that they were trained on, if they are there.
    pub trained: Option<&'a dyn ImageSource>,
}

/// Calibrates networks: quantiles of the maps over all images that they were not trained on, then the
/// threshold from the image scores.
pub(crate) fn calibrate(
    engine: Arc<dyn InspectionEngine>,
    weights: NetworkWeights,
    provenance: Provenance,
    images: &GoodImages<'_>,
    progress: &mut ProgressFn<'_>,
) -> Result<Model, Error> {
    let GoodImages { held_back, trained } = *images;
    check_count(held_back.len())?;
    let inspector = Inspector::new(engine, &weights)?;
    let mut maps = Vec::with_capacity(held_back.len());
    for_each(held_back, held_back.len(), &inspector, progress, |of_image| maps.push(of_image))?;
    let quantiles = Quantiles::of(&maps)?;
    let score = |maps: &PhotoMaps| inspector.anomaly_map(maps, &quantiles, Share::Whole).max();
    let mut scores = Calibration::new(maps.iter().map(score).collect())?;
    if let Some(trained) = trained {
        let windows = maps.iter().map(PhotoMaps::windows).max().unwrap_or(1);
        let most = (TRAINED_WINDOWS / windows).max(FEWEST_TRAINED);
        let mut of_trained = Vec::new();
        for_each(trained, most, &inspector, progress, |maps| of_trained.push(score(&maps)))?;
        scores = scores.with_trained(of_trained)?;
    }
    let mut model = Model::uncalibrated(weights, quantiles);
    model.info.recipe = provenance.recipe;
    model.info.data = provenance.data;
    model.info.continuations = provenance.continuations;
    model.info.threshold = Some(scores.threshold(scores.usual_rate())?);
    model.info.engine = Some(inspector.engine_id());
    model.calibration = Some(scores);
    Ok(model)
}

/// Shows the maps of images, `most` of them at most, evenly chosen, to `visit`.
fn for_each(
    images: &dyn ImageSource,
    most: usize,
    inspector: &Inspector,
    progress: &mut ProgressFn<'_>,
    mut visit: impl FnMut(PhotoMaps),
) -> Result<(), Error> {
    let total = images.len().min(most);
    for done in 0..total {
        report(progress, Progress { stage: Stage::Calibration, done, total })?;
        let index = done * images.len() / total;
        let image = load(images, index)?;
        let maps = inspector.compare(&image, Share::Whole);
        visit(maps.map_err(|error| error.of_image(images.name(index)))?);
    }
    report(progress, Progress { stage: Stage::Calibration, done: total, total })
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
        let images = GoodImages { held_back: validation, trained: None };
        calibrate(engine, self.networks.clone(), self.provenance(), &images, progress)
    }
}
