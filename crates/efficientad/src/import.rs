//! Models that other programs trained.

use crate::calibration::Quantiles;
use crate::error::Error;
use crate::inspection::NetworkWeights;
use crate::model::{Model, Provenance, calibrate, read_networks};
use crate::progress::ProgressFn;
use crate::source::ImageSource;
use crate::teacher::{Teacher, size_of_pdn};
use crate::training::teacher_statistics;
use crate::view::Framing;
use efficientad_engine::{InputSize, InspectionEngine, Weights};
use efficientad_weights::foreign::{self, Foreign, Part, Role};
use efficientad_weights::{Cause, Tensors};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What files of other programs hold together.
pub enum Imported {
    /// A teacher alone.
    Teacher(Teacher),
    /// Three networks, still without statistics and calibration.
    Networks(ImportedNetworks),
    /// A whole model, with the quantiles that its program fitted but without a threshold.
    Model(Box<Model>),
}

/// Teacher, student and autoencoder as another program trained them.
pub struct ImportedNetworks {
    teacher: Teacher,
    student: Weights,
    autoencoder: Weights,
}

/// Reads files of nelson1425/EfficientAD or anomalib, or safetensors with their names; no code in
/// them is run.
///
/// # Errors
/// When a file can't be read, or the files are neither a teacher, nor a whole model, nor one
/// teacher, one student and one autoencoder of the same size.
pub fn import(paths: &[PathBuf]) -> Result<Imported, Error> {
    let mut all = Tensors::new();
    let mut parts = Vec::new();
    for path in paths {
        let file = foreign::read(path)?;
        let part = part_name(&file, path)?;
        if parts.contains(&part) {
            return Err(Error::Import(format!("{} is a second {part}", path.display())));
        }
        let prefix = if file.part == Part::Pdn { format!("{part}.") } else { String::new() };
        let tensors = if prefix.is_empty() { file.tensors } else { file.into_prefixed(&prefix) };
        for (name, tensor) in tensors {
            all.insert(name, tensor);
        }
        parts.push(part);
    }
    parts.sort_unstable();
    let name = paths.first().cloned().unwrap_or_default();
    let in_file = |cause: Cause| Error::from(cause.in_file(name));
    match parts[..] {
        ["model"] => {
            whole_model(&all).map(|model| Imported::Model(Box::new(model))).map_err(in_file)
        }
        ["teacher"] => Teacher::from_tensors(&all).map(Imported::Teacher).map_err(in_file),
        ["autoencoder", "student", "teacher"] => {
            networks(&all).map(Imported::Networks).map_err(in_file)
        }
        _ => Err(Error::Import(format!(
            "found {}: give a teacher alone, a whole model, or the files of teacher, student and \
             autoencoder together",
            parts.join(" and ")
        ))),
    }
}

fn part_name(file: &Foreign, path: &Path) -> Result<&'static str, Error> {
    match (file.part, file.role()) {
        (Part::WholeModel, _) => Ok("model"),
        (Part::Autoencoder, _) => Ok("autoencoder"),
        (Part::Pdn, Some(Role::Teacher)) => Ok("teacher"),
        (Part::Pdn, Some(Role::Student)) => Ok("student"),
        (Part::Pdn, None) => Err(Error::Import(format!(
            "{} has neither 384 (teacher) nor 768 (student) output channels",
            path.display()
        ))),
    }
}

fn whole_model(tensors: &Tensors) -> Result<Model, Cause> {
    let size = size_of_pdn(tensors, "teacher");
    let framing = Framing::stretched(InputSize::default());
    let networks = NetworkWeights::read(size, framing, tensors)?;
    Ok(Model::uncalibrated(networks, Quantiles::read(tensors)?))
}

fn networks(tensors: &Tensors) -> Result<ImportedNetworks, Cause> {
    let size = size_of_pdn(tensors, "teacher");
    let (teacher, student, autoencoder) = read_networks(size, tensors)?;
    Ok(ImportedNetworks { teacher: Teacher::new(size, teacher), student, autoencoder })
}

impl ImportedNetworks {
    /// Completes the networks by what their files lack: the teacher's statistics over the images
    /// they were trained on, and the calibration on good images that they were not trained on.
    ///
    /// # Errors
    /// When an image can't be read, or there are too few.
    pub fn calibrate(
        self,
        engine: Arc<dyn InspectionEngine>,
        train: &dyn ImageSource,
        validation: &dyn ImageSource,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Model, Error> {
        let framing = Framing::stretched(InputSize::default());
        if train.is_empty() {
            return Err(Error::TooFewImages { purpose: "training", found: 0, needed: 1 });
        }
        let statistics = teacher_statistics(&*engine, &self.teacher, &framing, train, progress)?;
        let weights = NetworkWeights {
            size: self.teacher.size,
            framing,
            teacher: self.teacher.weights,
            statistics,
            student: self.student,
            autoencoder: self.autoencoder,
            channel_weights: None,
            position_weights: None,
        };
        calibrate(engine, weights, Provenance::default(), validation, progress)
    }
}
