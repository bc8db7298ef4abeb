//! Weights of other programs: nelson1425's and anomalib's PyTorch files, and safetensors files with their names.
//!
//! A PyTorch file is a pickle, and a pickle can ask to run anything. Nothing is run here: the file's instructions are
//! only noted down, and of the notes, those of tensors are understood.
//!
//! The canonical names, with convolutions in OIHW order and biases `[O]`:
//! `conv1` … `conv4` (S) or `conv6` (M) of a patch description network, `autoencoder.encoder.conv1` … `conv6`,
//! `autoencoder.decoder.conv1` … `conv8`, each with `.weight` and `.bias`; a whole model has its networks under
//! `teacher.` and `student.`, and `teacher.mean`, `teacher.std` (`[C]`) and `quantiles.st_a`, `st_b`, `ae_a`, `ae_b` (`[1]`).

mod archive;
mod bytes;
mod legacy;
mod modules;
mod names;
mod pickle;
mod storage;

use std::path::Path;

use crate::header::SafetensorsFile;
use crate::{Cause, Tensor, Tensors, WeightsError, files};
use legacy::PyTorchFile;
use storage::TensorReader;

/// Which part of the method a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// One patch description network: a teacher or a student, see [`Foreign::role`].
    Pdn,
    /// The autoencoder.
    Autoencoder,
    /// Teacher, student, autoencoder, the teacher's statistics and the quantiles of the maps.
    WholeModel,
}

/// Which patch description network it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The frozen one, with 384 output channels.
    Teacher,
    /// The trained one, with 768: half for the teacher's outputs, half for the autoencoder's.
    Student,
}

/// Output channels of the teacher (paper, section 3.1).
const TEACHER_CHANNELS: usize = 384;

/// Weights read from another program's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// Which part of the method they are.
    pub part: Part,
    /// The tensors under their canonical names; their shapes are as in the file, but for the statistics' and
    /// quantiles', which have one dimension.
    pub tensors: Tensors,
}

impl Foreign {
    /// Teacher or student, told by the last convolution's output channels (384 or 768); none for other widths and for
    /// other parts than [`Part::Pdn`].
    pub fn role(&self) -> Option<Role> {
        let last = ["conv6.bias", "conv4.bias"].iter().find_map(|name| self.tensors.get(name))?;
        match *last.shape() {
            [TEACHER_CHANNELS] => Some(Role::Teacher),
            [outputs] if outputs == 2 * TEACHER_CHANNELS => Some(Role::Student),
            _ => None,
        }
    }

    /// The tensors with `prefix` before each name: `teacher.` makes a [`Part::Pdn`]'s `conv1.bias` the whole model's
    /// `teacher.conv1.bias`.
    pub fn into_prefixed(self, prefix: &str) -> Tensors {
        self.tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
    }
}

/// Reads another program's weights: a PyTorch file (zip or legacy; a state dict, a whole module, or a checkpoint with
/// either) or a safetensors file, with F16, BF16, F32, F64 or I64 numbers.
///
/// # Errors
/// As [`from_bytes`], and [`Cause::Missing`], [`Cause::NotAFile`], [`Cause::Read`].
pub fn read(path: &Path) -> Result<Foreign, WeightsError> {
    files::read(path).and_then(|bytes| parse(&bytes)).map_err(|cause| cause.in_file(path))
}

/// The same from bytes; `name` stands for a file's name in the error.
///
/// # Errors
/// Any other program's file: [`Cause::FileTooLarge`], [`Cause::NoTensors`], [`Cause::UnknownLayout`],
/// [`Cause::MissingLayers`], [`Cause::DuplicateName`], [`Cause::ElementType`], [`Cause::NotFinite`].
/// PyTorch: [`Cause::Archive`], [`Cause::EntryMissing`], [`Cause::EntryPacked`], [`Cause::TorchScript`],
/// [`Cause::PlainPickle`], [`Cause::BigEndian`], [`Cause::RunsCode`], [`Cause::PickleTruncated`],
/// [`Cause::PickleOpcode`], [`Cause::PickleOperand`], [`Cause::Limit`], [`Cause::TensorRecord`],
/// [`Cause::TensorBeyondStorage`].
/// Safetensors: [`Cause::Truncated`], [`Cause::TrailingBytes`], [`Cause::HeaderTooLarge`], [`Cause::NotSafetensors`],
/// [`Cause::Header`].
pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Foreign, WeightsError> {
    parse(bytes).map_err(|cause| cause.in_file(name))
}

fn parse(bytes: &[u8]) -> Result<Foreign, Cause> {
    files::check_size(bytes.len() as u64)?;
    let foreign = if bytes.starts_with(b"PK\x03\x04") {
        from_pytorch(&archive::read(bytes)?)?
    } else if bytes.starts_with(legacy::MAGIC) {
        from_pytorch(&legacy::read(bytes)?)?
    } else {
        from_safetensors(bytes)?
    };
    foreign.tensors.check_finite()?;
    Ok(foreign)
}

fn from_pytorch(file: &PyTorchFile) -> Result<Foreign, Cause> {
    let places = modules::tensors(&file.objects, file.root)?;
    let mut reader = TensorReader::new(&file.objects, &file.storages);
    assemble(places.keys().map(String::as_str), |name| reader.read(places[name], name))
}

fn from_safetensors(bytes: &[u8]) -> Result<Foreign, Cause> {
    let file = SafetensorsFile::parse(bytes).map_err(|cause| match cause {
        // Zip archives and legacy files went another way: this is a pickle of some other program.
        Cause::PyTorchFile => Cause::PlainPickle,
        other => other,
    })?;
    assemble(file.names().into_iter(), |name| file.tensor(name))
}

/// Recognises the names, and reads the tensors that belong to the network.
fn assemble<'a>(
    names: impl Iterator<Item = &'a str>,
    mut read: impl FnMut(&str) -> Result<Tensor, Cause>,
) -> Result<Foreign, Cause> {
    let layout = names::recognise(names)?;
    let mut tensors = Tensors::new();
    for (name, canonical) in layout.names {
        let tensor = read(&name)?;
        // Statistics are [1, C, 1, 1] and scalars at anomalib; biases have one dimension anyway.
        let tensor = if canonical.ends_with(".weight") { tensor } else { tensor.flattened() };
        tensors.insert(canonical, tensor);
    }
    Ok(Foreign { part: layout.part, tensors })
}
