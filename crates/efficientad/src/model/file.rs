//! The model's file (`docs/model-file.md`).

use super::{Model, ModelInfo};
use crate::calibration::{Calibration, MAX_CALIBRATION_IMAGES, MapQuantiles, Quantiles};
use crate::channel_weights::ChannelWeights;
use crate::error::Error;
use crate::inspection::NetworkWeights;
use crate::position::PositionWeights;
use crate::teacher::TeacherStatistics;
use crate::view::Framing;
use efficientad_engine::{
    InputSize, PdnSize, STUDENT_CHANNELS, TEACHER_CHANNELS, Weights, autoencoder_layers, pdn_layers,
};
use efficientad_weights::{Cause, Contents, Precision, Tensor, Tensors};
use std::io::{self, Read};
use std::path::Path;

/// Kind of a model's file.
const KIND: &str = "efficientad-model";

impl Model {
    /// Whether a file begins as a model's file does; it need not be whole.
    ///
    /// # Errors
    /// It can't be read.
    pub fn is_file(path: &Path) -> io::Result<bool> {
        efficientad_weights::is_of_kind(path, KIND)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or is no model of this version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::from_file(efficientad_weights::load(path, KIND)?, path)
    }

    /// Reads a model from the bytes of its file; `name` is what errors call it.
    ///
    /// # Errors
    /// When they are damaged, or no model of this version.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, Error> {
        Self::from_file(efficientad_weights::from_bytes(bytes, KIND, name)?, Path::new(name))
    }

    /// Reads a model from whatever its file's bytes come from, to its end; `name` is what errors call
    /// it.
    ///
    /// # Errors
    /// When it can't be read, is larger than [`efficientad_weights::MAX_FILE_SIZE`], damaged, or no
    /// model of this version.
    pub fn read(reader: impl Read, name: &str) -> Result<Self, Error> {
        Self::from_file(efficientad_weights::read(reader, KIND, name)?, Path::new(name))
    }

    fn from_file(contents: Contents<ModelInfo>, path: &Path) -> Result<Self, Error> {
        let Contents { document, tensors } = contents;
        let framing = document.framing()?;
        Ok(Self::from_contents(document, framing, &tensors).map_err(|cause| cause.in_file(path))?)
    }

    fn from_contents(info: ModelInfo, framing: Framing, tensors: &Tensors) -> Result<Self, Cause> {
        let networks = NetworkWeights::read(info.size, framing, tensors)?;
        let (quantiles, calibration) = (Quantiles::read(tensors)?, Calibration::read(tensors)?);
        Ok(Self { networks, quantiles, calibration, info })
    }

    /// Writes the model file: the same model gives the same bytes. What was written is read back before
    /// it replaces an earlier file.
    ///
    /// # Errors
    /// When it can't be written; an earlier file of that name is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::new();
        self.networks
            .write(&mut tensors)
            .and_then(|()| self.quantiles.write(&mut tensors))
            .and_then(|()| self.calibration.iter().try_for_each(|it| it.write(&mut tensors)))
            .map_err(|cause| cause.in_file(path))?;
        Ok(efficientad_weights::save_checked(Precision::Single, path, KIND, &self.info, &tensors)?)
    }
}

impl NetworkWeights {
    /// Writes all tensors under their canonical names.
    pub(crate) fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let teacher_layers = pdn_layers(self.size, TEACHER_CHANNELS);
        self.teacher.write(&teacher_layers, tensors, "teacher")?;
        let student_layers = pdn_layers(self.size, STUDENT_CHANNELS);
        self.student.write(&student_layers, tensors, "student")?;
        self.autoencoder.write(&autoencoder_layers(), tensors, "autoencoder")?;
        let TeacherStatistics { mean, std } = &self.statistics;
        for (name, values) in [("teacher.mean", mean), ("teacher.std", std)] {
            tensors.insert(name, Tensor::new([values.len()], values.clone())?);
        }
        self.channel_weights.iter().try_for_each(|weights| weights.write(tensors))?;
        self.position_weights.iter().try_for_each(|weights| weights.write(tensors))
    }

    /// Reads what [`NetworkWeights::write`] writes, of networks of a size.
    pub(crate) fn read(size: PdnSize, framing: Framing, tensors: &Tensors) -> Result<Self, Cause> {
        let statistic = |name| -> Result<Vec<f32>, Cause> {
            Ok(tensors.expect(name, &[TEACHER_CHANNELS])?.data().to_vec())
        };
        let statistics =
            TeacherStatistics { mean: statistic("teacher.mean")?, std: statistic("teacher.std")? };
        let (teacher, student, autoencoder) = read_networks(size, tensors)?;
        Ok(Self {
            size,
            teacher,
            statistics,
            student,
            autoencoder,
            channel_weights: ChannelWeights::read(tensors)?,
            position_weights: PositionWeights::read(framing.input(), tensors)?,
            framing,
        })
    }
}

/// Name of the tensor of channel weights.
const CHANNEL_WEIGHTS: &str = "teacher_map.channel_weights";

impl ChannelWeights {
    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let values = self.values().to_vec();
        tensors.insert(CHANNEL_WEIGHTS, Tensor::new([values.len()], values)?);
        Ok(())
    }

    /// Models whose recipe does without have none.
    fn read(tensors: &Tensors) -> Result<Option<Self>, Cause> {
        if tensors.get(CHANNEL_WEIGHTS).is_none() {
            return Ok(None);
        }
        let values = tensors.expect(CHANNEL_WEIGHTS, &[TEACHER_CHANNELS])?.data().to_vec();
        Ok(Some(Self::new(values)))
    }
}

/// Name of the tensor of position weights.
const POSITION_WEIGHTS: &str = "autoencoder_map.position_weights";

impl PositionWeights {
    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let (height, width) = self.size();
        tensors.insert(POSITION_WEIGHTS, Tensor::new([height, width], self.values().to_vec())?);
        Ok(())
    }

    /// Models whose recipe does without have none.
    fn read(input: InputSize, tensors: &Tensors) -> Result<Option<Self>, Cause> {
        if tensors.get(POSITION_WEIGHTS).is_none() {
            return Ok(None);
        }
        let size = input.feature_size();
        let tensor = tensors.expect(POSITION_WEIGHTS, &[size.0, size.1])?;
        Ok(Some(Self::new(size, tensor.data().to_vec())))
    }
}

/// Reads the weights of teacher, student and autoencoder, without what is negligible.
pub(crate) fn read_networks(
    size: PdnSize,
    tensors: &Tensors,
) -> Result<(Weights, Weights, Weights), Cause> {
    let read = |layers: &[_], prefix| {
        Weights::read(layers, tensors, prefix).map(Weights::without_negligible)
    };
    Ok((
        read(&pdn_layers(size, TEACHER_CHANNELS), "teacher")?,
        read(&pdn_layers(size, STUDENT_CHANNELS), "student")?,
        read(&autoencoder_layers(), "autoencoder")?,
    ))
}

impl Quantiles {
    fn names() -> [&'static str; 4] {
        ["quantiles.st_a", "quantiles.st_b", "quantiles.ae_a", "quantiles.ae_b"]
    }

    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        let (st, ae) = (self.student_teacher, self.student_autoencoder);
        for (name, value) in Self::names().into_iter().zip([st.lower, st.upper, ae.lower, ae.upper])
        {
            tensors.insert(name, Tensor::new([1], vec![value])?);
        }
        Ok(())
    }

    pub(crate) fn read(tensors: &Tensors) -> Result<Self, Cause> {
        let mut values = [0.0; 4];
        for (value, name) in values.iter_mut().zip(Self::names()) {
            *value = tensors.expect(name, &[1])?.data()[0];
        }
        let [st_lower, st_upper, ae_lower, ae_upper] = values;
        Ok(Self {
            student_teacher: MapQuantiles { lower: st_lower, upper: st_upper },
            student_autoencoder: MapQuantiles { lower: ae_lower, upper: ae_upper },
        })
    }
}

/// Name of the tensor of calibration scores.
const SCORES: &str = "calibration.scores";

impl Calibration {
    fn write(&self, tensors: &mut Tensors) -> Result<(), Cause> {
        tensors.insert(SCORES, Tensor::new([self.scores().len()], self.scores().to_vec())?);
        Ok(())
    }

    /// Models that were never calibrated have none.
    fn read(tensors: &Tensors) -> Result<Option<Self>, Cause> {
        let Some(tensor) = tensors.get(SCORES) else { return Ok(None) };
        let count = tensor.data().len().clamp(1, MAX_CALIBRATION_IMAGES);
        let scores = tensors.expect(SCORES, &[count])?.data().to_vec();
        Ok(Self::new(scores).ok())
    }
}
