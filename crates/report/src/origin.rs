//! Which program, model, settings and data the results come from.

use std::path::Path;

use efficientad::{EngineId, ModelInfo, Samples};
use efficientad_datasets::{Dataset, file_fingerprint};
use efficientad_evaluation::{MaskReading, Options};
use efficientad_images::Orientation;

use crate::{ReportError, text};

/// What was evaluated, and how.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The model's file.
    pub model: &'a Path,
    /// What the model is.
    pub info: &'a ModelInfo,
    /// The test images.
    pub dataset: &'a Dataset,
    /// How they were evaluated.
    pub options: &'a Options,
    /// What the networks ran on; scores depend on it by rounding.
    pub engine: &'a EngineId,
}

/// A table of facts.
#[derive(Debug)]
pub(crate) struct Facts {
    pub title: &'static str,
    pub rows: Vec<Fact>,
}

/// A named fact.
#[derive(Debug)]
pub(crate) struct Fact {
    pub name: &'static str,
    pub value: String,
}

impl Facts {
    fn new(title: &'static str, rows: Vec<(&'static str, String)>) -> Self {
        let rows = rows.into_iter().map(|(name, value)| Fact { name, value }).collect();
        Self { title, rows }
    }
}

/// A file's or folder's own name: where it lies belongs to one machine.
pub(crate) fn name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into())
}

/// Model, data, settings and program.
pub(crate) fn facts(subject: &Subject<'_>) -> Result<Vec<Facts>, ReportError> {
    Ok(vec![model(subject)?, data(subject)?, settings(subject)])
}

fn model(subject: &Subject<'_>) -> Result<Facts, ReportError> {
    let info = subject.info;
    let (height, width) = (info.input.height(), info.input.width());
    let mut rows = vec![
        ("File", name(subject.model)),
        ("SHA-256 of the file", file_fingerprint(subject.model)?.to_string()),
        ("Networks", format!("EfficientAD {}", info.size)),
        ("Input", format!("{height} × {width} pixels (height × width)")),
        ("View", info.view().to_string()),
    ];
    if let Some(region) = info.region() {
        let (width, height) = region.dimensions();
        let share = text::percent(region.share());
        let extent = format!("{share} of {width} × {height} pixels (width × height)");
        rows.push(("Region of interest", extent));
    }
    match &info.recipe {
        Some(recipe) => rows.push(("Training", recipe.to_string())),
        None => rows.push(("Training", "by another program".to_owned())),
    }
    if let Some(data) = &info.data {
        let (train, held_back) = (data.train_images, data.validation_images);
        rows.push(("Good images", format!("{train} trained on, {held_back} held back")));
        rows.push(("Penalty photos", data.photos.clone()));
        rows.push(("Fingerprint of the training data", data.fingerprint.clone()));
    }
    rows.extend(info.continuations.iter().map(|it| ("Continued", it.to_string())));
    if let Some(images) = &info.calibration {
        rows.push(("Calibrated later on", format!("{} good images", images.images)));
        rows.push(("Fingerprint of these images", images.fingerprint.clone()));
    }
    rows.push(("Made by", format!("efficientad {}", info.program_version)));
    Ok(Facts::new("Model", rows))
}

fn data(subject: &Subject<'_>) -> Result<Facts, ReportError> {
    let dataset = subject.dataset;
    let defective = dataset.test.iter().filter(|image| image.anomalous).count();
    let masked = defective - dataset.without_mask().count();
    Ok(Facts::new(
        "Test data",
        vec![
            ("Folder", name(&dataset.root)),
            ("Layout", dataset.layout.to_string()),
            ("Good images", (dataset.test.len() - defective).to_string()),
            ("Defective images", format!("{defective}, {masked} of them with a mask")),
            ("Fingerprint of images and masks", dataset.test_fingerprint()?.to_string()),
        ],
    ))
}

fn settings(subject: &Subject<'_>) -> Facts {
    let options = subject.options;
    let masks = match options.masks {
        MaskReading::Recognised => "defects are told by each mask's look".to_owned(),
        MaskReading::Stated { threshold, inverted: false } => {
            format!("values from {threshold} on are defects")
        }
        MaskReading::Stated { threshold, inverted: true } => {
            format!("values below {threshold} are defects")
        }
    };
    let (of_model, in_use) = (subject.info.photo_samples(), Samples::stated(&options.decode));
    let samples = if of_model.reads_as(in_use) { of_model } else { in_use };
    let orientation = match options.decode.orientation {
        Orientation::AsStored => "pixels as they lie in the file",
        Orientation::FromExif => "turned as the camera's tag says",
    };
    Facts::new(
        "Settings and program",
        vec![
            ("Masks", masks),
            ("Which way up", orientation.to_owned()),
            ("Samples of more than 8 bits", samples.to_string()),
            ("Program", format!("efficientad {}", env!("CARGO_PKG_VERSION"))),
            ("Computed with", format!("{} on {}", subject.engine, std::env::consts::ARCH)),
        ],
    )
}
