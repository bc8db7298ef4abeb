//! How long steps take here.

use std::sync::Arc;
use std::time::Instant;

use efficientad::{
    DistillationData, DistillationRecipe, DistillationSource, Distiller, Error, TrainingEngine,
};

/// Steps that are timed, after one that warms up.
const TIMED: u64 = 4;

/// Seconds of a step of this recipe on this machine, found out by some steps of a training that is
/// thrown away.
///
/// # Errors
/// When samples can't be had, or the loss is no number.
pub fn seconds_per_step(
    engine: Arc<dyn TrainingEngine>,
    recipe: &DistillationRecipe,
    data: &DistillationData,
    source: Arc<dyn DistillationSource>,
) -> Result<f64, Error> {
    let recipe = DistillationRecipe { steps: TIMED + 1, ..recipe.clone() };
    let mut distiller = Distiller::new(engine, recipe, data.clone(), None, source)?;
    distiller.step()?;
    let started = Instant::now();
    (0..TIMED).try_for_each(|_| distiller.step().map(drop))?;
    Ok(started.elapsed().as_secs_f64() / TIMED as f64)
}
