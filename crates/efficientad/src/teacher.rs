//! The teacher: a frozen network that describes patches, and its statistics over the good images.

use crate::channels::ChannelSums;
use crate::error::Error;
use crate::training::distillation::Distillation;
use efficientad_engine::{PdnSize, TEACHER_CHANNELS, Weights, pdn_layers};
use efficientad_weights::foreign::{self, Part, Role};
use efficientad_weights::{Cause, Contents, Precision, Tensors};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// Kind of a teacher's file.
const KIND: &str = "efficientad-teacher";
/// The teachers that every program has, see `docs/teacher.md`.
const SMALL: &[u8] = include_bytes!("../assets/teacher_small.safetensors");
/// In two halves, as one crate of Rust's registry may not hold it.
const MEDIUM: [&[u8]; 2] =
    [efficientad_teacher_medium_first::BYTES, efficientad_teacher_medium_second::BYTES];

/// A pretrained patch description network with 384 output channels.
#[derive(Clone)]
pub struct Teacher {
    pub(crate) size: PdnSize,
    pub(crate) weights: Weights,
    /// How it came about, if this program distilled it.
    pub(crate) distillation: Option<Box<Distillation>>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    size: PdnSize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distillation: Option<Box<Distillation>>,
}

impl Teacher {
    /// A teacher of unknown origin.
    pub(crate) fn new(size: PdnSize, weights: Weights) -> Self {
        Self { size, weights, distillation: None }
    }

    /// The teacher of this size that is part of the program.
    ///
    /// # Errors
    /// When its bytes in the program are damaged.
    pub fn embedded(size: PdnSize) -> Result<Self, Error> {
        let name = "the built-in teacher";
        let bytes = match size {
            PdnSize::Small => Cow::Borrowed(SMALL),
            PdnSize::Medium => Cow::Owned(MEDIUM.concat()),
        };
        let contents = efficientad_weights::from_bytes::<Document>(&bytes, KIND, name)?;
        Ok(Self::from_contents(contents).map_err(|cause| cause.in_file(name))?)
    }

    /// Whether a file begins as one written by [`Teacher::save`] does; it need not be whole.
    ///
    /// # Errors
    /// It can't be read.
    pub fn is_file(path: &Path) -> io::Result<bool> {
        efficientad_weights::is_of_kind(path, KIND)
    }

    /// Reads a teacher: a file written by [`Teacher::save`], a whole model, or one of the foreign
    /// forms that `efficientad_weights::foreign` knows.
    ///
    /// # Errors
    /// When the file can't be read or holds something else.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let teacher = match efficientad_weights::load::<Document>(path, KIND) {
            Ok(contents) => Self::from_contents(contents),
            Err(error) => match error.cause {
                Cause::NotAContainer | Cause::PyTorchFile | Cause::OtherKind { .. } => {
                    Self::from_tensors(&Self::foreign_tensors(path)?)
                }
                _ => return Err(error.into()),
            },
        };
        Ok(teacher.map_err(|cause| cause.in_file(path))?)
    }

    fn from_contents(contents: Contents<Document>) -> Result<Self, Cause> {
        let Contents { tensors, document } = contents;
        Ok(Self { distillation: document.distillation, ..Self::from_tensors(&tensors)? })
    }

    fn foreign_tensors(path: &Path) -> Result<Tensors, Error> {
        let file = foreign::read(path)?;
        let found = match (file.part, file.role()) {
            (Part::Pdn, Some(Role::Teacher)) => return Ok(file.into_prefixed("teacher.")),
            (Part::WholeModel, _) => return Ok(file.tensors),
            (Part::Pdn, Some(Role::Student)) => "a student",
            (Part::Pdn, None) => "a patch description network of another width",
            (Part::Autoencoder, _) => "an autoencoder",
        };
        Err(Error::NotATeacher { path: path.to_owned(), found: found.to_owned() })
    }

    /// Takes `teacher.…` from named tensors, without what is negligible.
    pub(crate) fn from_tensors(tensors: &Tensors) -> Result<Self, Cause> {
        let size = size_of_pdn(tensors, "teacher");
        let layers = pdn_layers(size, TEACHER_CHANNELS);
        let weights = Weights::read(&layers, tensors, "teacher")?;
        Ok(Self::new(size, weights.without_negligible()))
    }

    /// Adds `teacher.…` to named tensors.
    pub(crate) fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        self.weights.write(&pdn_layers(self.size, TEACHER_CHANNELS), tensors, "teacher")
    }

    /// Which network it is.
    pub fn size(&self) -> PdnSize {
        self.size
    }

    /// How it came about, if this program distilled it and the file says so.
    pub fn distillation(&self) -> Option<&Distillation> {
        self.distillation.as_deref()
    }

    /// Writes the teacher alone to a file that [`Teacher::open`] reads: in half precision if it was
    /// distilled by this program, which rounds it to that.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::new();
        self.write(&mut tensors).map_err(|cause| cause.in_file(path))?;
        let document = Document { size: self.size, distillation: self.distillation.clone() };
        let precision =
            if document.distillation.is_some() { Precision::Half } else { Precision::Single };
        Ok(efficientad_weights::save_checked(precision, path, KIND, &document, &tensors)?)
    }
}

/// Tells S and M apart by the number of layers.
pub(crate) fn size_of_pdn(tensors: &Tensors, prefix: &str) -> PdnSize {
    match tensors.get(&format!("{prefix}.conv5.weight")) {
        Some(_) => PdnSize::Medium,
        None => PdnSize::Small,
    }
}

/// Mean and standard deviation of each of the teacher's 384 channels over the good images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TeacherStatistics {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

impl TeacherStatistics {
    /// Of images that are seen whole all have as many locations, so that the mean over images of
    /// their spatial means is the mean over all locations; likewise for the squared differences
    /// from the mean.
    ///
    /// # Errors
    /// When a channel is the same everywhere.
    pub(crate) fn of(sums: &ChannelSums) -> Result<Self, Error> {
        let (mean, std) = sums.mean_and_std();
        let rounded = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        let statistics = Self { mean: rounded(mean), std: rounded(std) };
        match statistics.std.iter().position(|&std| std < 1e-6) {
            Some(channel) => Err(Error::ConstantTeacher { channel }),
            None => Ok(statistics),
        }
    }

    /// Folds the normalisation (features − mean) / std into the teacher's last, linear layer.
    pub(crate) fn fold_into(&self, teacher: &Weights) -> Weights {
        let mut folded = teacher.clone();
        if let Some(last) = folded.0.last_mut() {
            for row in last.weight.chunks_exact_mut(TEACHER_CHANNELS) {
                row.iter_mut().zip(&self.std).for_each(|(weight, std)| *weight /= std);
            }
            for ((bias, mean), std) in last.bias.iter_mut().zip(&self.mean).zip(&self.std) {
                *bias = (*bias - mean) / std;
            }
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_built_in_teacher_of_each_size() {
        for size in [PdnSize::Small, PdnSize::Medium] {
            assert_eq!(Teacher::embedded(size).unwrap().size(), size);
        }
    }

    #[test]
    fn the_model_cards_tell_what_the_built_in_teachers_say_of_themselves() {
        let cards = include_str!("../../../docs/teacher.md").replace(',', "");
        let sections: Vec<&str> = cards.split("\n## ").collect();
        for (size, heading) in [(PdnSize::Small, "PDN-S"), (PdnSize::Medium, "PDN-M")] {
            let card = sections.iter().find(|section| section.starts_with(heading)).unwrap();
            let teacher = Teacher::embedded(size).unwrap();
            let Distillation { data, recipe, r_squared, .. } = teacher.distillation().unwrap();
            let initial = data.initial.as_ref().unwrap();
            for told in [
                data.backbone.clone(),
                data.backbone_sha256.clone(),
                initial.sha256.clone(),
                format!("{} photos", data.photos),
                format!("{} samples", data.samples),
                format!("--steps {} --batch {} --seed {}", recipe.steps, recipe.batch, recipe.seed),
                format!("R² {:.2} on {} photos", r_squared.all, data.held_back),
                format!("{:.2} of the half from stride 8", r_squared.fine),
                format!("{:.2} of that from stride 16", r_squared.coarse),
            ] {
                assert!(card.contains(&told), "{heading}: {told} is missing");
            }
        }
    }

    #[test]
    fn a_saved_teacher_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("teacher.safetensors");
        let teacher = Teacher::embedded(PdnSize::Small).unwrap();
        teacher.save(&path).unwrap();
        assert!(Teacher::open(&path).unwrap().weights == teacher.weights);
    }

    #[test]
    fn statistics_are_those_of_the_definition() {
        let images: Vec<Vec<f32>> = (0..3)
            .map(|i| (0..5 * TEACHER_CHANNELS).map(|j| ((i * 31 + j * 7) % 23) as f32).collect())
            .collect();
        let mut sums = ChannelSums::default();
        images.iter().for_each(|features| sums.add(features));
        let statistics = TeacherStatistics::of(&sums).unwrap();
        let channel = 17;
        let values: Vec<Vec<f64>> = images
            .iter()
            .map(|f| (0..5).map(|l| f64::from(f[l * TEACHER_CHANNELS + channel])).collect())
            .collect();
        let spatial = |f: &dyn Fn(f64) -> f64| -> f64 {
            let of_image = |v: &Vec<f64>| v.iter().map(|&v| f(v)).sum::<f64>() / 5.0;
            values.iter().map(of_image).sum::<f64>() / 3.0
        };
        let mean = spatial(&|v| v);
        let std = spatial(&|v| (v - mean).powi(2)).sqrt();
        assert!((f64::from(statistics.mean[channel]) - mean).abs() < 1e-5);
        assert!((f64::from(statistics.std[channel]) - std).abs() < 1e-5);
    }

    #[test]
    fn a_constant_channel_is_an_error() {
        let mut sums = ChannelSums::default();
        let mut features: Vec<f32> = (0..4 * TEACHER_CHANNELS).map(|i| (i % 7) as f32).collect();
        features.chunks_exact_mut(TEACHER_CHANNELS).for_each(|location| location[9] = 1.25);
        sums.add(&features);
        assert!(matches!(TeacherStatistics::of(&sums), Err(Error::ConstantTeacher { channel: 9 })));
    }
}
