//! Turning weights of other programs into a file of this one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad::{Imported, ImportedNetworks, InspectionEngine, Model, Samples, Teacher};
use efficientad_datasets::{Dataset, Purpose};

use crate::error::JobError;
use crate::event::{Notifier, Observer};
use crate::files::check_replaceable;
use crate::images::Images;
use crate::meter::MeanLosses;
use crate::readable::Readable;
use crate::reading::Reading;

/// Seed of the split of the good photos.
const SPLIT_SEED: u64 = 0;

/// An import to be done.
pub struct ImportPlan {
    /// Files of nelson1425/EfficientAD or anomalib: a teacher alone, a whole model, or teacher,
    /// student and autoencoder.
    pub files: Vec<PathBuf>,
    /// The file to write.
    pub out: PathBuf,
    /// Folder (or data set) of photos of good parts: for three networks, those that they were
    /// trained on; for a whole model, others. A whole model needs none, and has no threshold then.
    pub good: Option<PathBuf>,
    /// How photos are read; how many of 16 bits they use is recognised, unless it is stated. Both is
    /// kept in the model.
    pub reading: Reading,
    /// What to compute with.
    pub engine: Arc<dyn InspectionEngine>,
}

/// What was imported and saved.
pub enum ImportOutcome {
    /// A teacher.
    Teacher(Teacher),
    /// A model without a threshold, which scales maps as the other program did.
    Uncalibrated(Box<Model>),
    /// A model with a threshold from good photos.
    Calibrated {
        /// The model.
        model: Box<Model>,
        /// Photos that could not be read.
        skipped: usize,
    },
}

/// Imports by a plan: reads the files, calibrates if there are photos, and saves.
///
/// # Errors
/// When the files are not what can be imported, or need photos ([`JobError::PhotosNeeded`]), or
/// photos can't be read; [`JobError::Cancelled`] when `observe` breaks, and nothing is written.
pub fn import(plan: &ImportPlan, observe: &mut Observer<'_>) -> Result<ImportOutcome, JobError> {
    let is_ours = |path: &Path| Ok(Model::is_file(path)? || Teacher::is_file(path)?);
    check_replaceable(&plan.out, is_ours)?;
    let mut notify = Notifier::new(observe);
    match (efficientad::import(&plan.files)?, &plan.good) {
        (Imported::Teacher(teacher), None) => {
            teacher.save(&plan.out)?;
            Ok(ImportOutcome::Teacher(teacher))
        }
        (Imported::Teacher(_), Some(_)) => Err(JobError::PhotosForTeacher),
        (Imported::Model(model), None) => {
            let samples = Samples::stated(&plan.reading.options());
            let model = Box::new(model.with_samples(samples));
            model.save(&plan.out)?;
            Ok(ImportOutcome::Uncalibrated(model))
        }
        (Imported::Model(model), Some(good)) => recalibrate(&model, good, plan, &mut notify),
        (Imported::Networks(_), None) => Err(JobError::PhotosNeeded),
        (Imported::Networks(networks), Some(good)) => complete(networks, good, plan, &mut notify),
    }
}

fn recalibrate(
    model: &Model,
    good: &Path,
    plan: &ImportPlan,
    notify: &mut Notifier<'_, '_, MeanLosses>,
) -> Result<ImportOutcome, JobError> {
    let Photos { dataset, skipped, samples } = Photos::open(good, plan, notify)?;
    let held_back = if dataset.validation.is_empty() { dataset.train } else { dataset.validation };
    let images = Images { files: held_back, decode: samples.apply(plan.reading.options()) };
    let engine = Arc::clone(&plan.engine);
    let model = model.recalibrate(engine, &images, &mut |at| notify.method(at))?;
    saved(model.with_samples(samples), plan, skipped)
}

fn complete(
    networks: ImportedNetworks,
    good: &Path,
    plan: &ImportPlan,
    notify: &mut Notifier<'_, '_, MeanLosses>,
) -> Result<ImportOutcome, JobError> {
    let Photos { dataset, skipped, samples } = Photos::open(good, plan, notify)?;
    let decode = samples.apply(plan.reading.options());
    let split = dataset.split(SPLIT_SEED)?;
    let images = |files| Images { files, decode };
    let (train, validation) = (images(split.train), images(split.validation));
    let engine = Arc::clone(&plan.engine);
    let model = networks.calibrate(engine, &train, &validation, &mut |at| notify.method(at))?;
    saved(model.with_samples(samples), plan, skipped)
}

/// Photos of good parts that can be read.
struct Photos {
    dataset: Dataset,
    /// How many can't.
    skipped: usize,
    /// What their samples stand for.
    samples: Samples,
}

impl Photos {
    fn open(
        folder: &Path,
        plan: &ImportPlan,
        notify: &mut Notifier<'_, '_, MeanLosses>,
    ) -> Result<Self, JobError> {
        let mut dataset = Dataset::open(folder)?.trainable()?;
        notify.tell_taking(&dataset, Purpose::Training)?;
        let (decode, threads) = (plan.reading.options(), plan.engine.threads().count());
        let readable = Readable::take(&mut dataset, &decode, threads, notify)?;
        let (samples, bits) = readable.samples(&decode);
        readable.tell_depth(bits, notify)?;
        let skipped = dataset.left_out.not_listed() + readable.skipped;
        Ok(Self { dataset, skipped, samples })
    }
}

fn saved(model: Model, plan: &ImportPlan, skipped: usize) -> Result<ImportOutcome, JobError> {
    model.save(&plan.out)?;
    Ok(ImportOutcome::Calibrated { model: Box::new(model), skipped })
}
